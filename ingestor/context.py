"""What every command knows about its surroundings: configuration file, state folder, wish to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ingestor.state import StateFolder

if TYPE_CHECKING:  # pydantic costs 0.1 s, and not every command reads the configuration
    from ingestor.config import Config


@dataclass(frozen=True, kw_only=True)
class Context:
    """``stop`` is set when a person or the system wants the work suspended at a safe point."""

    state: StateFolder
    config_file: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event, compare=False)

    @cached_property
    def config(self) -> Config:
        """The effective configuration, read at first use. Raises ``ConfigError``."""
        from ingestor.config import load

        return load(self.config_file)
