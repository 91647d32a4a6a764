"""The configuration read again while the service runs: all of it is taken, or none (then the old one goes on)."""

from __future__ import annotations

from collections.abc import Callable

from ingestor import log, wire_service
from ingestor.errors import ConfigError, UserError
from ingestor.service.configured import Wanted, compare, make_all, record
from ingestor.service.core import Service

Reread = Callable[[], Wanted]
"""Reads the configuration afresh. Raises ``ConfigError`` with every problem."""

_log = log.get()


def reload(service: Service, reread: Reread | None) -> wire_service.ReloadReply:
    """Take the sources of the configuration as they are now. Raises ``ConfigError``; then nothing has changed.

    The caller sees to it that nobody registers a source meanwhile."""
    if reread is None:
        raise UserError("No service runs here, only a command.", hint="The next start reads the configuration.")
    try:
        wanted = reread()
        alteration = compare(service.ledger.sources.all(), wanted)
        make_all((*alteration.added, *alteration.changed), service.parts.make_source, wanted.where)
    except ConfigError as error:
        # The reason tells one refusal from another where repeated lines are folded.
        _log.error("configuration_refused", reason="; ".join(error.problems), remedy="the one before goes on")
        raise
    wanted.adopt()
    record(service.ledger, alteration)
    changed = {row.name for row in alteration.changed}
    retimed = service.retime(wanted) - changed - {row.name for row in alteration.added}
    for name in sorted(changed):
        service.drop(name)
    for name in sorted(changed | {row.name for row in alteration.added}):
        service.attend(name)
    service.parts.pump.kick()  # a source that changed its scope has rows to move, whether or not it runs
    reply = wire_service.ReloadReply(
        added=tuple(row.name for row in alteration.added),
        changed=tuple(sorted(changed | retimed)),
        left=tuple(row.name for row in alteration.left),
        restart=wanted.restart,
    )
    _log.info("configuration_reloaded", **reply.model_dump())
    return reply
