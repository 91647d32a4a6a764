"""Runs, and what ``status``, ``runs`` and ``why`` read."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from connectors.base import ItemId, Scope
from ingestor.ledger.database import Database
from ingestor.ledger.milestones import UNSETTLED
from ingestor.ledger.sources import Sources
from ingestor.model import Outcome, RunCounts, RunId, RunReport, SourceState, Trigger

_LAG_WINDOW_S = 86_400.0  # lag is that of the last day
_LAG_SAMPLES = 1_000
_RUNS_KEPT = 1_000  # per source


# Each by the index of just these rows: a settled ledger has none of them, however many chunks it holds.
PENDING_ROWS = (
    ("index_state_embed", "alive = 1 AND ready = 0"),
    ("index_state_write", "alive = 1 AND ready = 1 AND written IS NOT wanted"),
    ("index_state_dead", "alive = 0"),
)
_PENDING = """
SELECT count(*) FROM generation CROSS JOIN index_state INDEXED BY {index} ON index_state.generation = generation.id
CROSS JOIN chunk ON chunk.id = index_state.chunk
CROSS JOIN document ON document.id = chunk.doc
WHERE generation.state = 'serving' AND {condition} AND document.source = ?
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFigures:
    """What stands in the ledger of one source. ``quarantined`` leaves out what a person ignores."""

    documents: int
    chunks: int
    pending_embed: int
    pending_index: int
    quarantined: int
    lag_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFacts:
    """What is known of one live item: for ``why``."""

    document_id: str
    revision: int
    chunks: int
    content_hash: bytes | None
    version: str
    doubtful: bool
    quarantine: tuple[str, str, str] | None
    ignored: bool
    pending_embed: int
    pending_index: int
    committed_at: float
    searchable_at: float | None
    edited_at: float | None


class Runs:
    """Implements ``ports.RunLedger``."""

    def __init__(self, db: Database, sources: Sources) -> None:
        self._db = db
        self._sources = sources

    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId:
        row = self._sources.row_id(source)
        run_id = RunId(secrets.token_hex(8))
        with self._db.write() as tx:
            tx.execute(
                "INSERT INTO run (run_id, source, trigger, scope, started_at) VALUES (?, ?, ?, ?, ?)",
                (run_id, row, trigger.value, scope, time.time()),
            )
        return run_id

    def finish_run(self, report: RunReport) -> None:
        with self._db.write() as tx:
            tx.execute(
                "UPDATE run SET ended_at = ?, outcome = ?, counts = ?, message = ?, plan_id = ? WHERE run_id = ?",
                (
                    report.ended_at,
                    report.outcome.value,
                    json.dumps(asdict(report.counts)),
                    report.message,
                    report.plan_id,
                    report.run_id,
                ),
            )
            tx.execute(
                "DELETE FROM run WHERE source = (SELECT source FROM run WHERE run_id = :run)"
                " AND id <= (SELECT id FROM run WHERE run_id = :run) - :kept",
                {"run": report.run_id, "kept": _RUNS_KEPT},
            )

    def discard_run(self, run: RunId) -> None:
        """A watch run that found nothing leaves no trace."""
        with self._db.write() as tx:
            tx.execute("DELETE FROM run WHERE run_id = ?", (run,))

    def set_state(self, source: str, state: SourceState, note: str = "") -> None:
        self._sources.set_state(source, state, note)

    # -- reading -----------------------------------------------------------------------------------

    def last(self, source: str | None, limit: int) -> Sequence[RunReport]:
        """Finished runs, latest first."""
        rows = self._db.read(
            """
            SELECT run_id, source.name, trigger, run.scope, outcome, started_at, ended_at, counts, message, plan_id
            FROM run JOIN source ON source.id = run.source
            WHERE ended_at IS NOT NULL AND (:source IS NULL OR (source.name = :source AND source.removed_at IS NULL))
            ORDER BY run.id DESC LIMIT :limit
            """,
            {"source": source, "limit": limit},
        )
        return [
            RunReport(
                run_id=RunId(run_id),
                source=name,
                trigger=Trigger(trigger),
                scope=Scope(scope),
                outcome=Outcome(outcome),
                started_at=started_at,
                ended_at=ended_at,
                counts=RunCounts(**json.loads(counts)),
                message=message,
                plan_id=plan_id,
            )
            for run_id, name, trigger, scope, outcome, started_at, ended_at, counts, message, plan_id in rows
        ]

    def figures(self, source: str) -> SourceFigures:
        row = self._sources.row_id(source)
        (counts,) = self._db.read(
            """
            SELECT (SELECT count(*) FROM item WHERE source = :s),
                   (SELECT count(*) FROM document JOIN chunk ON chunk.doc = document.id
                        JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL WHERE document.source = :s),
                   (SELECT count(*) FROM quarantine JOIN document ON document.id = quarantine.doc
                        WHERE document.source = :s),
                   (SELECT count(*) FROM quarantine JOIN document ON document.id = quarantine.doc
                        WHERE document.source = :s AND quarantine.ignored)
            """,
            {"s": row},
        )
        embed, write, dead = (
            self._db.read(_PENDING.format(index=index, condition=condition), (row,))[0][0]
            for index, condition in PENDING_ROWS
        )
        lags = self._db.read(
            """
            SELECT searchable_at - edited_at FROM revision JOIN document ON document.id = revision.doc
            WHERE searchable_at IS NOT NULL AND edited_at IS NOT NULL AND searchable_at >= ? AND document.source = ?
            ORDER BY searchable_at DESC LIMIT ?
            """,
            (time.time() - _LAG_WINDOW_S, row, _LAG_SAMPLES),
        )
        return SourceFigures(
            documents=counts[0] - counts[2],
            chunks=counts[1],
            quarantined=counts[2] - counts[3],
            pending_embed=embed,
            pending_index=write + dead,
            lag_s=tuple(max(0.0, lag) for (lag,) in lags),
        )

    def item(self, source: str, item_id: ItemId) -> ItemFacts | None:
        rows = self._db.read(
            """
            SELECT item.doc, document.doc_id, item.content_hash, item.version, item.doubtful,
                   revision.number, revision.committed_at, revision.searchable_at, revision.edited_at,
                   quarantine.reason, quarantine.message, quarantine.hint, quarantine.ignored
            FROM item JOIN document ON document.id = item.doc
            JOIN revision ON revision.doc = item.doc
            LEFT JOIN quarantine ON quarantine.doc = item.doc
            WHERE item.source = ? AND item.item_id = ? ORDER BY revision.number DESC LIMIT 1
            """,
            (self._sources.row_id(source), item_id),
        )
        if not rows:
            return None
        doc, doc_id, digest, version, doubtful, number, committed, searchable, edited, *aside = rows[0]
        (counts,) = self._db.read(
            f"""
            SELECT (SELECT count(*) FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL WHERE doc = :doc),
                   (SELECT count(*) FROM ({UNSETTLED} AND ready = 0)),
                   (SELECT count(*) FROM ({UNSETTLED} AND ready = 1))
            """,
            {"doc": doc},
        )
        return ItemFacts(
            document_id=doc_id,
            revision=number,
            chunks=counts[0],
            content_hash=digest,
            version=version,
            doubtful=bool(doubtful),
            quarantine=(aside[0], aside[1], aside[2]) if aside[0] is not None else None,
            ignored=bool(aside[3]),
            pending_embed=counts[1],
            pending_index=counts[2],
            committed_at=committed,
            searchable_at=searchable,
            edited_at=edited,
        )
