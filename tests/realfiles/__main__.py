"""The parser pool over real files of public document projects: what is indexed, what is set aside and why, what is lost.

    python -m tests.realfiles [--kind KIND...] [--again NAME] [--lost]

Writes ``tests/results/real_files.md`` when all kinds are run. ``--again`` parses the files whose name contains NAME;
``--lost`` shows words that others read and we do not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing.limits import Limits
from ingestor.parsing.pool import ParserPool
from tests.realfiles.fetch import PACKAGES, RealFile, fetch
from tests.realfiles.reasons import reason_of
from tests.realfiles.reference import EXTRACTED_BY, PROGRAMS, recall, reference, words
from tests.support.faults_report import write_report

_LOW = 0.8
_HUNG = 60.0  # beyond the pool's own limit
_TRIES = 3  # as the service has for what may pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """``failure`` is None where the file is indexed; ``recall`` None where there was nothing to compare."""

    file: RealFile
    failure: ParseReason | None
    tries: int
    hung: bool
    seconds: float
    memory: int
    recall: float | None
    lost: tuple[str, ...] = ()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.realfiles", description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", nargs="*", default=[])
    parser.add_argument("--again", default="")
    parser.add_argument("--lost", action="store_true")
    chosen = parser.parse_args()
    files, absent = fetch()
    whole = not chosen.kind and not chosen.again
    files = [f for f in files if (not chosen.kind or f.kind in chosen.kind) and chosen.again in f.name]
    outcomes = []
    pool = ParserPool(workers=1)
    try:
        for file in files:
            outcome = _tried(pool, file)
            outcomes.append(outcome)
            if chosen.lost:
                print(_line(outcome), flush=True)
    finally:
        pool.close()
    lines = [*_table(outcomes), "", *_low(outcomes), "", *_set_aside(outcomes), "", *_packages(absent)]
    if whole:
        write_report("real_files.md", "Real files", lines)
    else:
        print("\n".join(lines))
    bad = [o for o in outcomes if o.hung or o.failure in {ParseReason.CRASHED, ParseReason.TIMEOUT}]
    return 1 if bad else 0


def _tried(pool: ParserPool, file: RealFile) -> Outcome:
    name, content, began = file.path.name, file.path.read_bytes(), 0.0
    document: Document | None = None
    failure: ParseReason | None = None
    hung = False
    tries = 0
    with _peak() as peak:
        while tries < _TRIES:
            tries, failure, began = tries + 1, None, time.monotonic()
            try:
                future = pool.submit(ParseRequest(name=name, content=content))
                document = future.result(timeout=Limits().seconds * Limits().patience + _HUNG)
                break
            except ParseFailure as error:
                failure = error.reason
                if not error.transient:
                    break
            except FutureTimeout:
                hung = True
                break
    seconds = time.monotonic() - began
    share, lost = None, ()
    if failure is ParseReason.NO_TEXT and (theirs := reference(file)) is not None:
        share = recall(theirs, "", file.kind)
    elif document is not None and (theirs := reference(file)) is not None:
        ours = "\n".join([document.title, *(document.text[e.start : e.end] for e in document.elements)])
        share = recall(theirs, ours, file.kind)
        lost = tuple(f"{word}x{n}" for word, n in (words(theirs) - words(ours)).most_common(12))
    return Outcome(
        file=file,
        failure=failure,
        tries=tries,
        hung=hung,
        seconds=seconds,
        memory=peak[0],
        recall=share,
        lost=lost,
    )


@contextlib.contextmanager
def _peak() -> Iterator[list[int]]:
    """The largest resident memory of all our descendants together, looked at twenty times a second."""
    peak, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], _descendants_memory())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
        peak[0] = max(peak[0], _descendants_memory())


def _descendants_memory() -> int:
    page, todo, total = os.sysconf("SC_PAGE_SIZE"), [os.getpid()], 0
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError, ValueError):
                for child in children.read_text().split():
                    todo.append(int(child))
                    total += int(Path(f"/proc/{child}/statm").read_text().split()[1]) * page
    return total


# -- the report ------------------------------------------------------------------------------------


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.file.kind].append(outcome)
    again = [o.file.name for o in outcomes if o.tries > 1]
    lines = [
        (
            f"{len(outcomes)} files, load {os.getloadavg()[2]:.0f} on {os.cpu_count()} processors. "
            f"Tried again, as the service does: {', '.join(again) or 'none'}."
        ),
        "",
        "Recall: the share of the words of another reader that stand in our elements, by file;",
        "memory is the most that the worker and what it starts held together, seconds the wall clock of the slowest.",
        "",
        (
            "| format | files | indexed | set aside, by reason | crashes | hangs | peak MiB | slowest s | compared | "
            "recall: median | mean | least | other reader |"
        ),
        "|" + "---|" * 13,
    ]
    for kind, these in [*sorted(by_kind.items()), ("all", list(outcomes))]:
        aside = Counter(o.failure.value for o in these if o.failure is not None)
        shares = [o.recall for o in these if o.recall is not None]
        figures = (
            f"{statistics.median(shares):.3f} | {statistics.mean(shares):.3f} | {min(shares):.3f}"
            if shares
            else "- | - | -"
        )
        crashes = sum(o.failure is ParseReason.CRASHED for o in these)
        hangs = sum(o.hung or o.failure is ParseReason.TIMEOUT for o in these)
        indexed = sum(o.failure is None and not o.hung for o in these)
        lines.append(
            f"| {kind} | {len(these)} | {indexed} | {', '.join(f'{n} {r}' for r, n in sorted(aside.items())) or '-'} "
            f"| {crashes} | {hangs} | {max(o.memory for o in these) / 2**20:.0f} | {max(o.seconds for o in these):.1f} "
            f"| {len(shares)} | {figures} | {EXTRACTED_BY.get(kind, '')} |"
        )
    return lines


def _low(outcomes: Sequence[Outcome]) -> list[str]:
    low = sorted((o for o in outcomes if o.recall is not None and o.recall < _LOW), key=lambda o: o.file.name)
    lines = [f"## Below {_LOW}", "", "| file | recall | why |", "|---|---|---|"]
    lines += [f"| {o.file.name} | {o.recall:.2f} | {reason_of(o.file)} |" for o in low]
    return lines if low else [f"No file below {_LOW}."]


def _set_aside(outcomes: Sequence[Outcome]) -> list[str]:
    aside = [o for o in outcomes if o.failure is not None]
    return ["## Set aside", "", "| file | reason |", "|---|---|", *(f"| {o.file.name} | {o.failure} |" for o in aside)]


def _packages(absent: Sequence[str]) -> list[str]:
    names = [f"{package.name} {package.version}".strip() for package in PACKAGES if package.name not in absent]
    lines = [
        "## Where they come from",
        "",
        f"Source packages of Debian and of the Python registry: {', '.join(names)}.",
    ]
    lines += [f"Not to be had: {', '.join(absent)}."] if absent else []
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return [*lines, *([f"Not compared, for want of other readers: {', '.join(missing)}."] if missing else [])]


def _line(outcome: Outcome) -> str:
    share = "-" if outcome.recall is None else f"{outcome.recall:.3f}"
    return (
        f"{share:6} {outcome.seconds:5.1f}s {outcome.failure or ''} {outcome.file.path.name}: {' '.join(outcome.lost)}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
