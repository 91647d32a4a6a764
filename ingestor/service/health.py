"""Whether the service is well, for probes and for systemd, and what the main thread does about it every second.

*Live*: the ledger is undamaged and no loop is frozen; else only a new start helps. *Ready*: it can do all that it is
for. Neither depends on whether sources, or a Chroma server, can be reached: no restart brings those back.
"""

from __future__ import annotations

import time
from collections import Counter

from ingestor import log, wire_service
from ingestor.errors import LedgerError
from ingestor.service.core import Service
from ingestor.service.life import PATIENCE_S, Silence
from ingestor.service.notify import Notifier

_TOLD_AFTER_S = 60.0  # a source that does not answer
_STATUS_EVERY_S = 5.0

_log = log.get()


def health(service: Service, *, patience_s: float = PATIENCE_S) -> wire_service.HealthReply:
    """Quick, and for any thread: it asks no loop and no source."""
    damage = service.ledger.damage
    silences = service.life.silences(min(patience_s, _TOLD_AFTER_S))
    frozen = [silence for silence in silences if not silence.outside and silence.seconds > patience_s]
    checks = {
        "ledger": str(damage) if damage is not None else "ok",
        "loops": "; ".join(map(_sentence, frozen)) or "ok",
        "model": service.model_state(),
        "first_scan": "ok" if service.planned else "not planned yet",
    }
    live = checks["ledger"] == checks["loops"] == "ok"
    return wire_service.HealthReply(
        live=live,
        ready=live and service.ready and all(said == "ok" for said in checks.values()),
        checks=checks,
        notes=tuple(_sentence(silence) for silence in silences if silence.outside),
    )


class Keeper:
    """The main thread's look at the service: pets systemd's watchdog while all loops live, and tells how it goes."""

    def __init__(self, service: Service, notifier: Notifier) -> None:
        self._service = service
        self._notifier = notifier
        # What the administrator allows (WatchdogSec=) is also what a loop may take between two safe points.
        self.patience_s = notifier.watchdog_s or PATIENCE_S
        self._petted = self._told = float("-inf")

    def health(self) -> wire_service.HealthReply:
        return health(self._service, patience_s=self.patience_s)

    def look(self) -> None:
        """Every second. Raises the damage of a ledger: nothing more is written, and the next start checks the files."""
        if (damage := self._service.ledger.damage) is not None:
            raise damage
        now = time.monotonic()
        silences = self._service.life.silences(min(self.patience_s, _TOLD_AFTER_S))
        frozen = [silence for silence in silences if not silence.outside and silence.seconds > self.patience_s]
        for silence in silences:
            if silence.outside and silence.loop.startswith("source-"):
                _log.warning("source_silent", source=_of(silence), seconds=round(silence.seconds))
        if frozen:
            for silence in frozen:
                _log.error("loop_frozen", reason=silence.loop, seconds=round(silence.seconds))
            self._notifier.frozen()
        elif now - self._petted >= min(10.0, self.patience_s / 4):
            self._petted = now
            self._notifier.alive()
        if now - self._told >= _STATUS_EVERY_S:
            self._told = now
            self._notifier.status(self._status(silences))

    def _status(self, silences: list[Silence]) -> str:
        try:
            rows = self._service.ledger.sources.all()
            embed, index = self._service.parts.pump.backlog()
        except LedgerError as error:
            return str(error)
        states = Counter("paused" if row.paused else row.state.value for row in rows)
        said = f"{len(rows)} source{'' if len(rows) == 1 else 's'}: " + ", ".join(
            f"{count} {state}" for state, count in sorted(states.items())
        )
        waiting = f"; {embed} passages to embed, {index} to index" if embed or index else ""
        loading = "" if (model := self._service.model_state()) == "ok" else f"; model: {model}"
        return said + waiting + loading + "".join(f"; {_sentence(silence)}" for silence in silences)


def _of(silence: Silence) -> str:
    return silence.loop.removeprefix("source-")


def _sentence(silence: Silence) -> str:
    if silence.outside and not silence.loop.startswith("source-"):
        return f"loading the model for {silence.seconds:.0f} s"
    if silence.outside:
        return f"no answer from the source {_of(silence)} for {silence.seconds:.0f} s"
    return f"the loop {silence.loop} was not heard of for {silence.seconds:.0f} s"
