"""Alerts and the dashboard go by what the service tells: promtool reads them, and each alert fires for its reason alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ingestor.service.health import health
from ingestor.service.metrics import Metrics
from tests.support.served import Served

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "ingestor.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "ingestor.json"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
GROUPING = re.compile(r"\b(?:by|on|without|ignoring) \([^)]*\)")
AT_REST = {  # a sample every five minutes, for thirty hours
    'up{job="ingestor"}': "1x360",
    "ingestor_live{}": "1x360",
    "ingestor_ready{}": "1x360",
    'ingestor_source_state{source="docs", state="offline"}': "0x360",
    'ingestor_source_state{source="docs", state="paused"}': "0x360",
    'ingestor_held_deletions{source="docs"}': "0x360",
    'ingestor_last_good_run_timestamp_seconds{source="docs"}': "0+300x360",
    'ingestor_lag_seconds_bucket{source="docs", until="searchable", le="1.0"}': "0+5x360",
    'ingestor_lag_seconds_bucket{source="docs", until="searchable", le="3600.0"}': "0+5x360",
    'ingestor_lag_seconds_bucket{source="docs", until="searchable", le="+Inf"}': "0+5x360",
    'ingestor_pending_rows{source="docs", stage="embed"}': "500x360",
    'ingestor_units_total{source="docs", how="embedded"}': "0+100x360",
    'ingestor_index_writes_total{source="docs"}': "0+10x360",
    'ingestor_stage_waits{stage="embed"}': "0x360",
    'ingestor_index_state{state="ready"}': "1x360",
    'ingestor_probe_findings{damage="lost"}': "0x360",
    'ingestor_quarantined_documents{source="docs", reason="corrupt"}': "100x360",
    'ingestor_log_events_total{event="stage_crashed", level="error"}': "3x360",
    'ingestor_log_events_total{event="stage_waits", level="warning"}': "0+1x360",
    "ingestor_state_free_bytes{}": "50000000000x360",
    'ingestor_maintenance_failed{task="backup"}': "0x360",
}
NOT_SEEN = {'ingestor_last_good_run_timestamp_seconds{source="docs"}': "300x360"}
BREAKS = {  # what is otherwise where exactly this alert fires
    "IngestorDown": {'up{job="ingestor"}': "0x360"},
    "IngestorNotLive": {"ingestor_live{}": "0x360"},
    "IngestorNotReady": {"ingestor_ready{}": "0x360"},
    "IngestorSourceUnavailable": {'ingestor_source_state{source="docs", state="offline"}': "1x360"},
    "IngestorDeletionsHeld": {'ingestor_held_deletions{source="docs"}': "412x360"},
    "IngestorSourceNotSeen": NOT_SEEN,
    "IngestorLag": {'ingestor_lag_seconds_bucket{source="docs", until="searchable", le="1.0"}': "0x360"},
    "IngestorWorkStuck": {
        'ingestor_units_total{source="docs", how="embedded"}': "100x360",
        'ingestor_index_writes_total{source="docs"}': "100x360",
    },
    "IngestorStageWaits": {'ingestor_stage_waits{stage="embed"}': "1x360"},
    "IngestorIndexNotServing": {'ingestor_index_state{state="ready"}': "0x360"},
    "IngestorIndexDamaged": {'ingestor_probe_findings{damage="lost"}': "7x360"},
    "IngestorQuarantineGrows": {'ingestor_quarantined_documents{source="docs", reason="timeout"}': "_x300 30x60"},
    "IngestorErrors": {'ingestor_log_events_total{event="run_crashed", level="error"}': "_x334 1x2"},
    "IngestorDiskFillsUp": {"ingestor_state_free_bytes{}": "50000000000-100000000x360"},
    "IngestorMaintenanceFailed": {'ingestor_maintenance_failed{task="backup"}': "1x360"},
}
# No alert: a service at rest, and a source that is paused on purpose.
QUIET = {"at rest": {}, "paused": {**NOT_SEEN, 'ingestor_source_state{source="docs", state="paused"}': "1x360"}}


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page of a real service has: names by type. The index was probed, which brings the last of them."""
    served = Served(tmp_path_factory.mktemp("monitoring") / "state")
    try:
        served.verify()
        text = Metrics(served.service, lambda: health(served.service)).render().decode()
    finally:
        served.close()
    return {f.name: f.type for f in text_string_to_metric_families(text) if f.name.startswith("ingestor_")}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def expressions() -> list[str]:
    found = [rule["expr"] for rule in rules()]
    found += [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return found + [one["query"]["query"] for one in dashboard()["templating"]["list"] if one["type"] == "query"]


def series(families: dict[str, str]) -> set[str]:
    return {name + suffix for name, kind in families.items() for suffix in SUFFIXES[kind]}


def test_alerts_and_dashboard_name_only_what_is_told(families: dict[str, str]) -> None:
    """A metric that was renamed would make an alert silent for ever."""
    known = series(families) | {"ingestor"}  # the job
    named = {name for expr in expressions() for name in re.findall(r"\bingestor(?:_\w+)?\b", GROUPING.sub("", expr))}
    assert len(named) > 20
    assert named <= known


def test_the_table_of_metrics_is_that_of_the_service(families: dict[str, str]) -> None:
    """As they are written in queries."""
    text = (DEPLOY / "README.md").read_text()
    rows = re.findall(r"^\| (`ingestor_[^|]*) \|", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == {name + ("_total" if kind == "counter" else "") for name, kind in families.items()}


def test_the_dashboard_is_whole() -> None:
    """Panels have ids, places that do not overlap, and only variables that there are."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    variables = {one["name"] for one in dashboard()["templating"]["list"]} | {"__rate_interval"}
    for expr in expressions():
        assert set(re.findall(r"\$\{?(\w+)", expr)) <= variables


@needs_promtool
def test_promtool_takes_the_rules_and_the_page(tmp_path: Path) -> None:
    """Its own words for a rule that is no expression, and for a page against the conventions."""
    checked = subprocess.run(["promtool", "check", "rules", RULES], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    served = Served(tmp_path / "state")
    try:
        page = Metrics(served.service, lambda: health(served.service)).render()
    finally:
        served.close()
    checked = subprocess.run(["promtool", "check", "metrics"], check=False, input=page, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@needs_promtool
def test_each_alert_fires_for_its_reason_alone(tmp_path: Path) -> None:
    """One service for each reason and two without any, side by side for 28 hours."""
    assert set(BREAKS) == {rule["alert"] for rule in rules()}
    given = [
        {"series": name.replace("{", f'{{instance="{instance}", ').replace(", }", "}"), "values": values}
        for instance, changed in {**BREAKS, **QUIET}.items()
        for name, values in (AT_REST | changed).items()
    ]
    firing = {
        "expr": 'count by (alertname, instance) (ALERTS{alertstate="firing"})',
        "eval_time": "28h",
        "exp_samples": [{"labels": f'{{alertname="{name}", instance="{name}"}}', "value": 1} for name in BREAKS],
    }
    test = {"interval": "5m", "input_series": given, "promql_expr_test": [firing]}
    file = tmp_path / "alerts.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
