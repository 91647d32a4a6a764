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
    to_mend = report.to_mend()
    if not to_mend:
        return
    opened.mending = True
    _log.warning("index_mended", generation=opened.generation.location, rows=sum(map(len, to_mend.values())))
    for scope, ids in to_mend.items():
        # Chroma merges metadata: a key that somebody added would stay for good in a row that is only written over.
        altered = [one.chunk_id for one in report.findings if one.damage is Damage.STALE and one.scope == scope]
        for start in range(0, len(altered), _DELETED):
            opened.index.delete(altered[start : start + _DELETED], scope)
        reached("index.unsettle")
        ledger.unsettle(opened.generation.generation_id, ids, scope)
        reached("index.unsettle.done")
