"""kill -9 in every phase of a run: the next run mends all of it, and the state equals a fresh backfill's.

A kill counts only while a run is open and some, not all, documents are committed as they are now. The
phase is what the flight recorder of the killed process says, not what was wished for.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.faults_churn import Corpus
from tests.support.faults_kills import ROOT, Site, await_gone, await_met, descendants, kill, marks_file
from tests.support.faults_marks import Marks
from tests.support.faults_oracle import difference
from tests.support.faults_phases import Phase, histogram, phase_at, wish_for
from tests.support.faults_report import campaign_seed, write_report

pytestmark = pytest.mark.slow

HANDBOOK = ROOT / "tests/data/handbook"


@dataclass
class Count:
    """What happened, for the report."""

    seed: int
    embedder: str
    corpus: str = ""
    kills: Counter[tuple[str, Phase]] = field(default_factory=Counter)
    ran_through: int = 0
    not_counted: Counter[str] = field(default_factory=Counter)
    with_host: int = 0
    again: list[int] = field(default_factory=list)
    rebuilt: int = 0
    began: float = field(default_factory=time.monotonic)

    def of(self, phase: Phase) -> int:
        return sum(count for (_, at), count in self.kills.items() if at is phase)

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def lines(self) -> list[str]:
        twice = ", ".join(f"{units} units x{count}" for units, count in sorted(Counter(self.again).items()))
        left_out = ", ".join(f"{why}: {count}" for why, count in self.not_counted.items()) or "none"
        return [
            f"seed {self.seed}; {self.embedder} embedder; {self.corpus};",
            f"{self.total} kills counted, {sum(self.not_counted.values())} not counted ({left_out}),",
            f"{self.ran_through} runs ended before their kill; {time.monotonic() - self.began:.0f} s",
            "",
            *histogram(self.kills),
            "",
            f"{self.with_host} of them with the index host and the parsers killed at the same moment;",
            f"the vector index was rebuilt from the ledger {self.rebuilt} times.",
            f"Units embedded a second time: {sum(self.again)} in all; by kill: {twice}.",
            "After each of them: `verify` clean, and the state equal to that of a fresh backfill.",
        ]


class Campaign:
    """Kills over one corpus that changes between them. Each starts from a state that lived through kills."""

    def __init__(self, place: Path, count: Count, *, formats: bool) -> None:
        self._random = random.Random(count.seed)
        self._place = place
        self._count = count
        names = ["*.pdf", "*.html", "*.docx"] if formats else ["tideline*.pdf"]
        files = [path for name in names for path in sorted(HANDBOOK.rglob(name))]
        place.mkdir()
        self._corpus = Corpus(place / "corpus", count.seed, formats=files)
        self._site = Site(corpus=place / "corpus", state=place / "state", embedder=count.embedder)
        self._rounds = 0
        self._first()

    def _first(self) -> None:
        """The first run of all is killed, too, and the corpus is another one when the next begins."""
        embedded = self._killed(self._site, Phase.PARSE)
        self._corpus.change()
        fresh = Site(corpus=self._site.corpus, state=self._place / "fresh-0", embedder=self._site.embedder)
        assert fresh.ask("backfill")[0] == 0
        self._mend(self._site, fresh, embedded, 0)
        self._count.corpus = f"{self._corpus.size()} documents, {fresh.passages().total()} chunks"
        shutil.rmtree(fresh.state)

    def round(self, phases: list[Phase]) -> None:
        """Change the corpus once, then kill in each of ``phases``, every time from the same state; the state
        that one of these kills left behind is what the next round starts from."""
        self._rounds += 1
        self._corpus.change()
        fresh = Site(
            corpus=self._site.corpus, state=self._place / f"fresh-{self._rounds}", embedder=self._site.embedder
        )
        assert fresh.ask("backfill")[0] == 0
        survivors = []
        for number, phase in enumerate(phases):
            site = self._site.copy(self._place / f"state-{self._rounds}-{number}")
            vectors = site.vectors()
            self._mend(site, fresh, self._killed(site, phase), vectors)
            survivors.append(site)
        kept = self._random.choice(survivors)
        for site in (self._site, fresh, *survivors):
            if site is not kept:
                shutil.rmtree(site.state)
        self._site = kept

    def _killed(self, site: Site, phase: Phase) -> int:
        """Start a backfill and kill it in ``phase``; the units that it embedded."""
        last_run = site.last_run()
        with marks_file() as path:
            wish = wish_for(phase, self._random, listed=30, hold=8)
            process, marks = site.start(path, wish, "backfill", "--json"), Marks(path)
            try:
                met = await_met(process, marks)
                if not wish.stay:
                    time.sleep(self._random.choice([0.0, 0.002, 0.01, 0.03]))
                below = descendants(process.pid)
                with_host = phase in {Phase.WRITE, Phase.SETTLE} and self._random.random() < 0.5
                kill([process.pid, *(below if with_host else ())])
            finally:
                process.kill()
                process.wait()
            await_gone(below)
            phase_then = phase_at(wish.role, marks.point(wish.role))
            self._judge(site, last_run, phase_then, met=met, with_host=with_host)
            return marks.units()

    def _judge(self, site: Site, last_run: int, phase: Phase | None, *, met: bool, with_host: bool) -> None:
        """Count the kill, or say why it does not count."""
        is_open, committed, documents = site.progress(last_run)
        if not met:
            self._count.ran_through += 1
        elif phase is None:
            self._count.not_counted["between two phases"] += 1
        elif not is_open:
            self._count.not_counted["no run open"] += 1
        elif not 0 < committed < documents:
            self._count.not_counted[f"{committed} of {documents} documents committed"] += 1
        else:
            self._count.kills[(f"{site.embedder} embedder", phase)] += 1
            self._count.with_host += with_host

    def _mend(self, site: Site, fresh: Site, embedded: int, vectors_before: int) -> None:
        """What the next processes make of it: the promise."""
        code, reply, units = site.ask("backfill")
        assert (code, reply["runs"][0]["outcome"]) == (0, "ok"), reply
        code, found, _ = site.ask("verify")
        assert (code, found["ok"]) == (0, True), found
        expected = fresh.passages()
        assert difference(site.passages(), expected) == ""
        assert found["checked"] == expected.total()
        self._count.again.append(embedded + units - (site.vectors() - vectors_before))
        with site.ledger() as read:
            (generations,) = read("SELECT count(*) FROM generation WHERE id > 1")
        self._count.rebuilt += generations[0] > 0
        again_code, again, units = site.ask("backfill")
        run = again["runs"][0]
        assert (again_code, units, run["embedded"], run["index_writes"], run["bytes_read"]) == (0, 0, 0, 0, 0), run


def test_a_killed_run_is_mended_by_the_next(tmp_path: Path) -> None:
    """One kill at least in each phase: after restart `verify` is clean and the state equals a fresh backfill's."""
    count = Count(seed=20_261_120, embedder="stub")
    campaign = Campaign(tmp_path / "stub", count, formats=False)
    for _ in range(3):
        missing = [phase for phase in Phase if not count.of(phase)]
        if missing:
            campaign.round(missing)
    print("\n" + "\n".join(count.lines()))
    assert all(count.of(phase) for phase in Phase)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_fifty_killed_runs_are_mended(tmp_path: Path) -> None:
    """50 kills with the real model, at least 5 in each phase: each is mended by the run after it."""
    count = Count(seed=campaign_seed(), embedder="model")
    campaign = Campaign(tmp_path / "model", count, formats=True)
    for _ in range(14):
        lacking = [phase for phase in Phase if count.of(phase) < 5]
        if count.total >= 50 and not lacking:
            break
        campaign.round(lacking * 3 if count.total >= 44 and lacking else list(Phase))
        print("\n".join(count.lines()[:3]))
    assert count.total >= 50
    assert min(count.of(phase) for phase in Phase) >= 5
    write_report("kill9.md", "kill -9", count.lines())
