"""The reports of the long forms: where, on what and with which seed their figures were made."""

from __future__ import annotations

import os
import platform
import random
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support.faults_kills import ROOT


def campaign_seed() -> int:
    """Another one each time, unless $INGESTOR_FAULT_SEED asks for one; printed first, so that it is known whatever
    happens."""
    seed = int(os.environ.get("INGESTOR_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nseed {seed}")
    return seed


def write_report(name: str, title: str, lines: Sequence[str]) -> None:
    """Print the lines, and keep them in ``tests/results``."""
    print("\n" + "\n".join(lines))
    path = ROOT / "tests/results" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([f"# {title}", "", machine(), "", *lines, ""]))


def machine() -> str:
    """Where and on what the figures were made."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False)
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.processor()
    dirty = " with changes" if changed.stdout.strip() else ""
    return f"commit {commit.stdout.strip()}{dirty}, {datetime.now(UTC):%Y-%m-%d}, {name}, {os.cpu_count()} cores"
