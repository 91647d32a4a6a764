"""Room on the disk, also of a place that is not there yet or goes while it is asked about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingestor import space


def test_a_place_that_is_not_there_is_on_the_disk_of_what_is_above_it(tmp_path: Path) -> None:
    """Folders are made on first use, and their room is asked for before."""
    assert space.free(tmp_path / "not" / "there" / "yet") > 0


def test_a_folder_that_goes_while_it_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch folders are swept by one thread while another asks for room: no error, the folder above answers."""
    folder, ask = tmp_path / "scratch", os.statvfs
    folder.mkdir()

    def going(place: Path) -> os.statvfs_result:
        if place == folder and folder.exists():
            folder.rmdir()
        return ask(place)

    monkeypatch.setattr(os, "statvfs", going)
    assert space.free(folder) > 0
