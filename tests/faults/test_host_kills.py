"""The index host killed while it writes: the service goes on, mends or rebuilds, and embeds nothing again.

A kill counts only if it hit a write: one that was begun and never acknowledged, as the flight recorder of the
process says that asked for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.parsing.pool import InlineParser
from tests.support.faults_account import held_plan
from tests.support.faults_churn import Corpus
from tests.support.faults_kills import Site, await_met, descendants, host_of, kill, marks_file
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import Wanted, difference, wanted
from tests.support.faults_report import campaign_seed, write_report

pytestmark = pytest.mark.slow

_FILES = 260  # several writes of 250 rows: a kill finds rows that are settled, and rows that are not
_RESTARTS = 3
KILLS = 100


class Campaign:
    """Kills of the host over a corpus that changes between them; one service each, one state for all."""

    def __init__(self, place: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._site = Site(corpus=place / "corpus", state=place / "state")
        self._corpus = Corpus(self._site.corpus, seed, files=_FILES)
        self._source = FilesSource(FilesConfig(name="corpus", path=str(self._site.corpus)))
        self._began = time.monotonic()
        self.found: Counter[str] = Counter()
        self.missed = 0
        self._embedded = self._checked = self._approved = 0
        self._restarts: Counter[int] = Counter()

    def until(self, kills: int) -> Campaign:
        """Kill until so many have hit a write; every second one while everything is written anew."""
        while self.found.total() < kills:
            self._kill_while_writing(anew=self.found.total() % 2 == 0)
            assert self.missed <= max(3, kills), "the kills do not hit"
        return self

    def _kill_while_writing(self, *, anew: bool) -> None:
        """Kill the host within a write of a backfill: of everything (``anew``), or of what has changed."""
        site = self._site
        if anew and site.state.exists():
            shutil.rmtree(site.state)
        for _ in range(1 if anew else 4):
            self._corpus.change()
        vectors, generation = site.vectors(), self._generation()
        with marks_file() as path:
            wish = Wish(role="index", point="index.write", times=self._random.randint(2, 4) if anew else 1)
            process, marks = site.start(path, wish, "backfill", "--json", out=subprocess.PIPE), Marks(path)
            try:
                host = _await_store(process.pid)
                assert await_met(process, marks)
                time.sleep(self._random.choice([0.0, 0.0, 0.002, 0.005, 0.01]))
                kill([host])
                answer, _ = process.communicate(timeout=120)
            finally:
                process.kill()
                process.communicate()
            code, reply, embedded = process.returncode, json.loads(answer), marks.units()
            hit, restarts = marks.unanswered() > 0, marks.hosts() - 1
        # The same process went on: it ended well, with everything written, and no unit was embedded twice.
        everything = wanted(self._source, InlineParser(), SemanticCutter())
        expected = everything.passages
        outcome = reply["runs"][0]["outcome"]
        assert reply["index_note"] == ""
        assert (code, outcome) == (0, "ok") or ((code, outcome) == (3, "held") and self._approve(everything)), reply
        assert embedded == site.vectors() - vectors
        assert restarts <= _RESTARTS
        code, found, units = site.ask("verify")
        assert (code, found["ok"], units) == (0, True, 0), found
        assert difference(site.passages(), expected) == ""
        assert found["checked"] == expected.total()
        if not hit:
            self.missed += 1
            return
        self._embedded += embedded
        self._checked += found["checked"]
        self._restarts[restarts] += 1
        how = "mended in place" if self._generation() == max(1, generation) else "rebuilt"
        self.found[f"everything is written, {how}" if anew else f"a change is written, {how}"] += 1

    def _approve(self, everything: Wanted) -> bool:
        """What a person does whose folder was renamed with many files edited in it: the plan that the guard had to
        hold (R5) explains all of the difference, and is approved."""
        with self._site.ledger() as read:
            plan = held_plan(read, time.time())
        assert plan is not None
        assert plan.explains(self._site.passages(), everything.passages, everything.items)
        code, _, units = self._site.ask("approve", "corpus", "--plan", plan.plan_id)
        self._approved += 1
        return (code, units) == (0, 0)

    def _generation(self) -> int:
        """The number of the latest generation; 0 where there is no state."""
        if not (self._site.state / "ledger.sqlite3").exists():
            return 0
        with self._site.ledger() as read:
            return int(read("SELECT coalesce(max(id), 0) FROM generation")[0][0])

    def lines(self) -> list[str]:
        total = self.found.total()
        rows = [f"| {what} | {count} |" for what, count in sorted(self.found.items())]
        restarts = ", ".join(f"{number} in {count} kills" for number, count in sorted(self._restarts.items()))
        return [
            f"seed {self._seed}; stub embedder; {self._corpus.size()} documents, {self._checked // max(1, total)} chunks on average;",
            f"{total} kills of the host alone, each within a write; {self.missed} more came after the acknowledgement and",
            f"do not count; {time.monotonic() - self._began:.0f} s.",
            "",
            "| killed while | times |",
            "|---|---|",
            *rows,
            "",
            f"{total} of {total}: the service went on and ended its run well; `verify` in a process of its own found 0",
            f"differences in {self._checked:,} rows and embedded 0 units; the ledger was equal to f(source).",
            f"{self._embedded:,} units embedded in the runs themselves, 0 of them a second time.",
            f"The host was restarted {restarts} (at most {_RESTARTS} times each).",
            f"Plans of deletions that the guard had to hold and that were approved first: {self._approved}.",
        ]


def _await_store(pid: int) -> int:
    """The host of this process once it has its store open, which it has before its first write is done."""
    deadline, host = time.monotonic() + 60, None
    while True:
        host = host or host_of(descendants(pid))
        if host is not None:
            with contextlib.suppress(OSError):
                if any("chroma.sqlite3" in os.readlink(path) for path in Path(f"/proc/{host}/fd").iterdir()):
                    return host
        assert time.monotonic() < deadline, "there is no index host"
        time.sleep(0.0005 if host else 0.01)


def test_the_service_survives_its_index_host(tmp_path: Path) -> None:
    """A host killed while it writes costs no run, no row and no unit."""
    made = Campaign(tmp_path, 20_261_120).until(2)
    print("\n" + "\n".join(made.lines()))
    assert made.found.total() == 2


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_the_service_survives_its_index_host_many_times(tmp_path: Path) -> None:
    """The same, 100 times, at random: 100 of 100 without a difference, and nothing embedded again."""
    write_report("index_host.md", "Kills of the index host", Campaign(tmp_path, campaign_seed()).until(KILLS).lines())
