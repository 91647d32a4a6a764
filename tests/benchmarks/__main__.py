"""All benchmarks, one after the other, each in a process of its own.

    python -m tests.benchmarks [--quick] [NAME...]     # NAME: ledger, sync, search, ...

Each is a module ``bench_NAME`` that runs alone, too, and has options of its own (``--help``). Its ``QUICK``
are the arguments of a short form, which shows that it works and measures nothing worth quoting.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.tables import machine

HERE = Path(__file__).parent


def main() -> int:
    there = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the short form of each")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(there)}; all without")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(there))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    print(machine(), flush=True)
    failed = []
    for name in chosen.names or there:
        module = f"tests.benchmarks.bench_{name}"
        arguments = getattr(importlib.import_module(module), "QUICK", ()) if chosen.quick else ()
        print(f"\n==== {name} {' '.join(arguments)}", flush=True)
        if subprocess.run([sys.executable, "-m", module, *arguments], cwd=HERE.parents[1], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
