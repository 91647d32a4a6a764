"""Run every suite in its short form, print the seconds of each and what did not run, end with one line of counts.
First the programs of the system that some tests need are installed, where that is allowed (``support/packages.py``).

A suite is a folder. One that collects nothing is an error: a suite that silently vanished is a hole. So is a
test that was skipped and nobody knows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LINT = [
    ("ruff", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    ("imports", ["lint-imports"]),
]
SUITES = ("unit", "contract", "property", "integration", "faults", "acceptance", "deploy")
ALONE = {"deploy"}  # one machine is booted for all of its tests
# A worker a core, but few: each one that embeds holds a model, and the fault suites start whole services.
WORKERS = min(os.cpu_count() or 1, 4)
OPTIONS = ("-q", "-m", "not long", "--durations=5", "--no-fold-skipped", "-n", str(WORKERS))
# What one file of the acceptance tests takes in, all of its tests look at: it goes to one worker.
DISTRIBUTION = {"acceptance": "loadfile"}
COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")
NOT_RUN = re.compile(r"(?:SKIPPED(?: \[\d+\])?|XFAIL) (.+)")


def main() -> int:
    binaries, rows, totals, failed = Path(sys.executable).parent, [], {"passed": 0, "failed": 0, "skipped": 0}, False
    not_run: list[str] = []
    subprocess.run([sys.executable, "-m", "tests.support.packages"], cwd=HERE.parent, check=False)
    for name, command in LINT:
        began = time.monotonic()
        code = subprocess.run([str(binaries / command[0]), *command[1:]], cwd=HERE.parent, check=False).returncode
        failed |= code != 0
        rows.append((name, time.monotonic() - began, "ok" if code == 0 else "FAILED"))
    for suite in SUITES:
        began = time.monotonic()
        print(f"\n== {suite}", flush=True)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", *OPTIONS, "--dist", DISTRIBUTION.get(suite, "worksteal")),
                *(("-n", "0") if suite in ALONE else ()),
                str(HERE / suite),
            ],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        last = ""
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if COUNT.search(line) else last
            if skipped := NOT_RUN.match(line):
                not_run.append(skipped.group(1).replace(" - Skipped: ", ": "))
        code = process.wait()
        for number, word in COUNT.findall(last):
            totals["failed" if word.startswith("error") else word] += int(number)
        failed |= code != 0
        rows.append((suite, time.monotonic() - began, last.strip(" =\n") or f"exit {code}"))
    print("\nsuite         seconds")
    for name, seconds, outcome in rows:
        print(f"{name:<12} {seconds:8.1f}  {outcome}")
    print("\ndid not run:" if not_run else "\neverything ran")
    for line in not_run:
        print(f"  {line}")
    print(f"\n{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
