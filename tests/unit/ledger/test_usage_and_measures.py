"""The account of sources by month, and what monitoring asks of the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.ledger.measures import Work
from ingestor.ledger.usage import Spent
from ingestor.service.activity import SLOTS, STEP_S, activity, spread
from ingestor.service.metrics import Lags
from ingestor.sync.lag import percentiles
from tests.support.world import SOURCE, World

DAY = 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "root").mkdir()
    (tmp_path / "state").mkdir()
    made = World(tmp_path / "root", tmp_path / "state")
    yield made
    made.close()


def test_months_are_added_up_and_a_removed_source_stays_in_the_account(world: World) -> None:
    """One of the same name that came after it is the same line; of an unknown one nothing is noted."""
    usage = world.ledger.usage
    usage.add("docs", Spent(documents=1, cpu_s=0.5), at=0.0)
    usage.add("docs", Spent(documents=2, embedded=7), at=30 * DAY)
    usage.add("docs", Spent(cpu_s=1.0), at=32 * DAY)
    usage.add("no-such-source", Spent(documents=9), at=0.0)
    world.ledger.sources.remove("docs")
    world.ledger.sources.put("docs", "files", {}, "registered")
    usage.add("docs", Spent(documents=4), at=0.0)
    assert [(month.month, month.source, month.spent) for month in usage.months()] == [
        ("1970-02", "docs", Spent(cpu_s=1.0)),
        ("1970-01", "docs", Spent(documents=7, embedded=7, cpu_s=0.5)),
    ]


def test_figures_are_those_of_live_sources(world: World) -> None:
    """What waits is counted by what it waits for; a removed source has no figures."""
    world.write("a.md", "# A\n\nA zebra.\n")
    world.write("b.md", "# B\n\nAn okapi.\n")
    world.sync()
    figures = world.ledger.measures.sources()
    assert (figures.documents, figures.chunks, figures.to_embed) == ({"docs": 2}, {"docs": 2}, {"docs": 2})
    world.drain()
    (world.root / "a.md").unlink()
    world.run()
    figures = world.ledger.measures.sources()
    assert (figures.documents, figures.chunks, figures.to_embed) == ({"docs": 1}, {"docs": 1}, {})
    assert figures.to_index == {"docs": 1}  # a tombstone
    assert list(figures.well) == ["docs"]
    world.ledger.sources.remove("docs")
    figures = world.ledger.measures.sources()
    assert (figures.documents, figures.chunks, figures.well) == ({}, {}, {})


def test_a_revision_is_embedded_before_it_is_searchable(world: World) -> None:
    """The moments are in order, and what takes no new vector is embedded when it is searchable."""
    world.write("a.md", "# A\n\nA zebra.\n")
    world.sync()
    assert world.ledger.sync._db.read("SELECT embedded_at, searchable_at FROM revision") == [(None, None)]
    world.drain()
    ((committed, embedded, searchable),) = world.ledger.sync._db.read(
        "SELECT committed_at, embedded_at, searchable_at FROM revision"
    )
    assert committed < embedded < searchable
    world.write("a.md", "# A\n\nA zebra.\n\n")  # other bytes, the same passage
    world.sync()
    world.drain()
    rows = world.ledger.sync._db.read("SELECT embedded_at, searchable_at FROM revision ORDER BY number")
    assert len(rows) == 2
    assert rows[1][0] == rows[1][1]


def test_an_edit_is_in_the_histogram_once(world: World) -> None:
    """However often it is looked at, and though another one becomes searchable at the very same moment later."""
    lags = Lags(world.ledger.measures, since=0.0)

    def counted() -> int:
        return sum(sum(histogram.counts) for (_, until), histogram in lags.look().items() if until == "searchable")

    for number in range(4):
        world.write(f"{number}.md", f"# {number}\n\nA zebra.\n")
    world.sync()
    world.drain()
    with world.ledger.sync._db.write() as tx:
        tx.execute("UPDATE revision SET searchable_at = 1000.0")
        tx.execute("UPDATE revision SET edited_at = 900.0 WHERE doc < (SELECT max(doc) FROM revision)")
    assert [counted(), counted()] == [3, 3]
    with world.ledger.sync._db.write() as tx:
        tx.execute("UPDATE revision SET edited_at = 900.0")
    assert [counted(), counted()] == [4, 4]
    (histogram,) = [found for (_, until), found in lags.look().items() if until == "searchable"]
    assert list(histogram.buckets())[8:10] == [("60.0", 0), ("300.0", 4)]
    assert histogram.total == 400.0


def test_activity_tells_lag_and_work_by_half_hours(world: World) -> None:
    """Percentiles by nearest rank, as elsewhere; a source that is not there did nothing; without a ledger nothing was done."""
    lags = [float(n) for n in range(1, 41)]
    for number in range(40):
        world.write(f"{number}.md", f"# {number}\n\nA zebra of the number {number}.\n")
    world.sync()
    world.drain()
    now = time.time()
    with world.ledger.sync._db.write() as tx:
        for doc, lag in enumerate(lags, 1):
            tx.execute("UPDATE revision SET searchable_at = ?, edited_at = ? WHERE doc = ?", (now, now - lag, doc))
    for source, edits in ((None, 40), (SOURCE, 40), ("nope", 0)):
        slots = activity(world.ledger.measures, source, now).slots
        assert len(slots) == SLOTS
        assert sum(slot.edits for slot in slots) == edits
    slot = next(slot for slot in activity(world.ledger.measures, None, now).slots if slot.edits)
    expected = percentiles(lags)
    assert (round(slot.p50 or 0, 3), round(slot.p95 or 0, 3)) == (expected.p50, expected.p95)
    assert round(sum(slot.changed for slot in activity(world.ledger.measures, None, now).slots)) == 40
    assert not any(slot.edits or slot.changed for slot in activity(None, None, now).slots)


def test_what_a_long_run_did_is_spread_over_its_time() -> None:
    """Its end alone is on record; what it did before the first slot is not shown."""
    hour = 2 * STEP_S
    slots = spread(
        [Work(started_at=0.0, ended_at=hour, changed=100), Work(started_at=hour, ended_at=hour, changed=7)], 0.0
    )
    assert [round(count, 3) for count in slots[:4]] == [50.0, 57.0, 0.0, 0.0]
    late = spread([Work(started_at=-STEP_S, ended_at=STEP_S, changed=10)], 0.0)
    assert [round(count, 3) for count in late[:2]] == [5.0, 0.0]
