"""Traces for OpenTelemetry: a span for each run, and below it list, fetch, parse and commit; embed and write of the
loops that all sources share; search. Off unless the standard variables (``OTEL_*``) name where they go.

Sources, numbers and outcomes stand in them; names of items, questions and texts do not. The packages are an extra,
imported when traces are on and here alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from connectors.base import Change, Checkpoint, Fetched, ItemRef, Scope, Source
from ingestor import __version__, log
from ingestor.errors import ParseFailure
from ingestor.model import Applied, Document, Op, ParseRequest, RunId, RunReport, Trigger
from ingestor.ports import Parser, RunLedger, SyncLedger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer

_END_S = 3.0  # of the grace, for what is not sent yet

_tracer: Tracer | None = None

_log = log.get()


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the variables name a place that traces go to."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if exporter := environ.get("OTEL_TRACES_EXPORTER", ""):
        return exporter != "none"
    return any(environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_"))


def begin(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Trace from now on, if that is wanted; what is returned ends it and sends what is left."""
    if not is_wanted(environ):
        return _nothing
    try:
        provider = start(_processor(environ))
    except ImportError as error:
        _log.warning("traces_unavailable", error=str(error), remedy="pip install 'ingestor[otel]'")
        return _nothing
    except ValueError as error:
        _log.warning("traces_unavailable", error=str(error), remedy="see OTEL_TRACES_EXPORTER in README.md")
        return _nothing

    def end() -> None:
        # A collector that is away must not hold up the stop.
        ending = threading.Thread(target=stop, args=(provider,), name="traces-end", daemon=True)
        ending.start()
        ending.join(_END_S)

    return end


def start(processor: SpanProcessor) -> TracerProvider:
    """Trace to ``processor``. Name and attributes of the service, sampling and limits are as the variables say."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    global _tracer
    told = {"service.name": "ingestor", "service.version": __version__}
    provider = TracerProvider(resource=Resource(told).merge(_said_resource()), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("ingestor", __version__)
    return provider


def stop(provider: TracerProvider) -> None:
    global _tracer
    _tracer = None
    provider.shutdown()


def now() -> int:
    return time.time_ns()


def record(name: str, began: int, under: Span | None = None, error: str = "", **attributes: str | float) -> None:
    """A span from ``began`` until now."""
    if _tracer is None:
        return
    from opentelemetry.trace import StatusCode

    span = _tracer.start_span(name, context=_context(under), start_time=began, attributes=attributes)
    if error:
        span.set_status(StatusCode.ERROR, error)
    span.end()


# -- a source ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Seams:
    """What the loop of a source works with."""

    source: Source
    ledger: SyncLedger
    parser: Parser
    runs: RunLedger
    discard: Callable[[RunId], None]


def around(seams: Seams) -> Seams:
    """With spans where traces are on, else as they are."""
    if _tracer is None:
        return seams
    open_runs = _OpenRuns(seams.source.name, _tracer)

    def discard(run: RunId) -> None:
        open_runs.end(run, "silent", {})
        seams.discard(run)

    return replace(
        seams,
        source=cast("Source", _TracedSource(seams.source, open_runs)),
        ledger=cast("SyncLedger", _TracedLedger(seams.ledger, open_runs)),
        parser=cast("Parser", _TracedParser(seams.parser, open_runs)),
        runs=cast("RunLedger", _TracedRuns(seams.runs, open_runs)),
        discard=discard,
    )


class _OpenRuns:
    """Of one source, in its thread. A scan that gives way to a hint has the hint's run inside its own."""

    def __init__(self, source: str, tracer: Tracer) -> None:
        self.source = source
        self._tracer = tracer
        self._spans: dict[RunId, Span] = {}

    @property
    def present(self) -> Span | None:
        return next(reversed(self._spans.values()), None)

    def begin(self, run: RunId, trigger: Trigger) -> None:
        told = {"source": self.source, "run_id": run, "trigger": trigger.value}
        self._spans[run] = self._tracer.start_span("run", context=_context(self.present), attributes=told)

    def end(self, run: RunId, outcome: str, counts: Mapping[str, int]) -> None:
        if (span := self._spans.pop(run, None)) is not None:
            span.set_attributes({"outcome": outcome, **counts})
            span.end()


class _Around:
    """Everything as of the one that it is put around, but for what is traced."""

    def __init__(self, inner: object, runs: _OpenRuns) -> None:
        self._inner: Any = inner
        self._runs = runs

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def _record(self, name: str, began: int, error: str = "", **attributes: str | float) -> None:
        record(name, began, self._runs.present, error, source=self._runs.source, **attributes)


class _TracedRuns(_Around):
    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId:
        run: RunId = self._inner.start_run(source, trigger, scope)
        self._runs.begin(run, trigger)
        return run

    def finish_run(self, report: RunReport) -> None:
        counts = {name: getattr(report.counts, name) for name in ("added", "updated", "moved", "deleted", "failed")}
        self._runs.end(report.run_id, report.outcome.value, counts)
        self._inner.finish_run(report)


class _TracedSource(_Around):
    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        began, changes, error = now(), 0, ""
        try:
            for change in self._inner.list(scope, cursor):
                changes += 1
                yield change
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            self._record("list", began, error, changes=changes)

    def fetch(self, ref: ItemRef) -> Fetched:
        began = now()
        try:
            fetched: Fetched = self._inner.fetch(ref)
        except Exception as failure:
            self._record("fetch", began, type(failure).__name__)
            raise
        self._record("fetch", began, bytes=len(fetched.content))
        return fetched


class _TracedParser(_Around):
    """From handing over to the result, what was waited for a worker included."""

    def submit(self, request: ParseRequest) -> Future[Document]:
        began, under, source = now(), self._runs.present, self._runs.source
        future: Future[Document] = self._inner.submit(request)

        def ended(done: Future[Document]) -> None:
            try:
                kind, error = done.result().kind, ""
            except ParseFailure as failure:
                kind, error = "", failure.reason.value
            except (Exception, CancelledError) as failure:
                kind, error = "", type(failure).__name__
            record("parse", began, under, error, source=source, kind=kind)

        future.add_done_callback(ended)
        return future


class _TracedLedger(_Around):
    def apply(self, source: str, run: RunId, ops: Sequence[Op]) -> Applied:
        began = now()
        try:
            applied: Applied = self._inner.apply(source, run, ops)
        except Exception as failure:
            self._record("commit", began, type(failure).__name__)
            raise
        if ops:
            self._record("commit", began, operations=len(ops), chunks=applied.chunks_added)
        return applied


# -- helpers -----------------------------------------------------------------------------------------------


def _context(under: Span | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    return Context() if under is None else set_span_in_context(under, Context())


def _said_resource() -> Any:
    """What ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say."""
    from opentelemetry.sdk.resources import OTELResourceDetector

    return OTELResourceDetector().detect()


def _processor(environ: Mapping[str, str]) -> SpanProcessor:
    """Raises ``ImportError`` where a package is missing, ``ValueError`` for what is not known."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    match exporter, protocol or "http/protobuf":
        case "console", _:
            import sys

            return SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr))
        case "otlp", "http/protobuf":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            return BatchSpanProcessor(OTLPSpanExporter())
        case "otlp", "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

            return BatchSpanProcessor(OverGrpc())
        case _:
            raise ValueError(f"traces go to otlp (http/protobuf or grpc) or console, not to {exporter} ({protocol})")


def _nothing() -> None:
    """Traces are off."""
