"""Puts the program together: the one module that knows every concrete part. No logic of its own.

The command line stands on three functions: ``open_operations`` (the writer's work, here or by way of the
process that holds the state folder), ``read_only``, and ``run_service``.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from connectors import registry
from connectors.base import Source
from ingestor import log
from ingestor.errors import ConfigError, LedgerError, UserError
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.model import SourceState
from ingestor.service.folders import FILES, registered
from ingestor.space import NoSpace
from ingestor.state import StateLock

if TYPE_CHECKING:
    from ingestor import wire
    from ingestor.config import Config
    from ingestor.context import Context
    from ingestor.index.generations import GenerationManager
    from ingestor.service.core import Service
    from ingestor.service.pump import Pump
    from ingestor.service.reading import LedgerReading
    from ingestor.web.api import Operations

_HOLDER_WAIT_S = 60.0  # for a command that has the lock for a moment
_LOOK_S = 0.1
_ANSWER_S = 5.0
_ROOM_LOOK_S = 5.0

_restless: list[Service] = []  # kept, so that nothing of them is torn down

_log = log.get()


@contextmanager
def open_operations(context: Context) -> Iterator[Operations]:
    """The operations: in this process under the lock, or of the process that has it. While another process
    starts or ends, this waits; it never ends with a lock error while the other is alive and answers.

    The socket is served from the first long operation on: a search is over before anybody needs it."""
    from ingestor.web.client import RemoteOperations, rendezvous

    found = rendezvous(context.state)
    if isinstance(found, RemoteOperations):
        yield found
        return
    with found, _opened(context) as service:
        from ingestor.service.operations import ServiceOperations

        with ExitStack() as ending:

            def serve() -> None:
                ending.enter_context(_served(context, service, operations, as_service=False))

            operations = ServiceOperations(service, before_long=serve)
            yield operations
            operations.await_idle()  # somebody else's work by way of our socket


def run_service(context: Context) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: context.stop.set())
    with _own_lock(context):
        if _await_room(context):
            _serve_until_stopped(context)
    _log.info("service_stopped")
    return 0


def _serve_until_stopped(context: Context) -> None:
    with _opened(context) as service:
        from ingestor.service.operations import ServiceOperations

        operations = ServiceOperations(service)
        with _served(context, service, operations, as_service=True):
            service.watch()
            _log.info("service_ready", pid=os.getpid(), sources=len(service.ledger.sources.all()))
            while not context.stop.wait(1.0):  # in slices, so that a signal is handled at once
                if (damage := service.ledger.damage) is not None:
                    raise damage  # nothing more is written; the next start checks the files
            _log.info("service_stopping")
            operations.await_idle(_ANSWER_S)  # those who wait for an answer are told "suspended"


def loops_still_run() -> bool:
    """Whether a loop was still inside the model or the index when its service closed. Python's own end would
    unwind it in the middle of native code, which aborts the process: it has to be left at once instead."""
    return bool(_restless)


def restore(context: Context, archive: Path, progress: Callable[[wire.Progress], None]) -> wire.RestoreReply:
    """Fill the state folder, which must hold no ledger, from a backup; the service must not run."""
    from ingestor.index.place import new_location
    from ingestor.service.restore import restore as fill

    settings = context.config.index
    with _own_lock(context):
        return fill(context.state.root, archive, progress, location=new_location(settings.url, settings.collection))


def read_only(context: Context) -> LedgerReading:
    """Status, runs, sources and why; needs neither lock nor service."""
    from ingestor.service.reading import LedgerReading

    holder = context.state.holder()
    return LedgerReading(
        state_dir=context.state.root,
        holder=f"running, process {holder.pid}" if holder is not None else "",
        configured=lambda: _configured(context.config),
        make_source=_make_source,
        item_at=lambda row, where: registry.item_at(row.kind, row.settings, where),
    )


# -- parts -----------------------------------------------------------------------------------------------


@contextmanager
def _opened(context: Context) -> Iterator[Service]:
    """The service with everything in it, closed in the reverse order whatever happens."""
    service = _build(context)
    try:
        service.open()
        yield service
    finally:
        service.close()
        if not service.quiet or service.warming:
            _restless.append(service)


def _build(context: Context) -> Service:
    from ingestor.chunking.cutter import SemanticCutter, Settings
    from ingestor.embedding.embedder import SentenceEmbedder
    from ingestor.index.generations import GenerationManager
    from ingestor.parsing.limits import Limits
    from ingestor.parsing.ocr import ocr_settings
    from ingestor.parsing.pool import ParserPool
    from ingestor.search.searcher import Searcher
    from ingestor.service.core import Parts, Service
    from ingestor.service.lens import Lenses
    from ingestor.service.models import DEFAULT_KEEP_S, ModelRegistry
    from ingestor.service.pump import Pump
    from ingestor.service.schedule import Timing
    from ingestor.service.switching import Judge

    config = context.config
    ledger = Ledger(context.state.root, retention_s=config.retention.days * 86_400.0)
    try:
        _ensure_sound(ledger)
        _register_configured(ledger, config)
        embedder = SentenceEmbedder(config.embedding.model)
        with suppress(NoSpace):  # noted at the next start that has room
            if ledger.models.configure(embedder.model, config.embedding.model, keep_s=DEFAULT_KEEP_S):
                _log.info("model_switch_begun", model=config.embedding.model)
    except BaseException:
        ledger.close()
        raise
    models = ModelRegistry(ledger, embedder, SentenceEmbedder)
    index = GenerationManager(
        folder=context.state.root / "chroma",
        ledger=ledger.index,
        models=models,
        url=config.index.url,
        collection=config.index.collection,
    )
    pump = Pump(
        ledger=ledger.index,
        embed=models.step,
        index=index,
        stop=context.stop,
        require_room=ledger.require_room,
    )
    lenses = Lenses(index, models, context.stop)
    searcher = Searcher(ledger=ledger.search, lens=lenses.present)
    models.judge = Judge(ledger=ledger, searcher=searcher, lenses=lenses, decided=lambda: _look_again(index, pump))
    return Service(
        Parts(
            ledger=ledger,
            parser=ParserPool(
                workers=config.parsing.workers or None,
                limits=Limits(seconds=config.parsing.timeout_s, processor=config.parsing.timeout_s),
                scratch=context.state.root / "parsing",
                ocr=ocr_settings(config.parsing),
            ),
            cutter=SemanticCutter(Settings(target=config.chunking.target, limit=config.chunking.limit)),
            pump=pump,
            index=index,
            models=models,
            searcher=searcher,
            make_source=_make_source,
            timings={source.name: Timing(interval_s=source.interval_s, cron=source.cron) for source in config.sources},
            stop=context.stop,
        )
    )


def _look_again(index: GenerationManager, pump: Pump) -> None:
    """A wished model was judged: it takes over now, or what was built for it goes."""
    index.expire()
    pump.kick()


def _ensure_sound(ledger: Ledger) -> None:
    """Before anything is written: where the last process did not end well, the files are checked."""
    try:
        aside = ledger.ensure_sound()
    except LedgerError as error:
        _log.error("ledger_damaged", error=str(error))
        raise
    for path in aside:
        _log.error("vectors_damaged", file=path.name, remedy="set aside; its units are embedded again")


def _make_source(row: SourceRow) -> Source:
    try:
        return registry.make(row.kind, row.name, row.settings)
    except ValueError as error:
        raise ConfigError([str(error)], where=f"of the source {row.name!r}") from error


def _configured(config: Config) -> Sequence[SourceRow]:
    return [
        SourceRow(
            name=source.name,
            kind=source.kind,
            settings=source.settings,
            origin="configured",
            state=SourceState.IDLE,
            note="",
            paused=False,
            next_run=None,
        )
        for source in config.sources
    ]


def _register_configured(ledger: Ledger, config: Config) -> None:
    """The configuration's sources stand in the ledger as it says now. One that left the configuration is
    kept as a registered source: documents are never dropped because a line of a file is missing."""
    rows = _configured(config)
    names = {row.name for row in rows}
    others = [row for row in ledger.sources.all() if row.name not in names and row.origin == "registered"]
    for row in rows:
        path = row.settings.get("path")
        if row.kind == FILES and isinstance(path, str) and (same := registered(others, path)) is not None:
            raise ConfigError(
                [f"source {row.name!r}: its folder is the source {same.name!r} already; name it so, or remove that"],
                where=str(config.file),
            )
        ledger.sources.put(row.name, row.kind, row.settings, row.origin)
    for row in ledger.sources.all():
        if row.origin == "configured" and row.name not in names:
            ledger.sources.put(row.name, row.kind, row.settings, "registered")
            _log.warning("source_left_configuration", source=row.name, remedy=f"ingestor source remove {row.name}")


def _await_room(context: Context) -> bool:
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


# -- who holds the state folder -------------------------------------------------------------------------


@contextmanager
def _served(context: Context, service: Service, operations: Operations, *, as_service: bool) -> Iterator[None]:
    from ingestor.web.server import serve

    server = serve(operations, context.state.socket_path, ready=lambda: service.ready, service=as_service)
    try:
        yield
    finally:
        server.stop()


def _own_lock(context: Context) -> StateLock:
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
