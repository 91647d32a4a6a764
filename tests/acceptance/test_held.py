"""Absence: what is deleted, what waits for a person, and what is only away (R5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import Program

pytestmark = pytest.mark.slow

PAGES = 24

WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""The superuser as subject to permission bits as anybody else."""


def write_pages(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"page{number:02}.md").write_text(f"# Page\n\nLighthouse number{number:02} burns all night.\n")


def found(program: Program, number: int) -> bool:
    return bool(program.search(f"number{number:02}", mode="keyword"))


def test_a_mass_deletion_waits_for_a_person(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """Most of a folder deleted at once: exit 3, the documents are still found; `approve --plan` lets them go,
    and a plan that has changed is refused."""
    program, folder = make_program(), tmp_path / "pages"
    write_pages(folder, range(PAGES))
    program.backfill(folder)
    for number in range(4, PAGES):
        (folder / f"page{number:02}.md").unlink()

    done = program("backfill", "--json", expect=3)
    assert done.run["outcome"] == "held"
    assert done.run["documents"]["deleted"] == 0
    assert "ingestor approve pages" in done.stderr
    status = program.status()
    assert (status["state"], status["held"], status["documents"]) == ("held", PAGES - 4, PAGES)
    assert found(program, 20)

    plan = program("approve", "pages", "--json", expect=3).json
    assert len(plan["items"]) == PAGES - 4
    write_pages(folder, range(4, 6))  # a person puts two back meanwhile
    assert program("backfill", "--json", expect=3).run["outcome"] == "held"
    refused = program("approve", "pages", "--plan", plan["plan_id"], expect=3)
    assert "has changed" in refused.stderr

    plan = program("approve", "pages", "--json", expect=3).json
    assert len(plan["items"]) == PAGES - 6
    run = program("approve", "pages", "--plan", plan["plan_id"], "--json").run
    assert (run["outcome"], run["documents"]["deleted"]) == ("ok", PAGES - 6)
    assert not found(program, 20)
    assert found(program, 5)
    assert program.status()["state"] == "idle"
    assert program.backfill()["outcome"] == "ok"
    program.verified()


def test_files_that_come_back_dissolve_the_plan(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """Restored files leave the plan by themselves; nothing was lost, nothing is embedded again."""
    program, folder, away = make_program(), tmp_path / "pages", tmp_path / "away"
    write_pages(folder, range(PAGES))
    program.backfill(folder)
    away.mkdir()
    for number in range(2, PAGES):
        (folder / f"page{number:02}.md").rename(away / f"page{number:02}.md")
    program("backfill", "--json", expect=3)
    for path in away.iterdir():
        path.rename(folder / path.name)
    run = program.backfill()
    assert (run["outcome"], run["embedded"], run["documents"]["deleted"]) == ("ok", 0, 0)
    status = program.status()
    assert (status["state"], status["held"], status["documents"]) == ("idle", 0, PAGES)
    assert program("approve", "pages", "--json").json["plan_id"] == ""


def test_another_folder_in_its_place_proves_nothing(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """A root that is empty or gone, as an unmounted share is: exit 3, unavailable, nothing is deleted; when
    the real one is back, all goes on as if nothing had been."""
    program, folder, aside = make_program(), tmp_path / "pages", tmp_path / "aside"
    write_pages(folder, range(PAGES))
    program.backfill(folder)

    folder.rename(aside)
    for step in ("gone", "empty", "other"):
        if step == "empty":
            folder.mkdir()
        if step == "other":
            (folder / "stranger.md").write_text("# Stranger\n\nThis is not the share that was indexed.\n")
        done = program("backfill", "--json", expect=3)
        assert done.run["outcome"] == "unavailable", step
        assert program.status()["state"] == "offline", step
        assert found(program, 7), step
    assert not program.search("stranger", mode="keyword")

    shutil.rmtree(folder)
    aside.rename(folder)
    run = program.backfill()
    assert (run["outcome"], run["documents"]["unchanged"], run["bytes_read"]) == ("ok", PAGES, 0)
    assert program.status()["state"] == "idle"


def test_what_cannot_be_read_is_not_deleted(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """A file and a folder that may not be read any more stay found; when they may be again, nothing has changed."""
    program, folder = make_program(prefix=WITHOUT_OVERRIDE if os.geteuid() == 0 else ()), tmp_path / "pages"
    write_pages(folder, range(4))
    write_pages(folder / "inner", range(4, 8))
    program.backfill(folder)
    (folder / "page01.md").chmod(0)
    (folder / "inner").chmod(0)
    try:
        run = program.backfill(expect=None)
        assert run["documents"]["deleted"] == 0
        assert found(program, 1)
        assert found(program, 5)
    finally:
        (folder / "page01.md").chmod(0o644)
        (folder / "inner").chmod(0o755)
    run = program.backfill()
    assert (run["outcome"], run["embedded"], run["documents"]["deleted"]) == ("ok", 0, 0)
    assert program.status()["documents"] == 8
