"""What a probe found is written again: never by hand, but by making the ledger forget that it was written."""

from __future__ import annotations

from ingestor import log
from ingestor.faultpoint import reached
from ingestor.index.opened import Opened
from ingestor.index.probe import Damage, ProbeReport
from ingestor.ports import IndexLedger

_DELETED = 1_000  # rows a call

_log = log.get()


def mend(opened: Opened, report: ProbeReport, ledger: IndexLedger) -> None:
    """See to it that the projector writes what differs; search does without the index until it did. Raises
    ``IndexFailure``. Died in between, the next probe finds the same or less."""
    ids = report.to_mend()
    if not ids:
        return
    opened.mending = True
    _log.warning("index_mended", generation=opened.generation.location, rows=len(ids))
    # Chroma merges metadata: a key that somebody added would stay for good in a row that is only written over.
    altered = [finding.chunk_id for finding in report.findings if finding.damage is Damage.STALE]
    for start in range(0, len(altered), _DELETED):
        opened.index.delete(altered[start : start + _DELETED])
    reached("index.unsettle")
    ledger.unsettle(opened.generation.generation_id, ids)
    reached("index.unsettle.done")
