"""What monitoring sees of a real service: right figures, source names and nothing else of theirs, at little cost."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingestor.errors import LedgerError
from ingestor.service.health import health
from ingestor.service.metrics import Metrics
from ingestor.web.server import serve_health
from tests.support.served import Served

Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "payroll-of-the-board.md").write_text("# Salaries\n\nThe zebra earns most. So it was said.\n")
    made = Served(tmp_path / "state")
    made.add(tmp_path / "docs", "handbook")
    yield made
    made.close()


def read(text: str) -> Page:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(seen: Page, name: str, **labels: str) -> float:
    return seen[f"ingestor_{name}", frozenset(labels.items())]


def test_a_run_an_edit_and_a_failure_are_counted(service: Served, tmp_path: Path) -> None:
    """Documents, chunks, units, runs, quarantine by reason, and the lag of the edit up to each milestone, in order; no
    name, path or text of a document. The ledger has what it took, for the account of the month."""
    metrics = Metrics(service.service, lambda: health(service.service))
    service.sync("handbook")
    first = service.ledger.usage.months()[0].spent
    assert (first.documents, first.embedded) == (1, service.embedder.embedded)
    assert first.cpu_s > 0
    (tmp_path / "docs" / "payroll-of-the-board.md").write_text("# Salaries\n\nThe okapi earns most. So it was said.\n")
    (tmp_path / "docs" / "broken-payroll.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    service.sync("handbook")

    text = metrics.render().decode()
    for name in ("payroll", "broken", "board", "Salaries", "zebra", str(tmp_path)):
        assert name not in text
    seen = read(text)
    assert value(seen, "documents", source="handbook") == value(seen, "chunks", source="handbook") == 1
    assert value(seen, "quarantined_documents", source="handbook", reason="corrupt") == 1
    assert value(seen, "runs_total", source="handbook", trigger="sync", outcome="ok") == 1
    assert value(seen, "runs_total", source="handbook", trigger="sync", outcome="partial") == 1
    assert value(seen, "changed_documents_total", source="handbook", change="added") == 1
    assert value(seen, "changed_documents_total", source="handbook", change="failed") == 1
    assert value(seen, "units_total", source="handbook", how="embedded") == service.embedder.embedded
    assert value(seen, "units_total", source="handbook", how="reused") == 1  # the sentence that stayed
    assert value(seen, "pending_rows", source="handbook", stage="embed") == 0
    assert value(seen, "source_state", source="handbook", state="idle") == 1
    assert value(seen, "source_state", source="handbook", state="failed") == 0
    assert value(seen, "index_state", state="ready") == 1
    assert value(seen, "live") == 1
    for stage in ("read", "parse", "index"):
        assert value(seen, "cpu_seconds_total", source="handbook", stage=stage) > 0
    milestones = ("seen", "committed", "embedded", "searchable")
    waited = [value(seen, "lag_seconds_sum", source="handbook", until=until) for until in milestones]
    assert waited == sorted(waited)
    assert {value(seen, "lag_seconds_count", source="handbook", until=until) for until in milestones} == {1}

    (tmp_path / "docs" / "payroll-of-the-board.md").unlink()
    service.sync("handbook")
    service.sync("handbook")
    (month,) = service.ledger.usage.months()
    assert (month.source, month.month) == ("handbook", time.strftime("%Y-%m", time.gmtime()))
    assert (month.spent.documents, month.spent.embedded) == (3, service.embedder.embedded)
    assert month.spent.cpu_s > first.cpu_s


def test_while_the_ledger_fails_the_page_and_the_account_wait_for_it(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the page is told just then; a run whose cost cannot be noted ends well, and it is noted later, once."""

    def fails(*_: object) -> None:
        raise LedgerError("The ledger is damaged.")

    with monkeypatch.context() as patch:
        patch.setattr(service.ledger.usage, "add", fails)
        patch.setattr(service.ledger.measures, "sources", fails)
        patch.setattr(type(service.ledger), "damage", LedgerError("The ledger is damaged."))
        service.sync("handbook")
        seen = read(Metrics(service.service, lambda: health(service.service)).render().decode())
        assert value(seen, "live") == 0
        assert value(seen, "runs_total", source="handbook", trigger="sync", outcome="ok") == 1
        assert not any(name == "ingestor_documents" for name, _ in seen)
        assert service.ledger.usage.months() == []
    service.sync("handbook")
    service.sync("handbook")
    assert service.ledger.usage.months()[0].spent.documents == 1


def test_what_took_long_to_count_is_shown_for_longer(service: Served) -> None:
    """However often it is asked for, counting takes a fiftieth of the time at most."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.1  # from one look at the clock to the next: counting seems to take 0.1 s
        return now

    metrics, state = Metrics(service.service, lambda: health(service.service), clock=clock), "paused"
    assert value(read(metrics.render().decode()), "source_state", source="handbook", state=state) == 0
    service.ledger.sources.set_paused("handbook", True)
    assert value(read(metrics.render().decode()), "source_state", source="handbook", state=state) == 0
    now += 5.0
    assert value(read(metrics.render().decode()), "source_state", source="handbook", state=state) == 1


def test_the_page_is_served_beside_those_of_health(service: Served) -> None:
    """With the memory and the descriptors of the process."""
    metrics = Metrics(service.service, lambda: health(service.service))
    server = serve_health(lambda: health(service.service), 0, metrics.render)
    port = server._listener.getsockname()[1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    finally:
        server.stop()
    assert {"ingestor_info", "ingestor_source_state", "process_open_fds"} <= names
