"""``backup``: every file that the state cannot be made from again, as of one moment, in one archive.

That is the ledger and the vectors. The vector index is not among them: it is built from these. The work goes
on meanwhile; what is committed after the first moment is not in the backup.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestor import wire, wire_service
from ingestor.errors import LedgerError, UserError
from ingestor.faultpoint import reached
from ingestor.ledger.copying import Copy
from ingestor.ledger.ledger import Ledger
from ingestor.service.archive import Manifest, create, pack
from ingestor.space import FLOOR, NoSpace, free, is_full

_PARTIAL = ".partial"
_COPIES = ".partial-copies"

_MIB = 1024**2

Report = Callable[[wire.Progress], None]


class NoRoom(LedgerError):
    """A backup was not begun, because it would not have come to its end."""


def backup(
    ledger: Ledger, request: wire_service.BackupRequest, progress: Report, stopping: Callable[[], bool] = lambda: False
) -> wire_service.BackupReply:
    """Write ``request.path``: whole under its name or not there at all; readable by this user alone.

    Needs twice the room of the files while it works, where the backup goes. Raises ``UserError`` where a file stands
    in the way, ``NoSpace``, and ``LedgerDamaged`` for files that are not worth a backup."""
    began, target, steps = time.monotonic(), Path(request.path), _Steps(progress, stopping)
    _check(target, overwrite=request.overwrite)
    manifest = _write(target, lambda copies: ledger.copy(copies, steps.copied), steps, overwrite=request.overwrite)
    return wire_service.BackupReply(
        path=str(target),
        bytes=target.stat().st_size,
        files=tuple(file.name for file in manifest.files),
        made_at=manifest.made_at,
        duration_s=round(time.monotonic() - began, 3),
    )


def backup_closed(state: Path, target: Path, stopping: Callable[[], bool] = lambda: False) -> None:
    """Write the files of a state folder that nobody has open, as they are, to ``target``, over what is there."""
    steps = _Steps(lambda _: None, stopping)
    _write(target, lambda copies: Ledger.copy_closed(state, copies, steps.copied), steps, overwrite=True)


def _write(target: Path, copy: Callable[[Path], list[Copy]], steps: _Steps, *, overwrite: bool) -> Manifest:
    partial, copies = target.with_name(target.name + _PARTIAL), target.with_name(target.name + _COPIES)
    with _scratch(partial, copies):
        copied = copy(copies)
        reached("backup.copied")
        with create(partial) as stream:
            manifest = pack([(one.path, one.schema) for one in copied], stream, steps.packed)
        _check(target, overwrite=overwrite)
        reached("backup.rename")
        partial.replace(target)
        sync_folder(target.parent)
    return manifest


def require_room(state: Path, folder: Path) -> None:
    """Raise ``NoRoom`` where ``folder`` has none for a backup of the state folder: twice its files while it is made,
    and something for the others on that disk."""
    needed = 2 * sum(path.stat().st_size for path in state.glob("*.sqlite3*")) + FLOOR
    if (there := free(folder)) < needed:
        raise NoRoom(
            f"A backup needs {needed / _MIB:,.0f} MiB in {folder} while it is made; {there / _MIB:,.0f} MiB are free.",
            hint="Make room there, or name another folder: maintenance.backup_folder.",
        )


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(target: Path, *, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise UserError(f"There is no folder {target.parent}.", hint="Make it first.")
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise UserError(f"{target} is not a file.", hint="Name the file that the backup is to be.")
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already.", hint="Name another file, or overwrite it with --force.")


@contextmanager
def _scratch(partial: Path, copies: Path) -> Iterator[None]:
    """Without what a killed predecessor left, and leaving nothing behind, whatever happens."""

    def clear() -> None:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        shutil.rmtree(copies, ignore_errors=True)

    try:
        clear()
        copies.mkdir(mode=0o700)
        yield
    except OSError as error:
        if is_full(partial.parent):
            raise NoSpace(partial.parent) from error
        raise UserError(
            f"The backup cannot be written to {partial.parent}: {error.strerror}.",
            hint="The service writes it, as its own user: name a folder that it may write to.",
        ) from error
    finally:
        clear()


class _Steps:
    """How far the two halves of the work are, copying and packing, in MiB for people; and when to end."""

    def __init__(self, progress: Report, stopping: Callable[[], bool]) -> None:
        self._progress = progress
        self._stopping = stopping
        self._total = self._packed = 0

    def copied(self, done: int, total: int) -> None:
        self._total = total
        self._show(done)

    def packed(self, more: int) -> None:
        self._packed += more
        self._show(self._total + self._packed)

    def _show(self, done: int) -> None:
        if self._stopping():
            raise LedgerError("The service stops, so the backup was given up.", hint="Run the command again.")
        self._progress(wire.Progress(stage="backup", done=done // _MIB, total=max(1, 2 * self._total // _MIB)))
