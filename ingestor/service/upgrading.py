"""An older ledger is brought to the present schema, and kept as it was, so that nobody has to fear an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingestor import log
from ingestor.errors import LedgerError
from ingestor.ledger.ledger import Ledger
from ingestor.service.backup import NoRoom, backup_closed, require_room

BEFORE_UPGRADE = "before-upgrade.tar"
"""The backup in the state folder. The one of the upgrade before it goes when this one is done."""

_UNDER_WAY = "upgrade-under-way.tar"  # the same until every file has its new schema

_log = log.get()


def upgrade(state: Path, *, backup: bool) -> None:
    """Called by who holds the lock, before the ledger is opened. Changes nothing where no file is older than this
    program. Interrupted at any line it goes on the next time, with the backup of how it began.

    Raises ``LedgerError`` where there is no room for the backup: then nothing was changed."""
    under_way, files = state / _UNDER_WAY, Ledger.outdated(state)
    if files:
        if not backup:
            _log.warning("upgrade_without_backup", schemas=_named(files))
        elif not under_way.exists():
            _keep(state, under_way)
            _log.info("upgrade_backup", file=str(state / BEFORE_UPGRADE), schemas=_named(files))
        Ledger.upgrade(state)
    if under_way.exists():
        under_way.replace(state / BEFORE_UPGRADE)


def _keep(state: Path, target: Path) -> None:
    try:
        require_room(state, state)
    except NoRoom as lack:
        raise LedgerError(
            f"The ledger in {state} has to be brought to a newer schema, which a backup comes before. {lack.message}",
            hint="Make room, or go without it: maintenance.backup_before_upgrade = false.",
        ) from lack
    backup_closed(state, target)


def _named(files: Mapping[Path, int]) -> dict[str, int]:
    return {path.name: schema for path, schema in files.items()}
