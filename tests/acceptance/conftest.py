"""What the acceptance tests share: a program on a fresh state folder, and one handbook taken in once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program

HANDBOOK = Path(__file__).parents[1] / "data" / "handbook"

MakeProgram = Callable[..., Program]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A folder that was taken in: the program on its state, the folder, the run that did it."""

    program: Program
    folder: Path
    run: Any


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[MakeProgram]:
    """Programs with a state and a home of their own; afterwards no command has left anything in its
    working directory."""
    made: list[Program] = []

    def make(
        name: str = "state",
        *,
        config: str | None = None,
        environ: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Program:
        home = tmp_path / f"home-{name}"
        home.mkdir()
        file = None
        if config is not None:
            file = home / "ingestor.toml"
            file.write_text(config)
        made.append(Program(state=tmp_path / name, home=home, config=file, environ=environ or {}, prefix=prefix))
        return made[-1]

    yield make
    for program in made:
        assert not list((program.home / "cwd").glob("*")), "a command wrote into its working directory"


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """The sample handbook, backfilled. For tests that change neither the folder nor the state."""
    base = tmp_path_factory.mktemp("handbook")
    folder = base / "handbook"
    shutil.copytree(HANDBOOK, folder)
    program = Program(state=base / "state", home=base / "home")
    return Taken(program=program, folder=folder, run=program.backfill(folder))


@pytest.fixture
def copied(taken: Taken, tmp_path: Path) -> Program:
    """The handbook's state in a folder of its own, for tests that change the state but not the sources."""
    shutil.copytree(taken.program.state, tmp_path / "copied")
    return Program(state=tmp_path / "copied", home=tmp_path / "home-copied")
