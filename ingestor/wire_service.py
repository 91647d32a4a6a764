"""Requests and replies about the service itself: pausing, reloading, health. The rest is in ``ingestor.wire``."""

from __future__ import annotations

from ingestor.wire import Wire


class PauseRequest(Wire):
    sources: tuple[str, ...]


class ReloadRequest(Wire):
    pass


class PausedSource(Wire):
    """``changed``: it was not so before. ``next_run``: when it is looked at by schedule, where a service runs."""

    name: str
    paused: bool
    changed: bool
    next_run: float | None = None


class PausedReply(Wire):
    sources: tuple[PausedSource, ...]


class ReloadReply(Wire):
    """Names of sources; ``left`` are no longer in the configuration and stay. ``restart``: keys whose new values only a
    restart brings."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
