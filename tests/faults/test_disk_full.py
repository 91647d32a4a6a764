"""A disk that is really full, beneath everything that the program writes: state on a small file system of its own.

The service pauses, says so, goes on answering by keyword, blames no document and no store, and carries on by
itself when there is room.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.model import ParseRequest
from ingestor.parsing.pool import ParserPool
from ingestor.space import FLOOR, NoSpace
from tests.support.mounts import can_mount
from tests.support.program import Program, Service

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="needs the superuser, to mount")]

SIZE_MIB = 96


class Disk:
    """A file system in memory, with a file that takes what is left of it."""

    def __init__(self, point: Path) -> None:
        self.point = point
        self._ballast = point / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Leave so many bytes; others may be writing meanwhile."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while (more := self.free() - leave) > 0:
                with contextlib.suppress(OSError):  # it was taken in between: look again
                    os.posix_fallocate(handle, os.fstat(handle).st_size, more)
        finally:
            os.close(handle)

    def empty(self) -> None:
        self._ballast.unlink()

    def free(self) -> int:
        facts = os.statvfs(self.point)
        return facts.f_bavail * facts.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "state", str(point)], check=True)
    try:
        yield Disk(point)
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)


@pytest.fixture
def program(disk: Disk, tmp_path: Path) -> Program:
    """Twenty files taken in; the state lies on the small disk."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(20):
        write(folder, f"old{number}")
    program = Program(state=disk.point / "state", home=tmp_path / "home")
    program.backfill(folder)
    return program


def write(folder: Path, word: str, suffix: str = "md") -> None:
    (folder / f"{word}.{suffix}").write_text(f"# The {word} page\n\nIn the harbour of {word} the lighthouse burns.\n")


def found(service: Service, word: str, mode: str = "keyword") -> bool:
    return any(word in hit.text for hit in service.search(word, mode=mode))


@contextlib.contextmanager
def full(disk: Disk, leave: int = 0) -> Iterator[None]:
    """The disk is full within."""
    disk.fill(leave=leave)
    try:
        yield
    finally:
        disk.empty()


@pytest.mark.parametrize("leave", [0, FLOOR // 2], ids=["to the last byte", "below the floor"])
def test_the_service_pauses_says_so_and_goes_on_by_itself(
    program: Program, disk: Disk, tmp_path: Path, leave: int
) -> None:
    """New and changed files wait, keyword search answers, `status` says what is wrong, nothing is blamed."""
    folder = tmp_path / "docs"
    with program.service() as service:
        service.search("lighthouse", mode="dense")  # everything is up
        with full(disk, leave):
            for number in range(6):
                write(folder, f"new{number}", "html" if number % 2 else "md")
            write(folder, "old3")
            service.until(lambda: "no_space_left" in {event["event"] for event in service.log}, "the pause")
            status = program.status()
            assert status["state"] == "paused"
            assert "No space left" in status["note"]
            assert found(service, "old7")
            assert not found(service, "new0", "dense")
            warned = [event for event in service.log if event["event"] == "no_space_left"]
            assert len(warned) == 1, "one line a minute"
            assert "run_crashed" not in {event["event"] for event in service.log}
            assert "stage_crashed" not in {event["event"] for event in service.log}
        for number in range(6):
            service.until(lambda word=f"new{number}": found(service, word, "hybrid"), f"new{number} to be found")
        service.until(lambda: program.status()["pending"] == {"embed": 0, "index": 0}, "the index to follow")
        status = program.status()
        assert (status["state"], status["note"], status["quarantined"], status["documents"]) == ("idle", "", 0, 26)
        code, _ = service.stop()
        assert code == 0
    program.verified()


def test_a_disk_that_fills_in_the_middle_of_work_costs_nothing(program: Program, disk: Disk, tmp_path: Path) -> None:
    """Whatever is being written when it happens, ledger, vectors or Chroma: afterwards all is as it should be."""
    folder = tmp_path / "docs"
    with program.service() as service:
        service.search("lighthouse", mode="dense")
        for round_ in range(3):
            for number in range(60):
                write(folder, f"r{round_}n{number}")
                if number == 10 * round_ + 5:
                    disk.fill()
            service.until(lambda: program.status()["state"] == "paused", "the pause")
            disk.empty()
            last = f"r{round_}n59"
            service.until(lambda last=last: found(service, last, "hybrid"), f"{last} to be found")
        service.until(lambda: program.status()["pending"] == {"embed": 0, "index": 0}, "the index to follow")
        assert (program.status()["documents"], program.status()["quarantined"]) == (200, 0)
        service.stop()
    program.verified()


def test_a_service_that_is_stopped_on_a_full_disk_ends_well_and_starts_again(
    program: Program, disk: Disk, tmp_path: Path
) -> None:
    """It ends with 0; one that is started there waits for room instead of ending, so nobody restarts it in a loop."""
    with program.service() as service:
        service.search("lighthouse", mode="dense")  # the store is open, and cannot be noted as closed well
        disk.fill()
        write(tmp_path / "docs", "late")
        service.until(lambda: "no_space_left" in {event["event"] for event in service.log}, "the pause")
        code, _ = service.stop()
        assert code == 0
    log = tmp_path / "second.log"
    with log.open("w") as stream:
        process = program.start("run", stdout=stream, stderr=stream)
    second = Service(program, process, log)
    try:
        second.until(lambda: "no_space_left" in {event["event"] for event in second.log}, "the second to wait")
        assert process.poll() is None
        disk.empty()
        second.await_ready()
        second.until(lambda: found(second, "late"), "the late page to be found")
        assert second.stop()[0] == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    program.verified()


def test_commands_on_a_full_disk_end_with_a_sentence(program: Program, disk: Disk, tmp_path: Path) -> None:
    """`backfill` with exit 4, and the next run carries on; `status` and keyword search answer."""
    write(tmp_path / "docs", "late")
    disk.fill()
    done = program("backfill", expect=4)
    assert "No space left on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    status = program.status()
    assert (status["state"], status["documents"]) == ("paused", 20)
    disk.empty()
    disk.fill(leave=FLOOR // 2)
    assert program.search("old7", mode="keyword")
    disk.empty()
    assert program.backfill()["documents"]["added"] == 1
    program.verified()


def test_a_backup_that_finds_no_room_leaves_nothing(program: Program, disk: Disk, tmp_path: Path) -> None:
    """Neither a half of one nor the scratch that it needs."""
    disk.fill(leave=64 * 1024)
    done = program("backup", disk.point / "backup.tar", expect=4)
    assert "No space left on the disk" in done.stderr
    assert {path.name for path in disk.point.iterdir()} == {"state", "ballast"}
    disk.empty()
    program("backup", disk.point / "backup.tar")


def test_no_document_is_blamed_for_a_full_disk(disk: Disk) -> None:
    """The parser's scratch has no room: the future says that, not that the file is corrupt."""
    pool = ParserPool(workers=1, scratch=disk.point / "parsing")
    request = ParseRequest(name="a.html", content=b"<h1>Harbour</h1><p>The lighthouse burns.</p>")
    try:
        disk.fill()
        with pytest.raises(NoSpace):
            pool.submit(request).result(60)
        disk.empty()
        assert "lighthouse" in pool.submit(request).result(60).text
    finally:
        pool.close()
