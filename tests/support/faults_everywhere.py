"""Every fault point of a scenario in one process, one death each: what follows has to mend all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.support.faults_kills import ROOT
from tests.support.faults_world import Death, World

COMMON = {
    "list",
    "fetch",
    "parse",
    "ledger.commit",
    "ledger.commit.done",
    "embed.batch",
    "embed.commit",
    "embed.commit.done",
    "embed.ready",
    "index.write",
    "index.write.done",
    "index.settle",
    "index.settle.done",
}
"""The points between an edit and its being searchable, in a process with one sound index."""


def named() -> set[str]:
    """Every point that the program's code names."""
    texts = [path.read_text() for path in (ROOT / "ingestor").rglob("*.py") if path.name != "faultpoint.py"]
    return {name for text in texts for name in re.findall(r'\breached\("([a-z._]+)"\)', text)}


def crash_everywhere(place: Path, before: Callable[[Path], None], change: Callable[[Path], None]) -> Counter[str]:
    """Make a corpus by ``before`` and take it in, then ``change`` it; from there a process dies at its first point,
    the next at its second, and so on. The number of deaths at each point. Raises ``AssertionError`` where what
    is left contradicts itself, or the next run does not make the corpus f(source)."""
    root = place / "root"
    root.mkdir(parents=True)
    base = World(root, place / "base")
    before(root)
    base.everything()
    base.check_index(base.check_ledger())
    base.close()
    change(root)
    died: Counter[str] = Counter()
    at, through = 0, False
    while not through:
        at += 1
        hook = Death(at)
        world = base.copy(place / f"crash-{at}")
        vectors = set(world.vectors.units())
        through = not world.dies(hook, world.everything)
        if not through:
            died[hook.seen[-1]] += 1
            world.check_rows()
        world.everything()
        expected = world.check_ledger()
        world.check_index(expected)
        # A unit is embedded once more only where the batch was made and not committed.
        made = len(set(world.vectors.units()) - vectors)
        assert world.embedder.embedded == made or hook.seen[-1] in {"embed.commit", "ledger.commit"}
        again = world.sync()
        assert (again.counts.bytes_read, again.counts.unchanged) == (0, expected.listed)
        world.close()
    assert sum(died.values()) == at - 1
    return died
