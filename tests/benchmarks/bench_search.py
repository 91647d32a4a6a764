"""How long a search takes and what it finds: our questions about the handbook, with 520 other documents beside it.

    python -m tests.benchmarks.bench_search [--rounds N] [--services NAME...]

Asked over the socket of a running service, as commands ask it; ``took`` is the service's own share of the time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from ingestor.wire import SearchRequest
from tests.acceptance import awscli_tree
from tests.acceptance.questions import MODES, TOP, Recall, questions
from tests.acceptance.taken import HANDBOOK
from tests.benchmarks.tables import Table, commit, machine, ms, p50, p95
from tests.support.program import Program

QUICK = ("--rounds", "1", "--services", "workmail")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", nargs="*", default=list(awscli_tree.SERVICES))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-search-") as scratch:
        measure(Path(scratch), chosen.rounds, chosen.services)


def measure(base: Path, rounds: int, services: list[str]) -> list[Table]:
    folders = base / "handbook", base / "examples"
    shutil.copytree(HANDBOOK, folders[0])
    awscli_tree.unpack(folders[1], services)
    program = Program(state=base / "state", home=base / "home")
    program("backfill", *folders, "--json")
    sources = program("status", "--json").json["sources"]
    print(
        f"{machine()}\ncommit {commit()}; builtin:all-MiniLM-L6-v2; {sum(s['documents'] for s in sources)} documents, "
        f"{sum(s['chunks'] for s in sources)} chunks; {len(questions())} questions, {rounds} rounds"
    )
    times = Table(title="Search", headings=("mode", "p50 ms", "p95 ms", "took p50 ms", "took p95 ms"))
    recall = Recall()
    with program.service() as service:
        for mode in MODES:
            waits: list[float] = []
            took: list[float] = []
            for number in range(rounds + 1):  # the first round warms up, and is the one that is judged
                for question in questions():
                    asked = SearchRequest.model_validate({"query": question["question"], "mode": mode, "top": TOP})
                    began = time.perf_counter()
                    reply = service.operations.search(asked)
                    if number == 0:
                        recall.add(mode, question, reply.hits)
                    else:
                        waits.append(time.perf_counter() - began)
                        took.append(reply.took_ms / 1000)
            times.add(mode, ms(p50(waits)), ms(p95(waits)), ms(p50(took)), ms(p95(took)))
    times.show()
    found = Table(title=f"Recall@{TOP}: document / passage (questions)", headings=("mode", *recall.kinds))
    found.rows.extend(recall.rows())
    found.show()
    once = Table(title="One command, one question (start-up, model and index included)", headings=("mode", "seconds"))
    for mode in MODES:
        done = program("search", questions()[0]["question"], "--mode", mode, "--json")
        assert json.loads(done.stdout)["hits"]
        once.add(mode, f"{done.seconds:.2f}")
    once.show()
    return [times, found, once]


if __name__ == "__main__":
    main()
