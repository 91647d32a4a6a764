"""A source of some kind, the engine and a ledger: what every bench of a connector has, whatever the kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import Fetched, ItemRef, Source
from connectors.web.client import WebConfig
from tests.support.world import World

WAIT_S = 0.3
"""How long a connector waits for a scripted server's answer."""


def impatient(web: WebConfig, patience_s: float) -> WebConfig:
    """For a server of ours: nothing is waited for, and hardly anything tried again."""
    return replace(web, first_pause_s=0.001, silence_s=patience_s, most_s=max(2.0, patience_s), attempts=2, rate=1000.0)


class Counting:
    """Put before a source's class: counts what is read."""

    fetched = 0

    def fetch(self, ref: ItemRef) -> Fetched:
        self.fetched += 1
        return super().fetch(ref)  # type: ignore[misc]  # the source's


class SourceBench:
    """``make`` gives a source; a world reads it."""

    def __init__(self, base: Path, **settings: object) -> None:
        self.base = base
        (base / "state").mkdir()
        self.world = World(base, base / "state", source=self.make(**settings))

    def make(self, **settings: object) -> Source:
        raise NotImplementedError

    @property
    def source(self) -> Any:
        assert isinstance(self.world.source, Counting)
        return self.world.source

    def configure(self, **settings: object) -> None:
        """As after a restart, perhaps with another configuration."""
        self.source.close()
        self.world.close()
        self.world = World(self.base, self.base / "state", source=self.make(**settings))

    def later(self) -> None:
        """Past the time for which an answer about the source itself is fresh."""
        self.source._asked_at = float("-inf")

    def held(self) -> dict[str, bytes]:
        """Item and content hash of all that the ledger has."""
        return dict(self.world.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))

    def close(self) -> None:
        self.source.close()
        self.world.close()
