"""Puts the program together: the one module that knows every concrete part. No logic of its own.

The command line stands on three functions: ``open_operations`` (the writer's work, here or by way of the
process that holds the state folder), ``read_only``, and ``run_service``.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from connectors import registry
from connectors.base import Source
from ingestor import log
from ingestor.errors import ConfigError, LedgerError
from ingestor.holding import await_room, health_port, http_port, own_lock, served
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.space import NoSpace
from ingestor.wiring_config import configured, cutter_of, reread, wanted

if TYPE_CHECKING:
    from connectors.examining import Finding
    from ingestor import wire, wire_service
    from ingestor.config import Config
    from ingestor.context import Context
    from ingestor.index.generations import GenerationManager
    from ingestor.service.core import Service
    from ingestor.service.notify import Notifier
    from ingestor.service.pump import Pump
    from ingestor.service.reading import LedgerReading
    from ingestor.web.api import Operations

_ANSWER_S = 5.0
_CACHE = "cache"

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
                ending.enter_context(served(context, service, operations, as_service=False))

            operations = ServiceOperations(service, before_long=serve)
            yield operations
            operations.await_idle()  # somebody else's work by way of our socket


def running_service(context: Context) -> Operations:
    """The operations of a service, which must run. Raises ``UserError``."""
    from ingestor.web.client import service_at

    return service_at(context.state)


def run_service(context: Context) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code. SIGHUP reads the configuration again, or ends a service whose
    terminal was closed."""
    from ingestor.service import spans
    from ingestor.service.notify import Notifier

    faulthandler.enable()  # systemd ends a frozen service by SIGABRT: then the log says where its threads were
    reload, notifier, end_traces = threading.Event(), Notifier(), spans.begin()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: context.stop.set())
    signal.signal(signal.SIGHUP, lambda *_: (context.stop if sys.stderr.isatty() else reload).set())
    try:
        with own_lock(context):
            _upgrade(context)
            if await_room(context):
                _serve_until_stopped(context, reload, notifier)
    finally:
        end_traces()
    _log.info("service_stopped")
    return 0


def _serve_until_stopped(context: Context, reload: threading.Event, notifier: Notifier) -> None:
    with _opened(context) as service:
        from ingestor.service.health import Keeper
        from ingestor.service.metrics import Metrics
        from ingestor.service.operations import ServiceOperations
        from ingestor.tokens import Tokens
        from ingestor.web.api import Api

        operations, keeper = ServiceOperations(service, reread=lambda: reread(context)), Keeper(service, notifier)
        metrics = Metrics(service, keeper.health).render
        api = Api(
            reads=read_only(context),
            tokens=Tokens(context.state.root),
            under_way=operations.under_way,
            hook=service.hooks.call,
        )
        with (
            served(context, service, operations, as_service=True, health=keeper.health, metrics=metrics, api=api),
            health_port(context, keeper.health, metrics),
            http_port(context, operations, api),
        ):
            service.watch()
            notifier.ready()
            _log.info("service_ready", pid=os.getpid(), sources=len(service.ledger.sources.all()))
            while not context.stop.wait(1.0):  # in slices, so that a signal is handled at once
                keeper.look()
                if reload.is_set():
                    reload.clear()
                    threading.Thread(target=_reload, args=(operations,), name="reload", daemon=True).start()
            notifier.stopping()
            _log.info("service_stopping")
            operations.await_idle(_ANSWER_S)  # those who wait for an answer are told "suspended"


def _reload(operations: Operations) -> None:
    """For a signal: nobody waits for the answer, and the log has it."""
    from ingestor import wire_service

    try:
        operations.reload(wire_service.ReloadRequest())
    except ConfigError:
        pass  # told by who refused it
    except Exception:
        _log.error("operation_crashed", operation="reload", exc_info=True)


def loops_still_run() -> bool:
    """Whether a loop was still inside the model or the index when its service closed. Python's own end would
    unwind it in the middle of native code, which aborts the process: it has to be left at once instead."""
    return bool(_restless)


def restore(context: Context, archive: Path, progress: Callable[[wire.Progress], None]) -> wire_service.RestoreReply:
    """Fill the state folder, which must hold no ledger, from a backup; the service must not run."""
    from ingestor.index.place import new_location
    from ingestor.service.restore import restore as fill

    settings = context.config.index
    with own_lock(context):
        return fill(context.state.root, archive, progress, location=new_location(settings.url, settings.collection))


def read_only(context: Context) -> LedgerReading:
    """Status, runs, sources and why; needs neither lock nor service."""
    from ingestor.service.caches import Caches
    from ingestor.service.reading import LedgerReading

    holder, caches = context.state.holder(), Caches(context.state.root / _CACHE)
    return LedgerReading(
        state_dir=context.state.root,
        holder=f"running, process {holder.pid}" if holder is not None else "",
        configured=lambda: configured(context.config),
        make_source=lambda row: _make_source(row, caches.of(row.name)),
        item_at=lambda row, where: registry.item_at(row.kind, row.settings, where),
    )


def examine_source(context: Context, name: str) -> Iterator[Finding]:
    """The connection check of one source. Raises ``UnknownId``."""
    from ingestor.service.caches import Caches
    from ingestor.service.examining import told

    row = read_only(context).source(name)
    with TemporaryDirectory(prefix="ingestor-doctor-") as scratch:
        # What the service fetches into must not be fetched into by two.
        running = context.state.holder() is not None
        cache = Path(scratch) / "cache" if running else Caches(context.state.root / _CACHE).of(name)
        found = registry.examine(row.kind, row.name, row.settings, cache)
        yield from told(found, row.settings, seconds=context.config.parsing.timeout_s, scratch=Path(scratch))


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
    from ingestor.embedding.embedder import SentenceEmbedder
    from ingestor.embedding.reranker import CrossEncoderReranker
    from ingestor.index.generations import GenerationManager
    from ingestor.parsing.limits import Limits
    from ingestor.parsing.ocr import ocr_settings
    from ingestor.parsing.pool import ParserPool
    from ingestor.search.scoring import Fusion, Ranking
    from ingestor.search.searcher import Searcher
    from ingestor.service.answers import AnswerLog
    from ingestor.service.caches import Caches
    from ingestor.service.core import Parts, Service
    from ingestor.service.languages import CorpusLanguages
    from ingestor.service.lens import Lenses
    from ingestor.service.life import Life
    from ingestor.service.meter import Meter
    from ingestor.service.models import DEFAULT_KEEP_S, ModelRegistry
    from ingestor.service.pump import Pump
    from ingestor.service.switching import Judge

    config = context.config
    _upgrade(context)
    ledger = Ledger(
        context.state.root,
        retention_s=config.retention.days * 86_400.0,
        answers_s=config.answers.days * 86_400.0,
    )
    try:
        _ensure_sound(ledger)
        _register_configured(ledger, config)
        embedder = SentenceEmbedder(config.embedding.model, whole=config.embedding.vectors == "whole")
        with suppress(NoSpace):  # noted at the next start that has room
            if ledger.models.configure(embedder.model, config.embedding.model, keep_s=DEFAULT_KEEP_S):
                _log.info("model_switch_begun", model=config.embedding.model, vectors=config.embedding.vectors)
    except BaseException:
        ledger.close()
        raise
    ledger.queries.languages = CorpusLanguages(ledger.search.sample)
    models = ModelRegistry(ledger, embedder, lambda name, whole: SentenceEmbedder(name, whole=whole))
    life, meter = Life(), Meter()
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
        life=life,
        meter=meter,
    )
    make, caches = _make_source, Caches(context.state.root / _CACHE)
    usual = cutter_of(config.chunking)
    cutters = {source.name: cutter_of(config.chunking_of(source)) for source in config.sources}
    lenses = Lenses(index, models, context.stop)
    searcher = Searcher(
        ledger=ledger.search,
        lens=lenses.present,
        unit_texts=ledger.index.unit_texts,
        ranking=Ranking(
            fusion=Fusion(config.search.fusion),
            keyword_weight=config.search.keyword_weight,
            unit_weight=config.search.unit_weight,
            rerank_top=config.search.rerank_top,
        ),
        reranker=CrossEncoderReranker(Path(config.search.rerank_model)) if config.search.rerank_model else None,
    )
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
            cutter=lambda source: cutters.get(source, usual),
            pump=pump,
            index=index,
            models=models,
            searcher=searcher,
            answers=AnswerLog(ledger.answers.record, keeps=config.answers.keep, questions=config.answers.questions),
            make_source=lambda row: make(row, caches.of(row.name)),
            caches=caches,
            wanted=wanted(config),
            life=life,
            meter=meter,
            stop=context.stop,
        )
    )


def _upgrade(context: Context) -> None:
    from ingestor.service.upgrading import upgrade

    upgrade(context.state.root, backup=context.config.maintenance.backup_before_upgrade)


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


def _make_source(row: SourceRow, cache: Path) -> Source:
    try:
        return registry.make(row.kind, row.name, row.settings, cache)
    except ValueError as error:
        raise ConfigError([str(error)], where=f"of the source {row.name!r}") from error


def _register_configured(ledger: Ledger, config: Config) -> None:
    """The configuration's sources stand in the ledger as it says now."""
    from ingestor.service.configured import compare, record

    record(ledger, compare(ledger.sources.all(), wanted(config)))
