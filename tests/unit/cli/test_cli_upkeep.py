"""``cost``, and what ``status`` says of maintenance."""

from __future__ import annotations

import json
import time
from pathlib import Path

from scripted_backend import Invoke, Scripted

from ingestor import wire, wire_models, wire_reading
from ingestor.errors import UnknownId

MONTHS = (
    wire_reading.CostMonth(month="2026-11", source="docs", documents=1234, embedded=56789, reused=12, cpu_s=7530.4),
    wire_reading.CostMonth(month="2026-10", source="wiki", documents=1, embedded=0, reused=0, cpu_s=61.0),
)


def test_cost_is_a_line_for_each_month_and_source(invoke: Invoke, backend: Scripted) -> None:
    """Counts and processor time; as JSON the same numbers."""
    assert invoke("cost").out == "Nothing was spent yet.\n"
    backend.answers["cost"] = wire_reading.CostReply(months=MONTHS)
    lines = [line.split() for line in invoke("cost").out.splitlines()]
    assert lines[1:] == [
        ["2026-11", "docs", "1,234", "56,789", "12", "2", "h", "05", "min"],
        ["2026-10", "wiki", "1", "0", "0", "1", "min", "01", "s"],
    ]
    reply = json.loads(invoke("cost", "--json", "--source", "docs").out)
    assert backend.asked[-1] == ("cost", "docs")
    assert reply["months"][0] == {
        "month": "2026-11",
        "source": "docs",
        "documents": 1234,
        "embedded": 56789,
        "reused": 12,
        "cpu_s": 7530.4,
    }


def test_a_source_without_any_cost_ends_with_2(invoke: Invoke, backend: Scripted) -> None:
    """As any name that nobody knows."""
    backend.answers["cost"] = UnknownId("Nothing was spent for a source named 'x'.")
    result = invoke("cost", "--source", "x")
    assert (result.code, result.out) == (2, "")


def test_status_shows_the_next_turns_of_maintenance_and_what_failed(invoke: Invoke, backend: Scripted) -> None:
    """The soonest first; a failure goes to stderr with its sentence."""
    now = time.time()
    jobs = (
        wire.JobStatus(job="probe", outcome="ok", done_at=now - 60, next_run=now + 7200 + 1),
        wire.JobStatus(job="backup", outcome="failed", message="No room.", done_at=now - 7200, next_run=now + 300 + 1),
        wire.JobStatus(job="quarantine_retry"),
    )
    backend.answers["status"] = wire.StatusReply(sources=(), maintenance=jobs)
    result = invoke("status")
    assert "Maintenance: backup in 5 min, probe in 2 h\n" in result.out
    assert "backup failed 2 h ago: No room.\n" in result.err


def test_a_switch_says_what_vectors_are_made_of(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """As the option says, else as configured; told where it is not the usual."""
    reply = wire_models.ModelReply(outcome="done", name="m", model="m-1-whole", vectors="whole", previous="m")
    backend.answers["model_switch"] = reply
    result = invoke("model", "switch", "m", "--vectors", "whole")
    assert backend.asked[-1][1].vectors == "whole"
    assert result.out.startswith("m (whole) serves now, instead of m;")
    config = tmp_path / "whole.toml"
    config.write_text('[embedding]\nvectors = "whole"\n')
    for command, wanted in ((("--config", str(config)), "whole"), ((), "pooled")):
        invoke(*command, "model", "switch", "m")
        assert backend.asked[-1][1].vectors == wanted
