"""Starting, killing and mending processes of the program, and a corpus that changes between the kills."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.files.paths import item_id
from ingestor.model import blake
from tests.support.faults_corpus import markdown
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import Passage, Read, held

ROOT = Path(__file__).parents[2]
CHILD = ROOT / "tests/faults/child.py"
_RUN_S = 180.0
_GONE_S = 30.0  # the index host may finish its last call and close its store


# -- processes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Site:
    """One state folder for one corpus. ``embedder`` is ``stub`` or ``model``."""

    corpus: Path
    state: Path
    embedder: str = "stub"

    def command(self, marks: Path, wish: Wish, *words: str) -> list[str]:
        config = self.state.parent / f"{self.state.name}.toml"
        config.write_text(
            f'[log]\nlevel = "warning"\n[[source]]\nname = "corpus"\nkind = "files"\npath = "{self.corpus}"\n'
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
        errors = (self.state.parent / "stderr.txt").read_text()[-2_000:]
        assert answer, f"{words} ended with {process.returncode}: {errors}"
        return process.returncode, json.loads(answer), units

    def copy(self, state: Path) -> Site:
        shutil.copytree(self.state, state)
        return Site(corpus=self.corpus, state=state, embedder=self.embedder)

    # -- looking inside ----------------------------------------------------------------------------

    @contextmanager
    def ledger(self) -> Iterator[Read]:
        """Queries over a copy of the ledger's files as they lie there: looking changes nothing."""
        with tempfile.TemporaryDirectory() as place:
            for name in ("ledger.sqlite3", "ledger.sqlite3-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(self.state / name, place)
            with contextlib.closing(sqlite3.connect(Path(place) / "ledger.sqlite3")) as connection:
                yield lambda sql: connection.execute(sql).fetchall()

    def passages(self) -> Counter[Passage]:
        with self.ledger() as read:
            return held(read)

    def progress(self) -> tuple[bool, int, int]:
        """Whether a run is open; documents of the corpus that are committed as they are now; all of them."""
        now = {
            str(item_id(os.fsencode(path.relative_to(self.corpus)))): blake(path.read_bytes())
            for path in self.corpus.rglob("*")
            if path.is_file()
        }
        with self.ledger() as read:
            (runs,) = read("SELECT count(*) FROM run WHERE ended_at IS NULL AND id = (SELECT max(id) FROM run)")
            items: dict[str, bytes] = dict(read("SELECT item_id, content_hash FROM item"))
        return bool(runs[0]), sum(items.get(item) == digest for item, digest in now.items()), len(now)

    def vectors(self) -> int:
        total = 0
        for path in self.state.glob("vectors-*.sqlite3"):
            with contextlib.closing(sqlite3.connect(path)) as connection:
                total += connection.execute("SELECT count(*) FROM vector").fetchone()[0]
        return total


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


def machine() -> str:
    """Where and on what the figures were made."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False)
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.processor()
    dirty = " with changes" if changed.stdout.strip() else ""
    return f"commit {commit.stdout.strip()}{dirty}, {datetime.now(UTC):%Y-%m-%d}, {name}, {os.cpu_count()} cores"


# -- the corpus --------------------------------------------------------------------------------------------


class Corpus:
    """A folder of documents that ``change`` edits in every way, the same for the same seed."""

    def __init__(self, root: Path, seed: int, *, files: int = 40, formats: Sequence[Path] = ()) -> None:
        self.root = root
        self._random = random.Random(seed)
        self._made = 0
        for number in range(files):
            self._write(f"{'abcd'[number % 4]}/{number:03}.{'txt' if number % 5 == 0 else 'md'}", 1 + number % 4)
        self._write("long.md", 90)
        for path in formats:
            (root / "formats").mkdir(exist_ok=True)
            shutil.copy(path, root / "formats" / path.name)

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file() and path.parent.name != "formats")

    def change(self) -> None:
        """Edits, appendages, an inserted beginning, renames, a folder, permissions; some come, some go."""
        for path in self._random.sample(self.files(), 12):
            text = path.read_text().split("\n\n")
            text[self._random.randrange(len(text))] = markdown("Edited", [self._number()]).rstrip()
            path.write_text("\n\n".join(text) + "\n")
        for path in self._random.sample(self.files(), 2):
            path.write_text(markdown("Before", [self._number()]) + "\n" + path.read_text())
        for path in self._random.sample(self.files(), 2):
            path.rename(path.with_name(f"renamed-{self._number()}{path.suffix}"))
        for path in self._random.sample([path for path in self.files() if path.name != "long.md"], 3):
            path.unlink()
        for _ in range(4):
            self._write(f"{self._random.choice('abcd')}/new-{self._number()}.md", self._random.randint(1, 6))
        folder = self._random.choice(sorted(path for path in self.root.iterdir() if path.is_dir()))
        if folder.name != "formats":
            folder.rename(folder.with_name(f"{folder.name[0]}{self._number()}"))
        self._random.choice(self.files()).chmod(self._random.choice([0o600, 0o640, 0o644]))

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _write(self, name: str, paragraphs: int) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(f"Document {name}", [self._number() for _ in range(paragraphs)]))
