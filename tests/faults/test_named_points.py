"""A crash at every point that the code names. What lies between an edit and its being searchable dies in one
process, at each point of whole scenarios (``faults_everywhere``); the rest is real processes, killed by kill -9
where they stand: an index that is mended, condemned or built anew, a store that is closed, a backup that is
written or restored.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.parsing.pool import InlineParser
from tests.support.faults_churn import Corpus
from tests.support.faults_everywhere import COMMON, crash_everywhere, named
from tests.support.faults_kills import Site, await_gone, await_met, descendants, kill, marks_file
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import difference, wanted
from tests.support.faults_report import write_report
from tests.support.faults_service import LivingService
from tests.support.faults_trees import everyday, nothing, purge, rewrite, small_tree

pytestmark = pytest.mark.slow

TIMES = 5
IN_ONE_PROCESS = [(nothing, small_tree), (small_tree, everyday), (small_tree, rewrite), (small_tree, purge)]
SEED = 20_261_120


class Base:
    """A settled state, its store as it was a day's edits before, and a backup; everything dies on copies of it."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        corpus = Corpus(place / "corpus", SEED, files=30)
        self.site = Site(corpus=corpus.root, state=place / "state")
        assert self.site.ask("backfill")[0] == 0
        shutil.copytree(self.store(self.site), place / "yesterday")
        corpus.change()
        assert self.site.ask("backfill")[0] == 0
        self.yesterday, self.archive = place / "yesterday", place / "backup.tar"
        assert self.site.ask("backup", str(self.archive))[0] == 0
        source = FilesSource(FilesConfig(name="corpus", path=str(corpus.root)))
        self.expected = wanted(source, InlineParser(), SemanticCutter()).passages

    @staticmethod
    def store(site: Site) -> Path:
        with site.ledger() as read:
            ((location,),) = read("SELECT location FROM generation WHERE state = 'serving'")
        return site.state / "chroma" / str(location)

    def check(self, site: Site) -> None:
        """The service that starts next makes it whole: nothing differs, nothing was embedded for it, it ends well."""
        service = LivingService(site, Wish())
        try:
            assert difference(service.until_equal(self.expected), self.expected) == ""
            reply = service.verify()
            assert (reply.ok, reply.checked) == (True, self.expected.total()), reply
            assert service.marks.units() == 0
            service.process.terminate()
            assert service.process.wait(60) == 0
        finally:
            service.close()


# -- what is done to a copy before, and what has to be true after ---------------------------------------------


def old_store(base: Base, site: Site) -> None:
    """Somebody put the store of yesterday back: rows are lost, left over and stale."""
    store = base.store(site)
    shutil.rmtree(store)
    shutil.copytree(base.yesterday, store)


def wrecked_store(base: Base, site: Site) -> None:
    (base.store(site) / "chroma.sqlite3").write_bytes(b"garbage" * 1_000)


def open_store(_base: Base, site: Site) -> None:
    """A store that no clean close has recorded: it is opened and probed."""
    with contextlib.closing(sqlite3.connect(site.state / "ledger.sqlite3")) as connection, connection:
        connection.execute("UPDATE generation SET manifest = NULL")


def no_state(_base: Base, site: Site) -> None:
    shutil.rmtree(site.state)


def mended(base: Base, site: Site) -> None:
    base.check(site)


def backed_up(base: Base, site: Site) -> None:
    """There is no backup or a whole one; the next one can be made, and restores to all that there is."""
    archive = site.state.with_name(f"{site.state.name}.tar")
    assert site.ask("backup", str(archive), "--force")[0] == 0
    left = {path.name for path in site.state.parent.iterdir() if path.name.startswith(archive.name)}
    assert left == {archive.name}
    base.check(site)
    other = replace(site, state=site.state.with_name(f"{site.state.name}-restored"))
    assert other.ask("restore", str(archive))[0] == 0
    base.check(other)


def restored(base: Base, site: Site) -> None:
    """What was not finished can be begun again."""
    assert site.ask("restore", str(base.archive))[0] == 0
    base.check(site)


@dataclass(frozen=True)
class Scenario:
    """``command`` is killed at the point; {archive} in it is the backup to write, {backup} one that there is."""

    before: Callable[[Base, Site], None]
    command: tuple[str, ...]
    after: Callable[[Base, Site], None]
    occurs: int = 1


_MENDING = Scenario(old_store, ("verify", "--repair"), mended)
_BUILDING = Scenario(wrecked_store, ("verify", "--repair"), mended)
_WRITING = Scenario(lambda *_: None, ("backup", "{archive}"), backed_up)

SCENARIOS = {
    "index.unsettle": _MENDING,
    "index.unsettle.done": _MENDING,
    "index.condemn": _BUILDING,
    "index.condemn.done": _BUILDING,
    "index.promote": _BUILDING,
    "index.promote.done": _BUILDING,
    "index.manifest": Scenario(open_store, ("verify",), mended),
    "backup.snapshot": replace(_WRITING, occurs=2),  # one for each file of the ledger
    "backup.copied": _WRITING,
    "backup.rename": _WRITING,
    "restore.rename": Scenario(no_state, ("restore", "{backup}"), restored, occurs=2),
}


def die(base: Base, point: str, number: int) -> None:
    """One death at ``point`` on a copy of the base; alone, or with every process below it."""
    scenario = SCENARIOS[point]
    site = base.site.copy(base.site.state.with_name(f"{point}-{number}"))
    scenario.before(base, site)
    archive = site.state.with_name(f"{site.state.name}.tar")
    words = [word.format(archive=archive, backup=base.archive) for word in scenario.command]
    with marks_file() as path:
        wish = Wish(point=point, times=1 + number % scenario.occurs, stay=True)
        process, marks = site.start(path, wish, *words, "--json"), Marks(path)
        try:
            assert await_met(process, marks), f"{words} does not come to {point}: {site.errors()}"
            below = descendants(process.pid)
            kill([process.pid, *(below if number % 2 else ())])
        finally:
            process.kill()
            process.wait()
        await_gone(below)
    scenario.after(base, site)
    shutil.rmtree(site.state)


def test_every_named_point_is_died_at() -> None:
    """No point is named in the code that the long form does not kill at."""
    assert named() == COMMON | SCENARIOS.keys()


@pytest.mark.parametrize("point", ["index.unsettle.done", "restore.rename"])
def test_a_process_killed_at_a_point_is_mended_by_the_next(point: str, tmp_path: Path) -> None:
    """What a killed repair or restore left is finished by the next process, and nothing is embedded for it."""
    die(Base(tmp_path / "base"), point, 1)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_every_named_point_five_times(tmp_path: Path) -> None:
    """Five deaths at least at each named point, every one mended by what follows."""
    began = time.monotonic()
    died: Counter[str] = Counter()
    for number, (before, change) in enumerate(IN_ONE_PROCESS):
        died += crash_everywhere(tmp_path / str(number), before, change)
    in_process = died.total()
    base = Base(tmp_path / "base")
    for point in SCENARIOS:
        for number in range(TIMES):
            die(base, point, number)
            died[point] += 1
        print(f"{point}: {died[point]}", flush=True)
    points = named()
    hit = [point for point in sorted(points) if died[point] >= TIMES]
    lines = [
        f"seed {SEED}; stub embedder; {len(points)} points are named in the code, {len(hit)} of them were died at {TIMES} times",
        f"or more; {died.total()} deaths ({in_process} in one process with an index in memory, at every point of {len(IN_ONE_PROCESS)} scenarios;",
        f"{died.total() - in_process} real processes by kill -9, on {base.expected.total()} chunks); {time.monotonic() - began:.0f} s.",
        "After each: no two tables disagree, the next run makes ledger and index f(source), `verify` is clean.",
        "",
        "| point | deaths |",
        "|---|---|",
        *(f"| {point} | {died[point]} |" for point in sorted(points)),
    ]
    assert hit == sorted(points)
    write_report("every_point.md", "A crash at every named point", lines)
