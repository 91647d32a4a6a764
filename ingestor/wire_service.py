"""Requests and replies about the service itself: pause, reload, health, backups. The rest is in ``ingestor.wire``."""

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


class HealthReply(Wire):
    """``live``: no loop is frozen and the ledger is undamaged, so that no restart is needed. ``ready``: all that it is
    for can be had. A check says ``ok`` or what is the matter; ``notes`` are for people and decide nothing."""

    live: bool
    ready: bool
    checks: dict[str, str]
    notes: tuple[str, ...] = ()


class TokenReply(Wire):
    """``principals`` None reads everything."""

    id: str
    name: str
    role: str
    principals: tuple[str, ...] | None
    created_at: float
    expires_at: float | None


class TokensReply(Wire):
    tokens: tuple[TokenReply, ...]


class BackupRequest(Wire):
    """``path`` is absolute. ``overwrite``: a file of that name may go, once the new one is whole."""

    path: str
    overwrite: bool = False


class BackupReply(Wire):
    """``made_at`` is after the moment that the backup shows: what was committed later is not in it."""

    path: str
    bytes: int
    files: tuple[str, ...]
    made_at: float
    duration_s: float


class RestoreReply(Wire):
    """``made_at`` and ``program``: when and by which version the backup was made."""

    state_dir: str
    made_at: float
    program: str
    sources: int
    documents: int
