"""Who holds the state folder, and what is served to others while one does: the upper half of a start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ingestor import log
from ingestor.errors import UserError
from ingestor.ledger.ledger import Ledger
from ingestor.space import NoSpace
from ingestor.state import StateLock

if TYPE_CHECKING:
    from ingestor.context import Context
    from ingestor.service.core import Service
    from ingestor.web.api import Api, Operations
    from ingestor.web.server import Health, Metrics

_HOLDER_WAIT_S = 60.0  # for a command that has the lock for a moment
_LOOK_S = 0.1
_ROOM_LOOK_S = 5.0

_log = log.get()


def await_room(context: Context) -> bool:
    """Until the ledger can be opened, which takes some room beside it: ending for want of it would only make
    whoever supervises us start us again and again. False when a signal came first."""
    while True:
        try:
            Ledger(context.state.root).close()
        except NoSpace as error:
            _log.warning("no_space_left", error=str(error))
            if context.stop.wait(_ROOM_LOOK_S):
                return False
        else:
            return True


@contextmanager
def served(
    context: Context,
    service: Service,
    operations: Operations,
    *,
    as_service: bool,
    health: Health | None = None,
    metrics: Metrics | None = None,
    api: Api | None = None,
) -> Iterator[None]:
    from ingestor.web.server import serve

    server = serve(
        operations,
        context.state.socket_path,
        ready=lambda: service.ready,
        service=as_service,
        health=health,
        metrics=metrics,
        api=api,
    )
    try:
        yield
    finally:
        server.stop()


@contextmanager
def health_port(context: Context, health: Health, metrics: Metrics) -> Iterator[None]:
    """The pages for probes and monitoring on the configured port; without one nothing."""
    from ingestor.web.server import serve_health

    port = context.config.health.port
    try:
        server = serve_health(health, port, metrics) if port else None
    except OSError as error:
        raise UserError(
            f"The port {port} of health.port cannot be had: {error.strerror}.",
            hint="Choose another one, or 0 for none.",
        ) from error
    try:
        yield
    finally:
        if server is not None:
            server.stop()


@contextmanager
def http_port(context: Context, operations: Operations, api: Api) -> Iterator[None]:
    """The HTTP API on the configured port; without one nothing."""
    from ingestor.web.server import serve_port

    http = context.config.http
    if http.port and not ip_address(http.address).is_loopback and not api.tokens.all():
        raise UserError(
            f"http.address is {http.address}, which others can reach, and there is no token.",
            hint="Make one first: ingestor token add NAME --as group:staff. Or use 127.0.0.1.",
        )
    try:
        server = (
            serve_port(
                operations,
                api,
                address=http.address,
                port=http.port,
                hosts=http.hosts,
                per_minute=http.per_minute,
            )
            if http.port
            else None
        )
    except OSError as error:
        raise UserError(
            f"{http.address} port {http.port} of [http] cannot be had: {error.strerror}.",
            hint="Choose another port, or 0 for none.",
        ) from error
    if server is not None:
        _log.info("http_listening", address=http.address, port=http.port)
    try:
        yield
    finally:
        if server is not None:
            server.stop()


def own_lock(context: Context) -> StateLock:
    """The lock for a service. A command that has it is waited for, as long as it works; a service is not."""
    from ingestor.web.client import ping

    deadline, told = time.monotonic() + _HOLDER_WAIT_S, False
    while True:
        lock = context.state.try_lock()
        if lock is not None:
            return lock
        holder = context.state.holder()
        pong = ping(holder.socket_path) if holder is not None else None
        if pong is not None and not pong.service:
            deadline = time.monotonic() + _HOLDER_WAIT_S
            if not told:
                _log.info("waiting_for_command", pid=pong.pid)
                told = True
        if (pong is not None and pong.service) or time.monotonic() > deadline or context.stop.wait(_LOOK_S):
            who = f"process {holder.pid}" if holder is not None else "another process"
            raise UserError(
                f"The state folder {context.state.root} is in use by {who}.",
                hint="Stop it first, or give this service a state folder of its own with --state-dir.",
            )
