"""Write the fixture of today's schema: a small ledger with something in every table, and its vectors.

    python -m tests.data.make_ledger

To be run once for each new migration, and never again for an old one: the files in ``ledgers`` are what programs
of that time left behind (``tests/unit/ledger/test_migrations.py`` opens each with the program of today).
"""

from __future__ import annotations

import gzip
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Version
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.usage import Spent
from ingestor.model import (
    Answer,
    Filters,
    GenerationState,
    Hash,
    ModelId,
    Outcome,
    Passage,
    PutFailure,
    PutRevision,
    Reader,
    Recipe,
    Remove,
    RunCounts,
    RunReport,
    Shown,
    Trigger,
    Unit,
    attachment_id,
)

FOLDER = Path(__file__).parent / "ledgers"
MODEL = ModelId("fixture")
LENGTH = 8


def revision(ledger: Ledger, name: str, text: str) -> PutRevision:
    known = ledger.sync.known("handbook", WHOLE).get(ItemId(name))
    grant = Grant(place="root", principals=frozenset({"group:staff"}))
    return PutRevision(
        ref=ItemRef(
            item_id=ItemId(name),
            name=name,
            version=Version(f"{name} {len(text)}"),
            grant=grant,
            size=len(text),
            tags=("Harbour", f"All about {name}"),
            author="Ann",
        ),
        doc=known.doc if known else None,
        content_hash=Hash(text.encode()[:20]),
        recipe=Recipe("r1"),
        title=f"Title of {name}",
        kind="markdown",
        passages=(
            Passage(
                start=0,
                end=len(text),
                text=text,
                units=(Unit(text=text, start=0, end=len(text), weight=len(text)),),
                length=len(text),
                section=("Harbour", "Ferries"),
                page=3,
                lines=(1, 2),
            ),
        ),
        has_lines=True,
        tags=("timetable",),
        seen_at=time.time(),
    )


def attachment(of: ItemRef) -> PutFailure:
    """One that no parser took."""
    return PutFailure(
        ref=replace(of, item_id=attachment_id(of.item_id, "table.xls", 1), name="table.xls", parent=of.item_id),
        doc=None,
        content_hash=Hash(b"table"),
        recipe=Recipe("r1"),
        reason="encrypted",
        message="The file is protected.",
        hint="Remove the password.",
        attempts=1,
        retry_at=None,
        seen_at=time.time(),
    )


def make(state: Path) -> None:
    """What a person would leave: edits, a deletion, a plan that waits, a file and an attachment that no parser took."""
    ledger = Ledger(state)
    ledger.sources.put("handbook", "files", {"path": "/srv/handbook"}, "registered", "harbour")
    generation = ledger.index.add_generation(MODEL, "generation-0123456789abcdef", GenerationState.SERVING)
    run = ledger.runs.start_run("handbook", Trigger.BACKFILL, WHOLE)
    for name in ("ferry.md", "tide.md", "gone.md"):
        op = revision(ledger, name, f"The first text of {name} about the harbour.")
        ledger.sync.apply("handbook", run, [replace(op, attachments=(attachment(op.ref),))])
    ledger.sync.apply(
        "handbook", run, [revision(ledger, "ferry.md", "The ferry leaves at noon, says the second text.")]
    )
    gone = ledger.sync.known("handbook", WHOLE)[ItemId("gone.md")]
    ledger.sync.apply("handbook", run, [Remove(doc=gone.doc, item_id=gone.item_id)])
    broken = PutFailure(
        ref=ItemRef(
            item_id=ItemId("broken.pdf"),
            name="broken.pdf",
            version=Version("b"),
            grant=Grant(place="root", principals=frozenset({"group:staff"})),
        ),
        doc=None,
        content_hash=Hash(b"broken"),
        recipe=Recipe("r1"),
        reason="corrupt",
        message="The file is damaged.",
        hint="Export it again.",
        attempts=1,
        retry_at=None,
        seen_at=time.time(),
    )
    ledger.sync.apply("handbook", run, [broken])
    waiting = ledger.index.unembedded(generation.generation_id, 10)
    units = [unit for _, chunk in waiting for unit in chunk]
    ledger.vectors(MODEL).add(units, np.full((len(units), LENGTH), LENGTH**-0.5, dtype=np.float32))
    ledger.index.mark_ready(generation.generation_id, [row for row, _ in waiting])
    ledger.index.settle(generation.generation_id, ledger.index.pending(generation.generation_id, 10))
    ledger.sync.hold("handbook", "Too many are gone.", [ItemId("tide.md")])
    ledger.sync.save_bookmark("handbook", cursor="c1", identity="root-1", proven_at=time.time(), counted=True)
    ledger.runs.finish_run(
        RunReport(
            run_id=run,
            source="handbook",
            trigger=Trigger.BACKFILL,
            scope=WHOLE,
            outcome=Outcome.HELD,
            started_at=time.time(),
            ended_at=time.time(),
            counts=RunCounts(added=3, failed=1),
        )
    )
    (hit,) = ledger.search.hits(ledger.search.keyword("ferry noon", 1, Reader(), Filters()), Reader())
    shown = Shown(chunk_id=hit.chunk_id, document_id=hit.document_id, revision=hit.revision)
    asked = frozenset({"group:staff"})
    ledger.answers.record(
        [Answer(answer_id="answer-1", at=time.time(), reader=asked, question="When?", passages=(shown,))]
    )
    ledger.usage.add("handbook", Spent(documents=5, embedded=4, cpu_s=1.5))
    ledger.close()


def schema(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        (number,) = db.execute("PRAGMA user_version").fetchone()
    return int(number)


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch))
        ledger = Path(scratch) / "ledger.sqlite3"
        (vectors,) = Path(scratch).glob("vectors-*.sqlite3")
        for file, name in ((ledger, "ledger"), (vectors, "vectors")):
            target = FOLDER / f"{name}-schema-{schema(file)}.sqlite3.gz"
            if target.exists():
                print(f"{target.name} is there already; an old one is never written again.")
                continue
            FOLDER.mkdir(exist_ok=True)
            target.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
            print(f"{target.name}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
