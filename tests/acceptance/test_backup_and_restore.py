"""Backups by hand and by cron: taken from a service at work, restored into an empty folder, searched."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.taken import Taken
from tests.support.damage import damage
from tests.support.program import Program

pytestmark = pytest.mark.slow

QUESTIONS = ("how long do refunds take", "who signs a contract", "what to do when the alarm rings", "parental leave")


def answers(program: Program) -> list[list[Any]]:
    """What a person would see, score for score."""
    file = program.home / "questions"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(QUESTIONS))
    replies = [json.loads(line) for line in program("search", "--queries", file, "--json").stdout.splitlines()]
    return [
        [(hit["chunk_id"], hit["document_id"], hit["score"], hit["text"], hit["lines"]) for hit in reply["hits"]]
        for reply in replies
    ]


def restored(program: Program, archive: Path, make_program: Callable[..., Program]) -> Program:
    new = make_program("restored")
    done = new("restore", archive)
    assert "documents of 1 source" in done.stdout
    return new


def test_a_restored_state_answers_as_the_old_one_and_embeds_nothing(
    taken: Taken, make_program: Callable[..., Program], tmp_path: Path
) -> None:
    """Backup, restore, one run: the index is built again from what came along, equal hits, `verify` is clean."""
    reply = taken.program("backup", tmp_path / "b.tar", "--json").json
    assert reply["path"] == str(tmp_path / "b.tar")
    new = restored(taken.program, tmp_path / "b.tar", make_program)
    run = new.backfill()
    assert (run["outcome"], run["embedded"], run["bytes_read"]) == ("ok", 0, 0)
    assert run["documents"]["unchanged"] == taken.run["documents"]["added"]
    assert new.verified()["checked"] == taken.program.verified()["checked"]
    assert answers(new) == answers(taken.program)


def test_a_backup_of_a_service_at_work_is_whole(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """While files change the whole time: through the socket, and what it holds is true of one moment; what came
    later is taken in by the first run, and what came with the backup is not embedded again."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for number in range(30):
        (folder / f"old{number}.md").write_text(
            f"# Old {number}\n\nThe lighthouse number{number:03} burns all night.\n"
        )
    program = make_program()
    program.backfill(folder)
    end = threading.Event()

    def work() -> None:
        number = 0
        while not end.wait(0.1):
            (folder / f"new{number % 10}.md").write_text(f"# New\n\nBoat{number:04} of the harbour crew is painted.\n")
            number += 1

    with program.service() as service:
        worker = threading.Thread(target=work)
        worker.start()
        try:
            for number in range(3):
                done = program("backup", tmp_path / f"{number}.tar")
                assert "ledger.sqlite3" in done.stdout
            assert "exists already" in program("backup", tmp_path / "0.tar", expect=2).stderr
            assert "no folder" in program("backup", tmp_path / "absent" / "0.tar", expect=2).stderr
            program("backup", "--force", tmp_path / "0.tar")
            assert "in use by process" in program("restore", tmp_path / "0.tar", expect=2).stderr
        finally:
            end.set()
            worker.join()
        assert service.stop()[0] == 0
    assert "holds a ledger already" in program("restore", tmp_path / "1.tar", expect=2).stderr
    new = restored(program, tmp_path / "1.tar", make_program)
    assert len(new.search("lighthouse burns", mode="keyword", top=100)) == 30
    run = new.backfill()
    assert run["outcome"] == "ok"
    assert run["embedded"] < 2 * 30, "what the backup held with its vectors was embedded again"
    new.verified()
    program.backfill()
    assert sorted(hit["text"] for hit in new.search("boat painted", mode="keyword", top=100)) == sorted(
        hit["text"] for hit in program.search("boat painted", mode="keyword", top=100)
    )


def test_rebuild_by_hand_with_and_without_a_service(copied: Program) -> None:
    """The same command either way: another index, equal answers, nothing read or embedded."""
    before, checked = answers(copied), copied.verified()["checked"]
    first = copied("rebuild", "--json").json
    assert (first["outcome"], first["rows"]) == ("ok", checked)
    with copied.service() as service:
        second = copied("rebuild")
        assert f"built anew: {checked:,} rows" in second.stdout
        assert service.stop()[0] == 0
    assert answers(copied) == before
    assert copied.verified()["checked"] == checked
    assert len(list((copied.state / "chroma").glob("generation-*"))) == 1


def test_a_damaged_ledger_is_not_written_into(copied: Program, tmp_path: Path) -> None:
    """After an unclean end: exit 4, a sentence that names restore, the file as it was; a backup brings it all back."""
    copied("backup", tmp_path / "b.tar")
    with copied.service() as service:
        service.process.kill()
        service.process.wait()
    ledger = copied.state / "ledger.sqlite3"
    damage(ledger, "revision")
    before = ledger.read_bytes()
    for command in (("run",), ("backfill",), ("sync",)):
        done = copied(*command, expect=4)
        assert "is damaged" in done.stderr
        assert "ingestor restore" in done.stderr
        assert "Traceback" not in done.stderr
    assert ledger.read_bytes() == before
    shutil.move(copied.state, tmp_path / "away")
    copied("restore", tmp_path / "b.tar")
    assert copied.backfill()["embedded"] == 0
    copied.verified()
