"""What tells why a ledger is not f(source), for the person who has to find the cause; and whether the guard of R5
explains it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from connectors.files.signature import version
from connectors.paths import path_of
from ingestor.model import blake
from tests.support.faults_oracle import Passage, Read

_RUNS = 20
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class HeldPlan:
    """Deletions that wait for a person, and what the guard measured them against: ``live`` documents are in the
    ledger, the held ones included; ``peak`` is the most that the source had within a day."""

    plan_id: str
    items: frozenset[str]
    live: int
    peak: int

    def is_due(self) -> bool:
        """Whether R5 asks for it: more than half and at least 10 of the most that lived within a day, or more than a
        fifth and more than 50, are gone or would be."""
        loss = max(len(self.items), self.peak - (self.live - len(self.items)))
        return (loss >= 10 and 2 * loss > self.peak) or (loss > 50 and 5 * loss > self.peak)

    def explains(self, found: Counter[Passage], expected: Counter[Passage], items: frozenset[str]) -> bool:
        """Whether the ledger would be ``expected`` if just this were deleted; ``items`` are those that there are."""
        kept = found - expected
        return (
            self.is_due()
            and not self.items & items
            and not expected - found
            and {passage.item for passage in kept} <= self.items
        )


def held_plan(read: Read, now: float) -> HeldPlan | None:
    """The plan of the one source of this ledger."""
    heads = read("SELECT plan_id FROM held_plan")
    if not heads:
        return None
    ((live,),) = read("SELECT count(*) FROM item")
    ((peak,),) = read(f"SELECT coalesce(max(documents), 0) FROM live_count WHERE at >= {now - _DAY_S}")
    items = frozenset(item for (item,) in read("SELECT item_id FROM held_item"))
    return HeldPlan(plan_id=heads[0][0], items=items, live=live, peak=peak)


def account(read: Read, found: Counter[Passage], expected: Counter[Passage], corpus: Path) -> str:
    """The whole difference, and all that the ledger and the source say of the items in it."""
    left, lacking = found - expected, expected - found
    lines = [f"only held:   {passage!r} x{count}" for passage, count in left.items()]
    lines += [f"only wanted: {passage!r} x{count}" for passage, count in lacking.items()]
    lines += _rows(read, "held", "SELECT * FROM held_plan LEFT JOIN held_item USING (source)")
    lines += _rows(read, "live documents", "SELECT at, documents FROM live_count ORDER BY at DESC LIMIT 5")
    lines += _rows(read, "most of them", "SELECT at, documents FROM live_count ORDER BY documents DESC LIMIT 1")
    for item in sorted({passage.item for passage in (*left, *lacking)}):
        quoted = item.replace("'", "''")
        docs = f"(SELECT doc FROM item WHERE item_id = '{quoted}' UNION SELECT doc FROM binding WHERE item_id = '{quoted}')"
        lines += ["", item, f"  the file: {_file(corpus, item)}"]
        lines += _rows(read, "item", f"SELECT * FROM item WHERE item_id = '{quoted}' OR doc IN {docs}")
        lines += _rows(read, "binding", f"SELECT * FROM binding WHERE doc IN {docs} ORDER BY id")
        lines += _rows(
            read, "revision", f"SELECT * FROM revision WHERE doc IN {docs} ORDER BY doc, number DESC LIMIT 9"
        )
        lines += _rows(read, "layout", f"SELECT * FROM layout WHERE doc IN {docs} AND died IS NULL")
        lines += _rows(read, "quarantine", f"SELECT * FROM quarantine WHERE doc IN {docs}")
    lines += _rows(read, "source", "SELECT name, state, note, identity, proven_at, next_run FROM source")
    lines += _rows(read, "run", f"SELECT * FROM run ORDER BY id DESC LIMIT {_RUNS}")
    return "\n".join(lines)


def keep(place: Path) -> Path:
    """A copy of a campaign's folder that outlives the test's own."""
    kept = Path(tempfile.mkdtemp(prefix="ingestor-failed-"))
    shutil.copytree(place, kept / place.name, symlinks=True, ignore=shutil.ignore_patterns("socket"))
    return kept / place.name


def _rows(read: Read, name: str, sql: str) -> list[str]:
    return [f"  {name}: {row}" for row in read(sql)]


def _file(corpus: Path, item: str) -> str:
    """Its version and its content's hash as they are now."""
    path = corpus / os.fsdecode(path_of(item) or b"")
    if not path.is_file():
        return "is not there"
    return f"{version(path.stat())}, content {blake(path.read_bytes())!r}"
