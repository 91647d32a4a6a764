"""What monitoring reads: figures of all sources at once, and the lags since the last look.

Asked every few seconds for years. Each question is a walk over an index; the longest is that of the live chunks,
which counts 100,000 of them in a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ingestor.ledger.database import Database
from ingestor.ledger.runs import PENDING_ROWS

_DOCUMENTS = """
SELECT name, (SELECT count(*) FROM item WHERE item.source = source.id)
    - (SELECT count(*) FROM quarantine JOIN document ON document.id = quarantine.doc WHERE document.source = source.id)
FROM source WHERE removed_at IS NULL
"""
_CHUNKS = """
SELECT source.name, count(*) FROM document
CROSS JOIN source ON source.id = document.source AND source.removed_at IS NULL
CROSS JOIN chunk ON chunk.doc = document.id CROSS JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
GROUP BY document.source
"""
_PENDING = """
SELECT source.name, count(*)
FROM generation CROSS JOIN index_state INDEXED BY {index} ON index_state.generation = generation.id
CROSS JOIN chunk ON chunk.id = index_state.chunk CROSS JOIN document ON document.id = chunk.doc
CROSS JOIN source ON source.id = document.source
WHERE generation.state = 'serving' AND {condition} GROUP BY document.source
"""
_QUARANTINED = """
SELECT source.name, reason, count(*) FROM quarantine JOIN document ON document.id = quarantine.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
WHERE NOT quarantine.ignored GROUP BY document.source, reason
"""
_HELD = """
SELECT source.name, count(*) FROM held_item JOIN item USING (source, item_id)
JOIN source ON source.id = held_item.source AND source.removed_at IS NULL GROUP BY held_item.source
"""
_WELL = """
SELECT source.name, max(ended_at) FROM source JOIN run ON run.source = source.id
WHERE source.removed_at IS NULL AND outcome IN ('ok', 'partial', 'held') GROUP BY source.id
"""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'keyword%' AND name NOT LIKE 'sqlite%'"
_LAGS = """
SELECT source.name, revision.doc, number, edited_at, seen_at, committed_at, embedded_at, searchable_at
FROM revision CROSS JOIN document ON document.id = revision.doc CROSS JOIN source ON source.id = document.source
WHERE searchable_at >= ? AND edited_at IS NOT NULL AND source.removed_at IS NULL ORDER BY searchable_at
"""
# By nearest rank, as ``sync.lag`` takes its percentiles. Slots without an edit have no row.
_LAG_OVER_TIME = """
SELECT slot, max(position),
    max(lag) FILTER (WHERE position = (most + 1) / 2), max(lag) FILTER (WHERE position = (most * 19 + 19) / 20)
FROM (
    SELECT slot, lag, row_number() OVER (PARTITION BY slot ORDER BY lag) AS position,
        count(*) OVER (PARTITION BY slot) AS most
    FROM (
        SELECT cast((searchable_at - :since) / :step AS INTEGER) AS slot, max(0.0, searchable_at - edited_at) AS lag
        FROM revision CROSS JOIN document ON document.id = revision.doc CROSS JOIN source ON source.id = document.source
        WHERE searchable_at >= :since AND edited_at IS NOT NULL AND source.removed_at IS NULL
            AND (:source IS NULL OR source.name = :source)
    )
) GROUP BY slot
"""
_WORK = """
SELECT started_at, ended_at,
    json_extract(counts, '$.added') + json_extract(counts, '$.updated') + json_extract(counts, '$.moved')
        + json_extract(counts, '$.deleted')
FROM run JOIN source ON source.id = run.source AND source.removed_at IS NULL
WHERE ended_at >= :since AND (:source IS NULL OR source.name = :source)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMeasures:
    """Figures of every live source, by name; a source without any may be left out. ``quarantined`` goes by (source,
    reason) and leaves out what a person ignores; ``well`` is the end of the last run that was not in vain."""

    documents: Mapping[str, int]
    chunks: Mapping[str, int]
    to_embed: Mapping[str, int]
    to_index: Mapping[str, int]
    quarantined: Mapping[tuple[str, str], int]
    held: Mapping[str, int]
    well: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One edit that became searchable. Times are seconds since the epoch."""

    source: str
    revision: tuple[int, int]
    edited_at: float
    seen_at: float
    committed_at: float
    embedded_at: float | None
    searchable_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotLag:
    """The lags of the edits that became searchable in one slot of time, in seconds."""

    slot: int
    edits: int
    p50: float
    p95: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One run that ended: how many documents it added, updated, moved or deleted, from when to when."""

    started_at: float
    ended_at: float
    changed: int


class Measures:
    """Reads only."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def sources(self) -> SourceMeasures:
        embed, write, dead = (
            dict(self._db.read(_PENDING.format(index=index, condition=condition))) for index, condition in PENDING_ROWS
        )
        return SourceMeasures(
            documents=dict(self._db.read(_DOCUMENTS)),
            chunks=dict(self._db.read(_CHUNKS)),
            to_embed=embed,
            to_index={name: write.get(name, 0) + dead.get(name, 0) for name in write.keys() | dead.keys()},
            quarantined={(name, reason): count for name, reason, count in self._db.read(_QUARANTINED)},
            held=dict(self._db.read(_HELD)),
            well=dict(self._db.read(_WELL)),
        )

    def tables(self) -> Mapping[str, int]:
        """Rows of every table of ours; counting them takes about a second at 100,000 chunks."""
        names = [name for (name,) in self._db.read(_TABLES)]
        return {name: self._db.read(f"SELECT count(*) FROM {name}")[0][0] for name in names}

    def edits(self, since: float, without: Collection[tuple[int, int]] = ()) -> Sequence[Edit]:
        """Those that became searchable at ``since`` or later, in that order, but for the revisions ``without``: several
        may have become so at one moment, and not all of them before the last look."""
        return [
            Edit(
                source=source,
                revision=(doc, number),
                edited_at=edited,
                seen_at=seen,
                committed_at=committed,
                embedded_at=embedded,
                searchable_at=searchable,
            )
            for source, doc, number, edited, seen, committed, embedded, searchable in self._db.read(_LAGS, (since,))
            if (doc, number) not in without
        ]

    def lag_over_time(self, since: float, step_s: float, source: str | None) -> Sequence[SlotLag]:
        """By slots of ``step_s`` from ``since`` on, without those in which nothing became searchable."""
        rows = self._db.read(_LAG_OVER_TIME, {"since": since, "step": step_s, "source": source})
        return [SlotLag(slot=slot, edits=edits, p50=p50, p95=p95) for slot, edits, p50, p95 in rows]

    def work(self, since: float, source: str | None) -> Sequence[Work]:
        """The runs that ended ``since`` then, as far as they are kept."""
        rows = self._db.read(_WORK, {"since": since, "source": source})
        return [Work(started_at=start, ended_at=end, changed=changed) for start, end, changed in rows]
