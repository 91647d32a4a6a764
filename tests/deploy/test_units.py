"""The unit files as they stand: well-formed, hardened, and alike where they should be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.systemd_box import UNITS

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
SERVICES = ("ingestor.service", "ingestor-backfill.service")


def analyze(*arguments: str) -> str:
    """Everything that it says; it ends with 0 also where it found something."""
    done = subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


@needs_systemd
def test_verify_finds_nothing_in_the_installed_tree(tmp_path: Path) -> None:
    """Unknown keys, wrong values, missing programs and accounts would each be a line."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.timer")]:
        shutil.copy(unit, units)
    program = tmp_path / "opt/ingestor/bin/ingestor"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    names = sorted(unit.name for unit in units.iterdir() if unit.is_file())
    assert analyze(f"--root={tmp_path}", "verify", *names) == ""
    broken = units / "ingestor.service"
    broken.write_text(broken.read_text().replace("TasksMax=", "TasksMaxx="))
    assert "TasksMaxx" in analyze(f"--root={tmp_path}", "verify", *names)


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_the_exposure_is_at_most_two(unit: str) -> None:
    """By systemd's own measure, which goes to 10."""
    (exposure,) = re.findall(
        r"exposure level for \S+: ([\d.]+)", analyze("security", "--offline=true", str(UNITS / unit))
    )
    assert float(exposure) <= 2.0


def test_both_services_are_hardened_alike() -> None:
    """From the state folder on, the lines of the two units are the same."""

    def shared(unit: str) -> list[str]:
        text = (UNITS / unit).read_text()
        lines = text[text.index("# /var/lib/ingestor") :].partition("[Install]")[0].splitlines()
        return [line for line in lines if line]

    assert shared(SERVICES[0]) == shared(SERVICES[1])
    assert len(shared(SERVICES[0])) > 40
