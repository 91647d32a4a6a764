"""Starting, killing and mending processes of the program, and looking at what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from connectors.paths import item_id
from ingestor.model import blake
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import Passage, Read, held

ROOT = Path(__file__).parents[2]
CHILD = ROOT / "tests/faults/child.py"
_RUN_S = 180.0
_GONE_S = 30.0  # the index host may finish its last call and close its store


# -- processes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Site:
    """One state folder for one corpus. ``embedder`` is ``stub`` or ``model``; ``url`` that of a Chroma server,
    empty for a folder; ``schedule`` the time between two scans of a service."""

    corpus: Path
    state: Path
    embedder: str = "stub"
    url: str = ""
    schedule: str = "5m"

    def command(self, marks: Path, wish: Wish, *words: str) -> list[str]:
        config = self.state.parent / f"{self.state.name}.toml"
        config.write_text(
            f'[log]\nlevel = "warning"\n[index]\nurl = "{self.url}"\n[[source]]\nname = "corpus"\nkind = "files"\n'
            f'path = "{self.corpus}"\nschedule = "{self.schedule}"\n'
        )
        arguments = [str(marks), json.dumps(asdict(wish)), "--config", str(config), "--state-dir", str(self.state)]
        return [sys.executable, str(CHILD), *arguments, *words]

    def start(self, marks: Path, wish: Wish, *words: str, out: Any = subprocess.DEVNULL) -> subprocess.Popen[str]:
        with (self.state.parent / "stderr.txt").open("a") as errors:
            return subprocess.Popen(
                self.command(marks, wish, *words),
                env={**os.environ, "INGESTOR_TEST_EMBEDDER": self.embedder},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                text=True,
            )

    def ask(self, *words: str) -> tuple[int, Any, int]:
        """Run a command to its end: exit code, its JSON, units embedded."""
        with marks_file() as path:
            process = self.start(path, Wish(), *words, "--json", out=subprocess.PIPE)
            answer, _ = process.communicate(timeout=_RUN_S)
            units = Marks(path).units()
        assert answer, f"{words} ended with {process.returncode}: {self.errors()}"
        return process.returncode, json.loads(answer), units

    def errors(self) -> str:
        """The end of what its processes said on stderr."""
        return (self.state.parent / "stderr.txt").read_text()[-2_000:]

    def copy(self, state: Path) -> Site:
        shutil.copytree(self.state, state, symlinks=True)  # chroma/serving is one
        return replace(self, state=state)

    # -- looking inside ----------------------------------------------------------------------------

    @contextmanager
    def ledger(self) -> Iterator[Read]:
        """Queries over a copy of the ledger as it lies there, which no process may be writing."""
        with _as_it_lies(self.state / "ledger.sqlite3") as read:
            yield read

    def passages(self) -> Counter[Passage]:
        with self.ledger() as read:
            return held(read)

    def last_run(self) -> int:
        """The number of the latest run; 0 before there is any."""
        if not (self.state / "ledger.sqlite3").exists():
            return 0
        with self.ledger() as read:
            ((last,),) = read("SELECT coalesce(max(id), 0) FROM run")
        return int(last)

    def progress(self, since: int) -> tuple[bool, int, int]:
        """Whether a run later than ``since`` is open; documents of the corpus that are committed as they are now;
        all of them."""
        now = {
            str(item_id(os.fsencode(path.relative_to(self.corpus)))): blake(path.read_bytes())
            for path in self.corpus.rglob("*")
            if path.is_file()
        }
        with self.ledger() as read:
            (runs,) = read(f"SELECT count(*) FROM run WHERE ended_at IS NULL AND id > {since}")
            items: dict[str, bytes] = dict(read("SELECT item_id, content_hash FROM item"))
        return bool(runs[0]), sum(items.get(item) == digest for item, digest in now.items()), len(now)

    def vectors(self) -> int:
        """Vectors that are committed, of every model."""
        total = 0
        for path in self.state.glob("vectors-*.sqlite3"):
            with _as_it_lies(path) as read:
                total += read("SELECT count(*) FROM vector")[0][0]
        return total


@contextmanager
def _as_it_lies(path: Path) -> Iterator[Read]:
    """Queries over a copy of a database and its write-ahead log: opening the files themselves would, after a
    kill, recover them in place of the next process."""
    with tempfile.TemporaryDirectory() as place:
        for name in (path.name, f"{path.name}-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(path.with_name(name), place)
        with contextlib.closing(sqlite3.connect(Path(place) / path.name)) as connection:
            yield lambda sql: connection.execute(sql).fetchall()


@contextmanager
def marks_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place) / "marks"


def await_met(process: subprocess.Popen[str], marks: Marks) -> bool:
    """Until the wish is met; False when the process came to its end before."""
    deadline = time.monotonic() + _RUN_S
    while not marks.is_met():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the process neither ends nor gets where it is wanted"
        time.sleep(0.0005)
    return True


def descendants(pid: int) -> dict[int, str]:
    """Every process below ``pid`` with its command line."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found: dict[int, str] = {}
    left = list(parents.get(pid, ()))
    while left:
        one = left.pop()
        with contextlib.suppress(OSError):
            found[one] = Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ")
        left += parents.get(one, ())
    return found


def host_of(below: dict[int, str]) -> int | None:
    return next((pid for pid, line in below.items() if "ingestor.index.worker" in line), None)


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def await_gone(pids: dict[int, str]) -> None:
    """Nothing that a killed process started outlives it for long."""
    deadline = time.monotonic() + _GONE_S
    while left := [line for pid, line in pids.items() if _runs(pid)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
