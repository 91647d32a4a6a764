"""What needs no lock: status, runs, sources, and why a file is found or not. Reads the ledger only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from connectors.base import ItemId, Source
from ingestor import wire, wire_models, wire_reading
from ingestor.errors import LedgerError, UnknownId
from ingestor.evaluation.generate import Generated
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.model import Generation, GenerationState, ModelId, vectors_of
from ingestor.parsing.sandbox_filter import trouble
from ingestor.service.activity import activity
from ingestor.service.generating import generated
from ingestor.service.jobs import Job, JobState, job_states
from ingestor.service.passages import document, fresh, passage, shelf
from ingestor.service.quarantine import found, listed, not_set_aside
from ingestor.service.replies import run_reply, source_reply
from ingestor.service.tracing import (
    answered,
    history,
    no_such_answer,
    no_such_chunk,
    no_such_document,
    reader_of,
    traced,
)
from ingestor.service.why import why
from ingestor.space import free, is_full, sentence, sizes
from ingestor.sync.lag import percentiles

_ORDER = ("serving", "building", "kept", "unused")


class LedgerReading:
    """Each call opens the ledger for reading and closes it. ``configured`` are the sources of the
    configuration, which stand in the ledger only after their first run."""

    def __init__(
        self,
        *,
        state_dir: Path,
        holder: str,
        configured: Callable[[], Sequence[SourceRow]],
        make_source: Callable[[SourceRow], Source],
        item_at: Callable[[SourceRow, str], ItemId | None],
    ) -> None:
        self._state_dir = state_dir
        self._holder = holder
        self._configured = configured
        self._make_source = make_source
        self._item_at = item_at

    def status(self) -> wire.StatusReply:
        with self._ledger() as ledger:
            rows = self._rows(ledger)
            if ledger is None:
                empty = tuple(_empty_status(row) for row in rows)
                return wire.StatusReply(sources=empty, service=self._holder, parsers=trouble())
            known = {row.name for row in ledger.sources.all()}
            serving = next((g for g in ledger.index.generations() if g.state is GenerationState.SERVING), None)
            names, wish = ledger.models.names(), ledger.models.wish()
            return wire.StatusReply(
                sources=tuple(self._status(ledger, row) if row.name in known else _empty_status(row) for row in rows),
                service=self._holder,
                generation=serving.location if serving is not None else "",
                model=names.get(serving.model, serving.model) if serving is not None else "",
                switch=wish.name if wish is not None else "",
                parsers=trouble(),
                maintenance=tuple(self._job(job, state) for job, state in job_states(ledger.upkeep).items()),
            )

    def sample(self, documents: int) -> Sequence[str]:
        """The beginnings of so many documents, for the owner of the state folder."""
        with self._ledger() as ledger:
            return () if ledger is None else ledger.search.sample(documents)

    def models(self) -> wire_models.ModelsReply:
        with self._ledger() as ledger:
            if ledger is None:
                return wire_models.ModelsReply(models=())
            generations, configured = ledger.index.generations(), ledger.models.configured()
            facts = [
                wire_models.ModelFacts(
                    name=name,
                    vectors=vectors_of(model),
                    model=model,
                    state=state,
                    configured=model == configured,
                    waiting=sum(ledger.index.backlog(generation.generation_id)) if generation is not None else 0,
                    kept_until=generation.kept_until if generation is not None else None,
                )
                for model, name in ledger.models.names().items()
                for state, generation in [_use(model, generations)]
            ]
            ordered = sorted(facts, key=lambda fact: (_ORDER.index(fact.state), fact.name))
            return wire_models.ModelsReply(models=tuple(ordered))

    def runs(self, limit: int, source: str | None) -> wire.RunsReply:
        with self._ledger() as ledger:
            if ledger is None:
                return wire.RunsReply(runs=())
            if source is not None:
                ledger.sources.row_id(source)
            return wire.RunsReply(runs=tuple(run_reply(report) for report in ledger.runs.last(source, limit)))

    def source_list(self) -> wire.SourcesReply:
        with self._ledger() as ledger:
            return wire.SourcesReply(sources=tuple(source_reply(row) for row in self._rows(ledger)))

    def source(self, name: str) -> SourceRow:
        """Configured or registered. Raises ``UnknownId``."""
        with self._ledger() as ledger:
            found = next((row for row in self._rows(ledger) if row.name == name), None)
        if found is None:
            raise UnknownId(f"There is no source named {name!r}.", hint="`ingestor source list` shows them.")
        return found

    def cost(self, source: str | None) -> wire_reading.CostReply:
        with self._ledger() as ledger:
            months = ledger.usage.months() if ledger is not None else ()
        if source is not None and source not in {month.source for month in months}:
            raise UnknownId(f"Nothing was spent for a source named {source!r}.")
        return wire_reading.CostReply(
            months=tuple(
                wire_reading.CostMonth(
                    month=month.month,
                    source=month.source,
                    documents=month.spent.documents,
                    embedded=month.spent.embedded,
                    reused=month.spent.reused,
                    cpu_s=round(month.spent.cpu_s, 2),
                )
                for month in months
                if source in {None, month.source}
            )
        )

    def facts(self) -> wire_reading.StateFacts:
        rows: dict[str, int] = {}
        with suppress(LedgerError), self._ledger() as ledger:
            rows = dict(ledger.measures.tables()) if ledger is not None else {}
        return wire_reading.StateFacts(
            schemas={path.name: schema for path, schema in Ledger.schemas(self._state_dir).items()},
            rows=rows,
            sizes=sizes(self._state_dir),
            free=free(self._state_dir),
        )

    def quarantine(self, source: str | None, *, ignored: bool = False) -> wire.QuarantineReply:
        with self._ledger() as ledger:
            return wire.QuarantineReply(items=()) if ledger is None else listed(ledger, source, ignored=ignored)

    def set_aside(self, target: str, path: str) -> wire.QuarantineItem:
        with self._ledger() as ledger:
            if ledger is None:
                raise not_set_aside(target)
            known = ledger.sources.all()
            return found(ledger, target, path, lambda place: self._named(known, place))

    def trace(self, chunk_id: str, principals: Sequence[str] | None) -> wire_reading.TraceReply:
        with self._ledger() as ledger:
            if ledger is None:
                raise no_such_chunk(chunk_id)
            return traced(ledger, chunk_id, reader_of(principals))

    def answer(self, answer_id: str, principals: Sequence[str] | None) -> wire_reading.AnswerReply:
        with self._ledger() as ledger:
            if ledger is None:
                raise no_such_answer(answer_id)
            return answered(ledger, answer_id, reader_of(principals))

    def generate(
        self, count: int, seed: int, sources: Sequence[str], principals: Sequence[str] | None
    ) -> Sequence[Generated]:
        with self._ledger() as ledger:
            return () if ledger is None else generated(ledger, count, seed, sources, reader_of(principals))

    def history(self, target: str, path: str, principals: Sequence[str] | None) -> wire_reading.HistoryReply:
        with self._ledger() as ledger:
            if ledger is None:
                raise no_such_document(target)
            known = ledger.sources.all()
            return history(ledger, target, path, lambda place: self._named(known, place), reader_of(principals))

    def document(
        self, document_id: str, first: int, count: int, principals: Sequence[str] | None
    ) -> wire_reading.DocumentReply:
        with self._ledger() as ledger:
            if ledger is None:
                raise no_such_document(document_id)
            return document(ledger, document_id, first, count, reader_of(principals))

    def passage(self, chunk_id: str, context: int, principals: Sequence[str] | None) -> wire.SearchHit:
        with self._ledger() as ledger:
            if ledger is None:
                raise no_such_chunk(chunk_id)
            return passage(ledger, chunk_id, context, reader_of(principals))

    def freshness(self, principals: Sequence[str] | None) -> wire_reading.FreshnessReply:
        with self._ledger() as ledger:
            return wire_reading.FreshnessReply(sources=() if ledger is None else fresh(ledger, reader_of(principals)))

    def shelf(self, source: str, after: str, count: int, principals: Sequence[str] | None) -> wire_reading.ShelfReply:
        with self._ledger() as ledger:
            return shelf(ledger, source, after, count, reader_of(principals))

    def activity(self, source: str | None) -> wire_reading.ActivityReply:
        with self._ledger() as ledger:
            return activity(ledger.measures if ledger is not None else None, source, time.time())

    def why(self, path: str) -> wire_reading.WhyReply:
        with self._ledger() as ledger:
            rows = self._rows(ledger)
            if (root := next((row for row in rows if source_reply(row).place == path), None)) is not None:
                verdict = f"This is the folder of the source {root.name!r}; ask about a file in it."
                return wire_reading.WhyReply(path=path, source=root.name, verdict=verdict)
            covering = self._covering(rows, path)
            if covering is None:
                return wire_reading.WhyReply(
                    path=path,
                    verdict="No source covers this path.",
                    included=False,
                    hint=f"Add its folder: ingestor source add {Path(path).parent}",
                )
            row, item_id = covering
            if Path(path).is_dir():
                verdict = f"This is a folder of the source {row.name!r}; ask about a file in it."
                return wire_reading.WhyReply(path=path, source=row.name, verdict=verdict)
            facts = None
            if ledger is not None and row.name in {r.name for r in ledger.sources.all()}:
                facts = ledger.runs.item(row.name, item_id)
            return why(self._make_source(row), row, path, item_id, facts, served=bool(self._holder))

    # -- helpers -----------------------------------------------------------------------------------------

    @contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        if not Ledger.exists(self._state_dir):
            yield None
            return
        ledger = Ledger(self._state_dir, read_only=True)
        try:
            yield ledger
        finally:
            ledger.close()

    def _covering(self, rows: Sequence[SourceRow], path: str) -> tuple[SourceRow, ItemId] | None:
        """The source that a path lies in, and the id that it has there."""
        for row in rows:
            item_id = self._item_at(row, path)
            if item_id is not None:
                return row, item_id
        return None

    def _named(self, rows: Sequence[SourceRow], path: str) -> tuple[str, ItemId] | None:
        covering = self._covering(rows, path)
        return (covering[0].name, covering[1]) if covering is not None else None

    def _rows(self, ledger: Ledger | None) -> list[SourceRow]:
        rows = {row.name: row for row in self._configured()}
        rows |= {row.name: row for row in (ledger.sources.all() if ledger is not None else ())}
        return [rows[name] for name in sorted(rows)]

    def _status(self, ledger: Ledger, row: SourceRow) -> wire.SourceStatus:
        figures, last = ledger.runs.figures(row.name), ledger.runs.last(row.name, 1)
        plan = ledger.sources.plan(row.name)
        lag = percentiles(figures.lag_s)
        running = bool(self._holder)
        state, note = row.state.value, row.note
        if row.paused:
            state = "paused"
        elif is_full(self._state_dir):
            # Told here and not by who meets it: on a full disk nobody can write it down.
            state, note = "paused", sentence(self._state_dir)
        elif state in {"running", "paused"} and not running:
            state, note = "idle", ""  # its process was killed; the next run carries on
        return wire.SourceStatus(
            name=row.name,
            kind=row.kind,
            state=state,
            documents=figures.documents,
            chunks=figures.chunks,
            pending=wire.Pending(embed=figures.pending_embed, index=figures.pending_index),
            quarantined=figures.quarantined,
            last_run=run_reply(last[0]) if last else None,
            next_run=row.next_run if running else None,
            lag_s=wire.Lag(p50=_rounded(lag.p50), p95=_rounded(lag.p95)),
            note=note,
            origin=row.origin,
            place=source_reply(row).place,
            held=len(plan.items) if plan is not None else 0,
            scope=row.scope,
        )

    def _job(self, job: Job, state: JobState) -> wire.JobStatus:
        return wire.JobStatus(
            job=job.value,
            outcome=state.outcome.value if state.outcome is not None else "",
            message=state.message,
            done_at=state.done_at,
            next_run=state.next_run if self._holder else None,
        )


def _use(model: ModelId, generations: Sequence[Generation]) -> tuple[str, Generation | None]:
    """The first use of a model in the order of ``_ORDER``, and its generation."""
    for state in _ORDER:
        for generation in generations:
            if generation.model == model and generation.state.value == state:
                return state, generation
    return _ORDER[-1], None


def _empty_status(row: SourceRow) -> wire.SourceStatus:
    return wire.SourceStatus(
        name=row.name,
        kind=row.kind,
        state="idle",
        documents=0,
        chunks=0,
        pending=wire.Pending(),
        quarantined=0,
        last_run=None,
        next_run=None,
        lag_s=wire.Lag(),
        note="No run yet.",
        origin=row.origin,
        place=source_reply(row).place,
        scope=row.scope,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
