"""The index host killed while it writes: the service goes on, mends or rebuilds, and embeds nothing again."""

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

from tests.support.faults_kills import (
    ROOT,
    Corpus,
    Site,
    await_met,
    descendants,
    host_of,
    kill,
    machine,
    marks_file,
)
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import difference

pytestmark = pytest.mark.slow

RESULT = ROOT / "tests/results/index_host.md"
_FILES = 260  # several writes of 250 rows: a kill finds rows that are settled, and rows that are not


class Campaign:
    """Kills of the host over a corpus that changes between them; one service each, one state for all."""

    def __init__(self, place: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._place = place
        self._corpus = Corpus(place / "corpus", seed, files=_FILES)
        self.found: Counter[str] = Counter()
        self.embedded = self.vectors = 0

    def kill_while_writing(self, *, anew: bool) -> None:
        """Kill the host within a write of a backfill: of everything (``anew``), or of what has changed."""
        site = Site(corpus=self._place / "corpus", state=self._place / "state")
        if anew and site.state.exists():
            shutil.rmtree(site.state)
        self._corpus.change()
        before = site.vectors()
        with marks_file() as path:
            wish = Wish(role="index", point="index.write", times=self._random.randint(2, 4) if anew else 1)
            process, marks = site.start(path, wish, "backfill", "--json", out=subprocess.PIPE), Marks(path)
            try:
                host = _await_store(process.pid)
                assert await_met(process, marks)
                time.sleep(self._random.choice([0.0, 0.0, 0.002, 0.01]))
                writing = marks.point("index") == "index.write"
                kill([host])
                answer, _ = process.communicate(timeout=120)
            finally:
                process.kill()
                process.communicate()
            code, reply, embedded = process.returncode, json.loads(answer), marks.units()
        # The same process went on: it ended well, with everything written, and no unit was embedded twice.
        assert (code, reply["runs"][0]["outcome"], reply["index_note"]) == (0, "ok", ""), reply
        assert embedded == site.vectors() - before
        self.embedded += embedded
        code, found, units = site.ask("verify")
        assert (code, found["ok"], units) == (0, True, 0), found
        fresh = Site(corpus=site.corpus, state=self._place / "fresh")
        assert fresh.ask("backfill")[0] == 0
        assert difference(site.passages(), fresh.passages()) == ""
        assert found["checked"] == fresh.passages().total()
        shutil.rmtree(fresh.state)
        with site.ledger() as read:
            (rebuilt,) = read("SELECT count(*) > 1 FROM generation")
        where = "while it wrote" if writing else "just after it wrote"
        what = "everything" if anew else "a change"
        self.found[f"{where} {what}, {'rebuilt' if rebuilt[0] else 'mended in place'}"] += 1


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


def campaign(place: Path, seed: int, kills: int) -> Campaign:
    made = Campaign(place, seed)
    for number in range(kills):
        made.kill_while_writing(anew=number % 2 == 0)
    return made


def report(made: Campaign, seed: int, kills: int) -> list[str]:
    rows = [f"| {what} | {count} |" for what, count in sorted(made.found.items())]
    return [f"seed {seed}; {kills} kills, each of the host alone; the service answered and went on.", "",
            "| the host was killed | times |", "|---|---|", *rows, "",
            f"{made.embedded:,} units embedded in these runs, 0 of them a second time; `verify` clean after each."]  # fmt: skip


def test_the_service_survives_its_index_host(tmp_path: Path) -> None:
    """A host killed while it writes costs no run, no row and no unit."""
    made = campaign(tmp_path, 20_261_120, 3)
    print("\n" + "\n".join(report(made, 20_261_120, 3)))
    assert made.found.total() == 3


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_the_service_survives_its_index_host_many_times(tmp_path: Path) -> None:
    """The same, 20 times, at random; most of the kills fall into a write."""
    seed = int(os.environ.get("INGESTOR_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nseed {seed}")
    made = campaign(tmp_path, seed, 20)
    lines = report(made, seed, 20)
    print("\n".join(lines))
    assert sum(count for what, count in made.found.items() if what.startswith("while")) >= 10
    RESULT.write_text("\n".join(["# Kills of the index host", "", machine(), "", *lines, ""]))
