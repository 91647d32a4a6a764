"""Traces: what a run, the loops and a search leave behind where they are wanted, and that nothing is loaded where not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connectors.files.signature import LOCAL_GRAIN_S
from ingestor.service import spans
from tests.support.served import Served, served

SECRET = "canary5c1d"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    exporter = InMemorySpanExporter()
    provider = spans.start(SimpleSpanProcessor(exporter))
    yield exporter
    spans.stop(provider)


def named(exporter: InMemorySpanExporter, name: str) -> Sequence[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def taken_in(service: Served, folder: Path) -> None:
    folder.mkdir()
    (folder / f"{SECRET}.md").write_text(f"# Harbour\n\nThe pump {SECRET} leaks.\n")
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4 broken")
    time.sleep(2 * LOCAL_GRAIN_S)  # else a quick service reads what is that young once more (R9): a fetch more
    service.add(folder, "docs")
    service.sync("docs")


def test_a_run_is_a_span_with_its_stages_below(tmp_path: Path, told: InMemorySpanExporter) -> None:
    """The loops that sources share, and searches, are spans of their own; no name, question or text is told."""
    with served(tmp_path / "state") as service:
        taken_in(service, tmp_path / "docs")
        service.search(SECRET, "hybrid")
    (run,) = named(told, "run")
    assert run.attributes is not None
    assert {key: run.attributes[key] for key in ("source", "trigger", "outcome", "added", "failed")} == {
        "source": "docs",
        "trigger": "sync",
        "outcome": "partial",
        "added": 1,
        "failed": 1,
    }
    for name, count in (("list", 1), ("fetch", 2), ("parse", 2), ("commit", None)):
        below = named(told, name)
        assert len(below) == count or (count is None and below), name
        for span in below:
            assert span.parent is not None
            assert span.parent.span_id == run.context.span_id
            assert run.start_time <= span.start_time <= span.end_time <= run.end_time
    assert sorted(span.status.description or "" for span in named(told, "parse")) == ["", "corrupt"]
    (embed,), (search,) = named(told, "embed"), named(told, "search")
    assert (embed.parent, embed.attributes["units"]) == (None, 2)
    assert sum(span.attributes["rows"] for span in named(told, "write")) == 1
    assert (search.attributes["mode"], search.attributes["hits"]) == ("hybrid", 1)
    resource = run.resource.attributes
    assert (resource["service.name"], resource["deployment.environment"]) == ("ingestor", "test")
    assert SECRET not in "".join(span.to_json() for span in told.get_finished_spans())


def test_a_run_that_fails_is_told(tmp_path: Path, told: InMemorySpanExporter) -> None:
    """By its outcome; nothing was fetched then."""
    with served(tmp_path / "state") as service:
        taken_in(service, tmp_path / "docs")
        told.clear()
        (tmp_path / "docs").rename(tmp_path / "away")
        service.sync("docs")
    (run,) = named(told, "run")
    assert run.attributes is not None
    assert run.attributes["outcome"] == "unavailable"
    assert not named(told, "fetch")


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_the_standard_variables_decide(environ: dict[str, str], wanted: bool) -> None:
    """And nothing else does."""
    assert spans.is_wanted(environ) == wanted


def test_off_nothing_is_loaded_and_on_they_go_where_the_variables_say(tmp_path: Path) -> None:
    """In processes of their own: one without a variable, one that prints, one whose exporter nobody knows."""
    code = (
        "import sys; from ingestor.service import spans; end = spans.begin(); spans.record('x', spans.now(), a=1); end();"
        " print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    def run(**environ: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "/usr/bin", **environ},
        )
        return done.stdout.strip(), done.stderr

    assert run() == ("False", "")
    loaded, printed = run(OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="corpus")
    assert loaded == "True"
    assert '"service.name": "corpus"' in printed
    assert "traces_unavailable" in "".join(run(OTEL_TRACES_EXPORTER="zipkin"))
    with collector() as (at, posted):
        assert run(OTEL_EXPORTER_OTLP_ENDPOINT=at) == ("True", "")
    ((path, body),) = posted
    assert (path, b"service.version" in body) == ("/v1/traces", True)
    run(OTEL_EXPORTER_OTLP_ENDPOINT=at)  # away now: the end comes nevertheless


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Takes what is sent to it over OTLP."""
    posted: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join()
