"""What the acceptance tests share: programs on fresh state folders, and one handbook taken in once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.acceptance.taken import Taken, take_in_handbook
from tests.support.program import Program


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
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
    return take_in_handbook(tmp_path_factory.mktemp("handbook"))


@pytest.fixture
def copied(taken: Taken, tmp_path: Path) -> Program:
    """The handbook's state in a folder of its own, for tests that change the state but not the sources."""
    shutil.copytree(taken.program.state, tmp_path / "copied")
    return Program(state=tmp_path / "copied", home=tmp_path / "home-copied")
