"""``rebuild``: a new generation of the vector index beside the serving one, asked for or because it is due.

Nothing is read from a source and nothing embedded; search goes on with the old one until the new one has
been compared with the ledger, row by row. A rebuild that is interrupted goes on with whatever runs next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingestor import log, wire
from ingestor.errors import IndexUnavailable
from ingestor.index.churn import bloated
from ingestor.model import Generation, GenerationState
from ingestor.service.runner import PATIENCE_S

if TYPE_CHECKING:  # the core begins rebuilds, too
    from ingestor.service.core import Service

_LOOK_S = 0.1

Report = Callable[[wire.Progress], None]

_log = log.get()


def rebuild(service: Service, progress: Report) -> wire.RebuildReply:
    """Begin, unless one is being built already, and wait until it serves. Raises ``IndexUnavailable`` where there
    is no room for a second store, and when the index cannot be written for a while: then it goes on by itself."""
    began, index, pump = time.monotonic(), service.parts.index, service.parts.pump
    index.rebuild()
    pump.kick()
    most = 0
    while (building := _newest(service, GenerationState.BUILDING)) is not None:
        if service.stop.is_set():
            return wire.RebuildReply(outcome="suspended", rows=0, duration_s=_since(began))
        if trouble := pump.trouble(PATIENCE_S):
            raise IndexUnavailable(
                f"The new index is not complete yet: {trouble}",
                hint="It is gone on with by the service or the next run.",
            )
        waiting = sum(service.ledger.index.backlog(building.generation_id))
        most = max(most, waiting)
        progress(wire.Progress(stage="rebuild", done=most - waiting, total=most))
        service.stop.wait(_LOOK_S)
    serving = _newest(service, GenerationState.SERVING)
    rows = service.ledger.index.churn(serving.generation_id)[1] if serving is not None else 0
    return wire.RebuildReply(
        outcome="ok", rows=rows, duration_s=_since(began), generation=serving.location if serving is not None else ""
    )


def rebuild_when_bloated(service: Service) -> bool:
    """Begin a rebuild when most of what the serving store holds is dead; does not wait for it."""
    serving = _newest(service, GenerationState.SERVING)
    if serving is None or _newest(service, GenerationState.BUILDING) is not None:
        return False
    dead, live = service.ledger.index.churn(serving.generation_id)
    if not bloated(dead, live):
        return False
    try:
        service.parts.index.rebuild()
    except IndexUnavailable as error:
        _log.warning("index_rebuild_postponed", error=str(error))
        return False
    service.parts.pump.kick()
    _log.info("index_rebuild_due", dead=dead, live=live)
    return True


def _newest(service: Service, state: GenerationState) -> Generation | None:
    index = service.parts.index
    model = index.model()
    found = [g for g in service.ledger.index.generations() if g.state is state and g.model == model and index.tends(g)]
    return found[-1] if found else None


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
