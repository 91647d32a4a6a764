"""kill -9 in every phase of a run: the next run mends all of it, and the state equals a fresh backfill's.

A kill counts only while a run is open and some, not all, documents are committed as they are now. The
phase is what the flight recorder of the killed process says, not what was wished for.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest

from tests.support.faults_kills import ROOT, Corpus, Site, await_gone, await_met, descendants, kill, machine, marks_file
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import difference

pytestmark = pytest.mark.slow

HANDBOOK = ROOT / "tests/data/handbook"
RESULT = ROOT / "tests/results/kill9.md"


class Phase(StrEnum):
    LIST = "list"
    PARSE = "parse"
    COMMIT = "commit"
    EMBED = "embed"
    WRITE = "Chroma write"
    SETTLE = "settle"


# (role, point) of each phase where a kill may be wished for.
WISHES = {
    Phase.LIST: [("sync", "list")],
    Phase.PARSE: [("sync", "fetch"), ("sync", "parse")],
    Phase.COMMIT: [("sync", "ledger.commit")],
    Phase.EMBED: [("embed", "embed.batch"), ("embed", "embed.commit"), ("embed", "embed.ready")],
    Phase.WRITE: [("index", "index.write")],
    Phase.SETTLE: [("index", "index.write.done"), ("index", "index.settle")],
}


def phase_at(role: str, point: str) -> Phase | None:
    """What the thread of ``role`` was in after it came to ``point``; None between two pieces of work."""
    match role, point:
        case "sync", "list":
            return Phase.LIST
        case "sync", "fetch" | "parse":
            return Phase.PARSE
        case "sync", "ledger.commit":
            return Phase.COMMIT
        case "embed", "embed.batch" | "embed.commit" | "embed.commit.done" | "embed.ready" | "ledger.commit":
            return Phase.EMBED
        case "index", "index.write":
            return Phase.WRITE
        case "index", "index.write.done" | "index.settle" | "ledger.commit":
            return Phase.SETTLE
        case _:
            return None


@dataclass
class Count:
    """What happened, for the report."""

    seed: int
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
        embedders = sorted({embedder for embedder, _ in self.kills})
        head = "| phase | " + " | ".join(f"{name} embedder" for name in embedders) + " | all |"
        rows = [
            f"| {phase.value} | "
            + " | ".join(str(self.kills[(name, phase)]) for name in embedders)
            + f" | {self.of(phase)} |"
            for phase in Phase
        ]
        twice = ", ".join(f"{units} units x{count}" for units, count in sorted(Counter(self.again).items()))
        left_out = ", ".join(f"{why}: {count}" for why, count in self.not_counted.items()) or "none"
        return [
            f"seed {self.seed}; {self.total} kills counted, {sum(self.not_counted.values())} not counted ({left_out}),",
            f"{self.ran_through} runs ended before their kill; {time.monotonic() - self.began:.0f} s",
            "",
            head,
            "|---|" + "---|" * (len(embedders) + 1),
            *rows,
            "",
            f"{self.with_host} of them with the index host and the parsers killed at the same moment;",
            f"the vector index was rebuilt from the ledger {self.rebuilt} times.",
            f"Units embedded a second time: {sum(self.again)} in all; by kill: {twice}.",
            "After each of them: `verify` clean, and the state equal to that of a fresh backfill.",
        ]


class Campaign:
    """Kills over one corpus that changes between them. Each starts from a state that lived through kills."""

    def __init__(self, place: Path, seed: int, embedder: str, count: Count, *, formats: bool) -> None:
        self._random = random.Random(seed)
        self._place = place
        self._count = count
        names = ["*.pdf", "*.html", "*.docx"] if formats else ["tideline*.pdf"]
        files = [path for name in names for path in sorted(HANDBOOK.rglob(name))]
        place.mkdir()
        self._corpus = Corpus(place / "corpus", seed, formats=files)
        self._site = Site(corpus=place / "corpus", state=place / "state", embedder=embedder)
        self._rounds = 0
        self._first()

    def _first(self) -> None:
        """The first run of all is killed, too, and the corpus is another one when the next begins."""
        embedded = self._killed(self._site, Phase.PARSE)
        self._corpus.change()
        fresh = Site(corpus=self._site.corpus, state=self._place / "fresh-0", embedder=self._site.embedder)
        assert fresh.ask("backfill")[0] == 0
        self._mend(self._site, fresh, embedded, 0)
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
        with marks_file() as path:
            wish = self._wish(phase)
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
            self._judge(site, phase_at(wish.role, marks.point(wish.role)), met=met, with_host=with_host)
            return marks.units()

    def _wish(self, phase: Phase) -> Wish:
        role, point = self._random.choice(WISHES[phase])
        beside = role != "sync"
        return Wish(
            role=role,
            point=point,
            times=self._random.choice([1, 1, 1, 2])
            if beside
            else self._random.randint(1, 30 if phase is Phase.LIST else 3),
            after_content=phase is not Phase.LIST,
            stay=self._random.random() < (0.5 if phase in {Phase.PARSE, Phase.WRITE} else 0.75),
            pace_s=0.02,
            hold_after=self._random.randint(8, 14) if beside else 0,
        )

    def _judge(self, site: Site, phase: Phase | None, *, met: bool, with_host: bool) -> None:
        """Count the kill, or say why it does not count."""
        is_open, committed, documents = site.progress()
        if not met:
            self._count.ran_through += 1
        elif phase is None:
            self._count.not_counted["between two phases"] += 1
        elif not is_open:
            self._count.not_counted["no run open"] += 1
        elif not 0 < committed < documents:
            self._count.not_counted[f"{committed} of {documents} documents committed"] += 1
        else:
            self._count.kills[(site.embedder, phase)] += 1
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
    seed = 20_261_120
    count = Count(seed=seed)
    campaign = Campaign(tmp_path / "stub", seed, "stub", count, formats=False)
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
    seed = int(os.environ.get("INGESTOR_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nseed {seed}")
    count = Count(seed=seed)
    campaign = Campaign(tmp_path / "model", seed, "model", count, formats=True)
    for _ in range(14):
        lacking = [phase for phase in Phase if count.of(phase) < 5]
        if count.total >= 50 and not lacking:
            break
        campaign.round(lacking * 3 if count.total >= 44 and lacking else list(Phase))
        print("\n".join(count.lines()[:2]))
    print("\n".join(count.lines()))
    assert count.total >= 50
    assert min(count.of(phase) for phase in Phase) >= 5
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(["# kill -9", "", machine(), "", *count.lines(), ""]))
