"""A folder that was taken in, as the acceptance tests hand it around."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.program import Program

HANDBOOK = Path(__file__).parents[1] / "data" / "handbook"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """The program on its state, the folder, and the run that took it in."""

    program: Program
    folder: Path
    run: Any


def take_in_handbook(base: Path) -> Taken:
    """Copy the sample handbook below ``base`` and backfill it."""
    folder = base / "handbook"
    shutil.copytree(HANDBOOK, folder)
    program = Program(state=base / "state", home=base / "home")
    return Taken(program=program, folder=folder, run=program.backfill(folder))
