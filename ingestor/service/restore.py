"""``restore``: a state folder out of a backup.

The ledger's file comes last and by a rename: a state folder either holds the whole backup or no ledger. The
stores of the vector index that the ledger knew are forgotten and a new one is built, out of the vectors
that came along; no source is read for it and nothing is embedded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ingestor import wire, wire_service
from ingestor.errors import UserError
from ingestor.faultpoint import reached
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import GenerationState, ModelId
from ingestor.service.archive import BackupDamaged, unpack
from ingestor.service.backup import sync_folder
from ingestor.space import NoSpace, is_full

_PARTIAL = "restore.partial"

Report = Callable[[wire.Progress], None]


def restore(state: Path, archive: Path, progress: Report, *, location: str) -> wire_service.RestoreReply:
    """Make the state folder ``state``, whose lock the caller holds, hold what ``archive`` does.

    ``location`` names the store that is to be built. Raises ``UserError`` where a ledger is already, or for what is
    no backup; ``BackupDamaged``; ``LedgerTooNew`` for that of a newer program."""
    if Ledger.exists(state):
        raise UserError(
            f"The state folder {state} holds a ledger already.",
            hint="Restore into an empty one (--state-dir DIR), or move this one away first.",
        )
    if not archive.is_file():
        raise UserError(f"There is no backup {archive}.")
    scratch = state / _PARTIAL
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(mode=0o700)
        total, done = max(1, archive.stat().st_size), 0

        def moved(more: int) -> None:
            nonlocal done
            done += more
            progress(wire.Progress(stage="restore", done=done // 1024**2, total=total // 1024**2))

        manifest = unpack(archive, scratch, moved)
        if not Ledger.exists(scratch):
            raise BackupDamaged(f"The backup {archive} holds no ledger.")
        sources, documents = _start_over(scratch, location)
        Ledger.remove_orphans(state)
        files = sorted((path for path in scratch.iterdir()), key=lambda path: path.name == LEDGER_FILE)
        for path in files:
            reached("restore.rename")
            path.replace(state / path.name)
        sync_folder(state)
    except OSError as error:
        if is_full(state):
            raise NoSpace(state) from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return wire_service.RestoreReply(
        state_dir=str(state), made_at=manifest.made_at, program=manifest.program, sources=sources, documents=documents
    )


def _start_over(folder: Path, location: str) -> tuple[int, int]:
    """Point the ledger in ``folder`` at a store yet to be built; (sources, documents)."""
    ledger = Ledger(folder)
    try:
        generations = ledger.index.generations()
        serving = [g.model for g in generations if g.state is GenerationState.SERVING]
        models = [*serving, *(g.model for g in generations)]
        if models:
            ledger.index.start_over(ModelId(models[0]), location)
        names = [row.name for row in ledger.sources.all()]
        return len(names), sum(ledger.runs.figures(name).documents for name in names)
    finally:
        ledger.close()
