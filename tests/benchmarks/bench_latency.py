"""How long a search takes in a large corpus, by who asks: readers of 1, 50 and 100 % of it, and its owner.

    python -m tests.benchmarks.bench_latency [--chunks N] [--queries N] [--state FOLDER] [--write FILE]

The corpus is made up (``tests.benchmarks.latency_corpus`` says how); the ledger, Chroma in its host, and the embedding
of each question by the built-in model are real. Times are taken twice: over the socket of a running, warm service,
with the time until the answer is read; and in this process, part by part. A question is asked once, so that nothing of
it is remembered from before; CPU seconds stand beside, because a busy machine lengthens the others. ``--state`` keeps
the corpus for the next time; ``make bench-crowd STATE=FOLDER`` makes a harder one, of real words. The promise: p95
under 50 ms at 100,000 chunks and under 150 ms at 1,000,000.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from ingestor import wire
from ingestor.cputime import of_process
from ingestor.embedding.embedder import SentenceEmbedder
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.index.generations import GenerationManager
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import Reader, SearchMode
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from tests.benchmarks.latency_corpus import (
    QUESTIONS,
    SHARES,
    STATE,
    Language,
    write_documents,
    write_index,
    write_vectors,
)
from tests.benchmarks.tables import Table, commit, machine, ms, p50, p95, rate, today
from tests.support.one_model import OneModel
from tests.support.program import Program, Service

QUICK = ("--chunks", "4000", "--queries", "5")
SEED = 11
RESULTS = Path(__file__).parents[1] / "results"
WARM = 10  # questions that do not count

READERS: dict[str, frozenset[str] | None] = {
    "1 %": frozenset({"group:one"}),
    "50 %": frozenset({"group:half"}),
    "100 %": frozenset({"group:all"}),
    "owner": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200, help="a reader and mode")
    parser.add_argument("--state", type=Path, help="a folder that keeps the corpus; one that is there is used")
    parser.add_argument("--write", type=Path, help="a file for the results, like tests/results/latency.md")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as ending:
        base = chosen.state or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bench-latency-")))
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = (
            f"{machine()}\ncommit {commit()}, {today()}, seed {SEED}: {chosen.chunks:,} chunks, "
            f"{chosen.queries} questions a reader and mode; {DEFAULT_MODEL}, visible shares {tuple(SHARES.values())}"
        )
        if (base / QUESTIONS).exists():
            head += "; the corpus and the questions are those of `make bench-crowd`"
        print(head, flush=True)
        tables = list(measure(base, chosen.chunks, chosen.queries))
        head += f"; load at the end {os.getloadavg()[0]:.1f}"
    if chosen.write is not None:
        body = "\n".join(table.markdown() for table in tables)
        command = f"`python -m tests.benchmarks.bench_latency --chunks {chosen.chunks}`"
        chosen.write.write_text(f"# How long a search takes\n\n{command}\n\n{head}\n\n{body}")
        print(f"\nwritten to {chosen.write}")


def measure(base: Path, chunks: int, queries: int) -> Iterator[Table]:
    """Every table, shown as soon as it is there."""
    state, own = base / STATE, base / QUESTIONS
    needed = 2 * len(READERS) * len(SearchMode) * (queries + WARM)
    asked = own.read_text(encoding="utf-8").splitlines() if own.exists() else _drawn(needed)
    if len(asked) < needed:
        raise SystemExit(f"{own} has {len(asked):,} questions; {needed:,} are needed, or fewer --queries.")
    questions = iter(asked)
    for part in (
        lambda: filling(state, chunks),
        lambda: served(base, questions, queries),
        lambda: divided(state, questions, queries),
    ):
        table = part()
        table.show()
        yield table


def _drawn(count: int) -> list[str]:
    return Language.load().questions(random.Random(SEED + 1), count)


def filling(state: Path, chunks: int) -> Table:
    """Each phase's time, and what it leaves on the disk; nothing where the corpus is there."""
    table = Table(title="Filling", headings=("phase", "seconds", "CPU s", "a second", "MB on disk"))
    if (state / LEDGER_FILE).exists():
        return table
    state.mkdir(mode=0o700)
    ledger, embedder = Ledger(state), SentenceEmbedder(DEFAULT_MODEL)
    try:
        for name, what, of in (
            ("documents, chunks and keyword rows", lambda: write_documents(ledger, chunks, SEED), LEDGER_FILE),
            ("unit vectors", lambda: write_vectors(ledger, embedder, SEED), "vectors-*"),
            ("Chroma, by its host", lambda: write_index(ledger, embedder, state), "chroma"),
        ):
            began, spent = time.perf_counter(), _cpu()
            count = what()
            seconds = time.perf_counter() - began
            row = (
                name,
                f"{seconds:,.0f}",
                f"{_cpu() - spent:,.0f}",
                rate(count, seconds),
                f"{_bytes(state, of) / 1e6:,.0f}",
            )
            print("  ".join(row), flush=True)
            table.add(*row)
    finally:
        ledger.close()
    return table


# -- over the socket -------------------------------------------------------------------------------------


def served(base: Path, questions: Iterator[str], queries: int) -> Table:
    """A warm service, asked one question after the other."""
    table = Table(
        title="Over the socket of a warm service",
        headings=("visible", "mode", "p50 ms", "p95 ms", "first ms", "took p50 ms", "CPU ms a search"),
    )
    program = Program(state=base / STATE, home=base / "home")
    program.home.mkdir(exist_ok=True)
    log = program.home / "service.log"
    with log.open("w") as stream:
        service = Service(program, program.start("run", stdout=stream, stderr=stream), log)
    try:
        service.until(
            lambda: any(event["event"] == "service_ready" for event in service.log), "the service to be ready"
        )
        for name, principals in READERS.items():
            for mode in SearchMode:
                table.add(name, mode, *_served(service, principals, mode, questions, queries))
        pids = _family(service.process.pid)
        table.add(
            "resident memory",
            f"service {_resident(pids[0]):,} MB, with its processes",
            "",
            "",
            "",
            "",
            f"{sum(map(_resident, pids)):,} MB",
        )
    finally:
        service.stop()
    return table


def _served(
    service: Service, principals: frozenset[str] | None, mode: SearchMode, questions: Iterator[str], queries: int
) -> tuple[str, ...]:
    waits, took, spent = list[float](), list[float](), 0.0
    for number in range(-WARM, queries):
        if number == 0:
            spent = sum(map(of_process, _family(service.process.pid)))
        request = wire.SearchRequest(
            query=next(questions), mode=mode.value, top=10, principals=tuple(principals) if principals else None
        )
        began = time.perf_counter()
        reply = service.operations.search(request)
        waits.append(time.perf_counter() - began)
        took.append(reply.took_ms / 1000)
        if reply.note:
            print(f"note: {reply.note}", flush=True)
    spent = sum(map(of_process, _family(service.process.pid))) - spent
    counted = waits[WARM:]
    return (ms(p50(counted)), ms(p95(counted)), ms(waits[0]), ms(p50(took[WARM:])), ms(spent / queries))


# -- part by part ----------------------------------------------------------------------------------------


class Timed:
    """An object whose calls are timed, each by its name."""

    def __init__(self, inner: Any, into: dict[str, float], prefix: str = "") -> None:
        self._inner, self._into, self._prefix = inner, into, prefix

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return timing(found, self._into, self._prefix + name) if callable(found) else found


def timing(call: Callable[..., Any], into: dict[str, float], name: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            into[name] += time.perf_counter() - began

    return timed


def divided(state: Path, questions: Iterator[str], queries: int) -> Table:
    """Where the time goes: the mean of each part. What runs beside another part counts in both."""
    parts: dict[str, float] = defaultdict(float)
    rows: list[tuple[str, str, list[float], float, dict[str, float]]] = []
    threadpool_limits(1, user_api="blas")  # as the program has it
    ledger, embedder = Ledger(state), SentenceEmbedder(DEFAULT_MODEL)
    vectors = ledger.vectors(embedder.model)
    manager = GenerationManager(folder=state / "chroma", ledger=ledger.index, models=OneModel(vectors))
    try:
        manager.step(1)
        manager.warm()
        index = manager.serving()
        assert index is not None, "the index does not serve"
        lens = Lens(
            embedder=Timed(embedder, parts),
            vectors=Timed(vectors, parts, "vectors."),
            nearest=timing(index.query, parts, "nearest"),
        )
        searcher = Searcher(ledger=Timed(ledger.search, parts), lens=lambda: lens, unit_texts=ledger.index.unit_texts)
        for name, principals in READERS.items():
            for mode in SearchMode:
                waits = list[float]()
                for number in range(-WARM, queries):
                    if number == 0:
                        parts.clear()
                        spent = time.process_time() + manager.cpu_s()
                    began = time.perf_counter()
                    searcher.search(next(questions), mode=mode, top=10, reader=Reader(principals=principals))
                    waits.append(time.perf_counter() - began)
                spent = time.process_time() + manager.cpu_s() - spent
                rows.append((name, mode, waits[WARM:], spent / queries, dict(parts)))
    finally:
        manager.close()
        ledger.close()
    names = sorted({part for *_, found in rows for part in found})
    table = Table(
        title="In one process: mean milliseconds of each part",
        headings=("visible", "mode", "p50 ms", "p95 ms", "CPU ms", *names, "the rest"),
    )
    for name, mode, waits, spent, found in rows:
        rest = sum(waits) - sum(found.values())
        cells = [ms(found.get(part, 0.0) / queries) for part in names]
        table.add(name, mode, ms(p50(waits)), ms(p95(waits)), ms(spent), *cells, ms(max(rest, 0.0) / queries))
    return table


# -- helpers ---------------------------------------------------------------------------------------------


def _cpu() -> float:
    """Of this process and the children that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _bytes(state: Path, pattern: str) -> int:
    found = [file for top in state.glob(pattern) for file in (top, *top.rglob("*"))]
    return sum(file.stat().st_size for file in found if file.is_file())


def _family(pid: int) -> list[int]:
    """A process and its children."""
    stats = {int(entry.name): entry / "stat" for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    children = []
    for child, stat in stats.items():
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(child)
    return [pid, *children]


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return 0


if __name__ == "__main__":
    main()
