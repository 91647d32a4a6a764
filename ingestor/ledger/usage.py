"""What sources cost, summed by month, for as long as the ledger lives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.ledger.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """``documents`` counts changes of documents (added, updated, moved, deleted), ``embedded`` and ``reused`` count
    units, ``cpu_s`` is processor time."""

    documents: int = 0
    embedded: int = 0
    reused: int = 0
    cpu_s: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.documents or self.embedded or self.reused or self.cpu_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """One source in one month (of UTC, ``2026-11``)."""

    source: str
    month: str
    spent: Spent


class Usage:
    """The account of every source, removed ones included: what was spent stays spent."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, source: str, spent: Spent, *, at: float | None = None) -> None:
        """Put it to the account of the month of ``at`` (now). Of a source that is gone nothing is noted."""
        month = time.strftime("%Y-%m", time.gmtime(at))
        with self._db.write() as tx:
            tx.execute(
                """
                INSERT INTO usage (source, month, documents, embedded, reused, cpu_s)
                SELECT id, ?, ?, ?, ?, ? FROM source WHERE name = ? AND removed_at IS NULL
                ON CONFLICT (source, month) DO UPDATE SET documents = documents + excluded.documents,
                    embedded = embedded + excluded.embedded, reused = reused + excluded.reused,
                    cpu_s = cpu_s + excluded.cpu_s
                """,
                (month, spent.documents, spent.embedded, spent.reused, spent.cpu_s, source),
            )

    def months(self) -> Sequence[Month]:
        """The latest first; a removed source and a later one of its name are one line."""
        rows = self._db.read(
            "SELECT source.name, month, sum(documents), sum(embedded), sum(reused), sum(cpu_s)"
            " FROM usage JOIN source ON source.id = usage.source"
            " GROUP BY source.name, month ORDER BY month DESC, source.name"
        )
        return [
            Month(source=source, month=month, spent=Spent(documents=d, embedded=e, reused=r, cpu_s=c))
            for source, month, d, e, r, c in rows
        ]
