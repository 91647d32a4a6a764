"""``verify``: the ledger against itself, then the vector index against the ledger; and mending.

What is wrong in the ledger is counted where a person would look for it: a chunk without vectors is lost to
search by meaning, a live chunk of no document is an orphan, a keyword index with other words is stale.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field, replace

from ingestor import log, wire
from ingestor.errors import IngestorError
from ingestor.index.health import IndexState
from ingestor.index.probe import Damage, ProbeReport
from ingestor.model import GenerationState, ModelId, Trigger, UnitId, is_whole
from ingestor.service.core import Service
from ingestor.service.runner import PATIENCE_S

_SETTLE_S = 600.0
_DETAILS = 1_000
_ROUNDS = 3  # mending the ledger may show that the index was written from what was wrong
_LOOKS = 3

Report = Callable[[wire.Progress], None]

_log = log.get()


def verify(service: Service, request: wire.VerifyRequest, progress: Report) -> wire.VerifyReply:
    """Look; with ``repair`` mend and look again. What is only not written yet is waited for first: work in
    progress is no damage. Raises ``IndexUnavailable`` when the index does not answer."""
    progress(wire.Progress(stage="verify"))
    looking = _Looking(service, progress)
    first = found = looking.look()
    notes = list(found.details())
    for _ in range(_ROUNDS):
        if not request.repair or found.ok or service.stop.is_set() or not found.mendable:
            break
        notes += _mend(service, found)
        found = looking.look(stage="repair")
        notes += found.details()
    counts = found.counts()
    return wire.VerifyReply(
        ok=found.ok,
        checked=found.index.checked,
        lost=counts["lost"],
        orphan=counts["orphan"],
        duplicate=counts["duplicate"],
        stale=counts["stale"],
        repaired=max(0, first.counts().total() - counts.total()),
        details=tuple(notes[:_DETAILS]) if request.details else (),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Problem:
    """``count`` rows of the ledger; ``kind`` says which part of it has to be mended."""

    kind: str
    damage: str
    count: int
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Vectors:
    """What is wrong in one model's vectors: units that have none, that have none of theirs, that nobody knows."""

    model: ModelId
    missing: Sequence[UnitId]
    unsound: Sequence[UnitId]
    unknown: Sequence[UnitId]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    problems: Sequence[_Problem] = ()
    vectors: Sequence[_Vectors] = ()
    index: ProbeReport = field(default_factory=ProbeReport)

    @property
    def ok(self) -> bool:
        return not self.problems and self.index.clean

    @property
    def mendable(self) -> bool:
        """A damaged file is for `ingestor restore`."""
        return not any(problem.kind == "file" for problem in self.problems)

    def counts(self) -> Counter[str]:
        counts = Counter({damage.value: self.index.count(damage) for damage in Damage})
        for problem in self.problems:
            counts[problem.damage] += problem.count
        if self.index.wrecked:
            counts[Damage.LOST.value] += max(1, self.index.checked)
        return counts

    def details(self) -> list[str]:
        lines = [problem.sentence for problem in self.problems]
        if self.index.wrecked:
            lines.append(f"the vector index is wrecked: {self.index.reason}")
        for finding in self.index.findings[:_DETAILS]:
            note = f" ({finding.note})" if finding.note else ""
            where = f" in the scope {finding.scope}" if finding.scope else ""
            lines.append(f"{finding.damage.value} {finding.chunk_id}{where}{note}")
        return lines


class _Looking:
    """The ledger first: it can be judged at any moment, and where its rows contradict each other the work
    that waits may never end."""

    def __init__(self, service: Service, progress: Report) -> None:
        self._service = service
        self._progress = progress

    def look(self, *, stage: str = "") -> _Found:
        """Where the ledger contradicts itself nobody can say what the index should hold: it is compared when
        the ledger is mended."""
        problems = self._ledger()
        rows_agree = not any(problem.kind == "rows" for problem in problems)
        if rows_agree:
            self._settle(stage)
        vectors = self._vectors()
        for one in vectors:
            problems += _vector_problems(one)
        comparable = rows_agree and not any(one.unsound for one in vectors)
        index = self._index(stage) if comparable else ProbeReport()
        return _Found(problems=tuple(problems), vectors=tuple(vectors), index=index)

    def _ledger(self) -> list[_Problem]:
        upkeep = self._service.ledger.upkeep
        found = [
            _Problem(kind="file", damage="lost", count=1, sentence=f"ledger file: {problem}")
            for problem in upkeep.quick_check()
        ]
        for kind, problems in (("keyword", upkeep.keyword_problems()), ("rows", upkeep.row_problems())):
            found += [
                _Problem(kind=kind, damage=problem.damage, count=problem.count, sentence=f"ledger: {problem}")
                for problem in problems
            ]
        return found

    def _vectors(self) -> list[_Vectors]:
        ledger, used = self._service.ledger, dict[ModelId, set[UnitId]]()
        for generation in ledger.index.generations():
            if generation.state is not GenerationState.CONDEMNED:
                settled = ledger.upkeep.settled_texts if is_whole(generation.model) else ledger.upkeep.settled_unit_ids
                ids = settled(generation.generation_id)
                used.setdefault(generation.model, set()).update(ids)
        found = []
        for model, ids in used.items():
            vectors = ledger.vectors(model)
            unknown = ledger.upkeep.unknown_units(list(vectors.units()))
            unsound = sorted(set(vectors.unsound()).difference(unknown))
            missing = vectors.missing(sorted(ids))
            found.append(_Vectors(model=model, missing=missing, unsound=unsound, unknown=unknown))
        return [one for one in found if one.missing or one.unsound or one.unknown]

    def _index(self, stage: str) -> ProbeReport:
        """What the probe finds, of generations that stayed the same ones while it looked. A finding counts
        when a second look finds it again, with nothing left to write in between."""
        report = ProbeReport()
        for _ in range(_LOOKS):
            before = self._generations()
            report = self._probe()
            if report.findings and not report.wrecked:
                self._settle(stage)
                report = _confirmed(report, self._probe())
            if report.wrecked or self._service.stop.is_set() or before == self._generations():
                break
            self._settle(stage)
        return report

    def _probe(self) -> ProbeReport:
        return self._service.parts.index.verify(stopping=self._service.stop.is_set)

    def _generations(self) -> list[tuple[int, GenerationState]]:
        known = self._service.ledger.index.generations()
        return [(one.generation_id, one.state) for one in known if one.state is not GenerationState.CONDEMNED]

    def _settle(self, stage: str) -> None:
        """Wait until the generation that is looked at is embedded and written, and the index is known to be
        sound: after an unclean start it is probed and perhaps built anew by its own loop first."""
        parts, stop = self._service.parts, self._service.stop
        deadline = time.monotonic() + _SETTLE_S
        parts.pump.kick()
        while not stop.is_set() and not (self._settled() and parts.index.health().state is IndexState.READY):
            if parts.pump.trouble(PATIENCE_S) or time.monotonic() > deadline:
                return
            if stage:
                to_embed, to_index = parts.pump.backlog()
                self._progress(wire.Progress(stage=stage, to_embed=to_embed, to_index=to_index))
            time.sleep(0.05)

    def _settled(self) -> bool:
        """Another model's generation that is being built beside it may take hours: it is not waited for."""
        ledger, parts = self._service.ledger, self._service.parts
        serving = [one for one in ledger.index.generations() if one.state is GenerationState.SERVING]
        if not any(parts.index.tends(one) for one in serving):
            return parts.pump.settled()
        return all(ledger.index.settled(one.generation_id) for one in serving)


def _vector_problems(found: _Vectors) -> list[_Problem]:
    kinds = (
        ("lost", found.missing, "unit(s) of live chunks have no vector"),
        ("lost", found.unsound, "unit(s) have a vector that is none or not theirs"),
        ("orphan", found.unknown, "vector(s) belong to no unit"),
    )
    return [
        _Problem(kind="vectors", damage=damage, count=len(units), sentence=f"{len(units)} {what}")
        for damage, units, what in kinds
        if units
    ]


def _confirmed(first: ProbeReport, second: ProbeReport) -> ProbeReport:
    """What both looks found."""
    before = {(finding.damage, finding.scope, finding.chunk_id) for finding in first.findings}
    again = tuple(one for one in second.findings if (one.damage, one.scope, one.chunk_id) in before)
    return replace(second, findings=again)


def _mend(service: Service, found: _Found) -> list[str]:
    """Undo what was found, as far as the ledger knows how, and set to work those who do the rest; what could
    not be begun, in sentences."""
    ledger, notes, kinds = service.ledger, list[str](), {problem.kind for problem in found.problems}
    if "rows" in kinds:
        sources = ledger.upkeep.repair_rows()
        for generation in ledger.index.generations():
            ledger.index.rewant(generation.generation_id)
        _log.warning("ledger_mended", listed_anew=list(sources))
        notes += _list_anew(service, sources)
    elif "keyword" in kinds:
        ledger.upkeep.rebuild_keyword()
    for one in found.vectors:
        ledger.vectors(one.model).remove([*one.unsound, *one.unknown])
        for generation in ledger.index.generations():
            if generation.model == one.model and (one.missing or one.unsound):
                ledger.index.unready(generation.generation_id)
    if not found.index.clean:
        service.parts.index.verify(repair=True, stopping=service.stop.is_set)
    service.parts.pump.kick()
    return notes


def _list_anew(service: Service, sources: Sequence[str]) -> list[str]:
    """Documents that were taken out come back with the next listing: now."""
    notes = []
    for name in sources:
        future = service.runner(name).request(Trigger.SYNC)
        while not service.stop.is_set() and not wait_for([future], timeout=0.5).done:
            pass  # in slices, so that a stop is heard
        try:
            report = future.result(0) if future.done() else None
        except IngestorError as error:
            notes.append(f"the source {name} could not be listed: {error}")
            continue
        if report is not None and report.message:
            notes.append(f"the source {name}: {report.message}")
    return notes
