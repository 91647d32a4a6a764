"""Bombs: each is refused or ends within the limits, shows nothing of the machine, and the next document is read.

The short form has files of the same shapes that are small; the long form has them in their sizes, against the limits
of the program, and writes ``tests/results/bombs.md``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import ParseRequest
from ingestor.parsing.limits import Limits
from ingestor.parsing.pool import ParserPool
from tests.support.bombs import BOMBS, MEBIBYTE
from tests.support.faults_report import write_report

SECRET = "kestrel-amaranth-4711"
MANUAL = "pdf of many pages"
LIMITS = Limits()
SHORT = Limits(seconds=60, processor=30, memory=1024 * MEBIBYTE, scratch=64 * MEBIBYTE)
# What a file that wants too much is set aside for. A crash of the parser is none of them.
REFUSED = {
    ParseReason.EXPANSION,
    ParseReason.TIMEOUT,
    ParseReason.MEMORY,
    ParseReason.CORRUPT,
    ParseReason.UNSUPPORTED,
    ParseReason.NO_TEXT,
    ParseReason.TOO_LARGE,
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    name: str
    size: int
    reason: ParseReason | None
    said: str
    text: str
    seconds: float
    peak: int


class Bench:
    """A pool of one worker, watched, with a secret file beside its folder for temporary files."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.secret = folder / "secret.txt"
        self.secret.write_text(SECRET)
        self.pool = ParserPool(workers=1, limits=limits, scratch=folder / "scratch")

    def read(self, name: str, *, full: bool) -> Outcome:
        file, content = BOMBS[name](full, self.secret)
        began = time.monotonic()
        future = self.pool.submit(ParseRequest(name=file, content=content))
        with self.watched() as peak:
            error = future.exception(timeout=self.longest(name) + 60)
        seconds = time.monotonic() - began
        if error is None:
            document = future.result()
            shown = document.text + document.title + "".join(e.context for e in document.elements)
            return Outcome(
                name=name, size=len(content), reason=None, said="read", text=shown, seconds=seconds, peak=peak[0]
            )
        assert isinstance(error, ParseFailure), error
        return Outcome(
            name=name,
            size=len(content),
            reason=error.reason,
            said=error.message,
            text=error.message + error.hint,
            seconds=seconds,
            peak=peak[0],
        )

    def longest(self, name: str) -> float:
        """What its clock may come to: each stretch of many pages puts it forward, and it waits for a processor."""
        steps = self.limits.stretches if name == MANUAL else 1
        return (self.limits.seconds + self.limits.page * steps) * self.limits.patience

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[int]]:
        """The largest sum of memory of the worker and what it started, in bytes, once it is over."""
        peak, over = [0], threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                peak[0] = max(peak[0], sum(resident(pid) for pid in self.family()))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield peak
        finally:
            over.set()
            watcher.join()

    def family(self) -> list[int]:
        """The worker and what it has started, as far as its children know theirs."""
        found = [worker._process.pid for worker in list(self.pool._all)]
        for pid in found:
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def processes(self) -> list[int]:
        """Those that have their temporary files in our folder: the worker, and what it or its children left."""
        mark = f"TMPDIR={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[1-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found


def resident(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024
    return 0


def check(bench: Bench, outcome: Outcome) -> None:
    """What holds for each of them."""
    assert outcome.reason is None or outcome.reason in REFUSED, outcome
    assert SECRET not in outcome.text
    assert outcome.seconds < bench.longest(outcome.name) + 30
    if outcome.name == MANUAL:  # no bomb, only long: a manual of that size belongs into the index
        assert outcome.reason is None, outcome
    assert outcome.peak < bench.limits.memory + 256 * MEBIBYTE  # the limit is on data: code and files come on top
    after = bench.pool.submit(ParseRequest(name="a.md", content=b"# Next\n\nWords.\n"))
    assert after.result(timeout=60).title == "Next"
    assert len(bench.processes()) <= 1
    assert not list(bench.folder.rglob("escaped*"))
    for left in (bench.folder / "scratch").glob("*/*"):
        raise AssertionError(f"{outcome.name} left {left}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bombs"), SHORT)
    yield made
    made.pool.close()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_itself_alone(bench: Bench, name: str) -> None:
    """Refused or read within the limits, without the secret; no process and no file stay, and the next is read."""
    check(bench, bench.read(name, full=False))


@pytest.mark.parametrize("name", ["zip", "docx", "xlsx", "png"])
def test_what_would_unpack_to_too_much_is_refused_before_it_is_opened(bench: Bench, name: str) -> None:
    """The reason is expansion, and hardly any memory was taken to find it out."""
    outcome = bench.read(name, full=False)
    assert outcome.reason is ParseReason.EXPANSION
    assert outcome.peak < 400 * MEBIBYTE


@pytest.mark.parametrize(
    "name", [name for name in BOMBS if "external" in name or "included" in name or "linked" in name]
)
def test_what_stands_around_a_wish_for_a_file_is_read_or_refused(bench: Bench, name: str) -> None:
    """The secret's file is there and readable, so it is the parser that does not open it."""
    assert bench.secret.read_text() == SECRET
    outcome = bench.read(name, full=False)
    assert SECRET not in outcome.text
    assert outcome.reason in (None, ParseReason.CORRUPT)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_bombs_of_their_real_sizes(tmp_path: Path) -> None:
    """Against the limits of the program; the table says what each came to."""
    bench = Bench(tmp_path, LIMITS)
    outcomes = []
    try:
        for name in BOMBS:
            outcomes.append(bench.read(name, full=True))
            print(outcomes[-1].name, outcomes[-1].said, f"{outcomes[-1].seconds:.1f} s", flush=True)
            check(bench, outcomes[-1])
    finally:
        bench.pool.close()
    mebibyte = 2**20
    write_report(
        "bombs.md",
        "Bombs of their real sizes",
        [
            (
                f"Limits: {LIMITS.seconds:g} s without waiting for a processor, {LIMITS.memory // mebibyte:,} MiB of data, "
                f"{LIMITS.scratch // mebibyte:,} MiB of temporary files. Load {os.getloadavg()[2]:.0f} on {os.cpu_count()} "
                "processors. Memory is the largest sum seen of the worker and what it started, 20 looks a second."
            ),
            "",
            "| bomb | file, KiB | came to | s | peak memory, MiB |",
            "|---|---|---|---|---|",
            *(
                f"| {o.name} | {o.size / 1024:,.0f} | "
                f"{'read' if o.reason is None else f'{o.reason.value}: {o.said}'} | {o.seconds:.1f} | "
                f"{o.peak // mebibyte:,} |"
                for o in outcomes
            ),
            "",
            (
                "The secret file was shown by none; after each of them the next document was read, and no process and no "
                "file of it was left."
            ),
        ],
    )
