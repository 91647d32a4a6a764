"""``pause``, ``resume`` and ``reload``: what they ask for, what they print, how they end."""

from __future__ import annotations

import json

import pytest
from scripted_backend import Invoke, Scripted

from ingestor import wire_service
from ingestor.errors import UnknownId, UserError
from ingestor.web import client


def test_pause_and_resume_name_every_source(invoke: Invoke, backend: Scripted) -> None:
    """Both take several names and say a line for each; a resumed one has its next turn."""
    assert invoke("pause", "docs", "wiki").out == "docs is paused\nwiki is paused\n"
    assert backend.asked == [("pause", wire_service.PauseRequest(sources=("docs", "wiki")))]
    assert invoke("resume", "docs").out == "docs is looked at again; next by schedule in 5 min\n"
    assert json.loads(invoke("pause", "docs", "--json").out) == {
        "sources": [{"name": "docs", "paused": True, "changed": True, "next_run": None}]
    }


def test_what_was_so_already_is_said(invoke: Invoke, backend: Scripted) -> None:
    """Asking twice is no error, and not told as if something had happened."""
    for name, paused, said in (("pause", True, "was paused already"), ("resume", False, "was not paused")):
        same = wire_service.PausedSource(name="docs", paused=paused, changed=False)
        backend.answers[name] = wire_service.PausedReply(sources=(same,))
        assert invoke(name, "docs").out == f"docs {said}\n"


def test_a_source_that_is_not_there_ends_with_2(invoke: Invoke, backend: Scripted) -> None:
    """The sentence of the refusal goes to stderr."""
    backend.answers["pause"] = UnknownId("There is no source named 'x'.", hint="See source list.")
    result = invoke("pause", "x")
    assert (result.code, result.out) == (2, "")
    assert "no source named 'x'" in result.err


def test_reload_says_what_changed_and_what_did_not(invoke: Invoke, backend: Scripted) -> None:
    """Added, changed, kept, and the keys that wait for a restart; else a sentence."""
    assert invoke("reload").out.splitlines() == [
        "added: wiki",
        "changed: docs",
        "no longer in the file, and kept: old (ingestor source remove old)",
        "only after a restart: index.url",
    ]
    backend.answers["reload"] = wire_service.ReloadReply()
    assert invoke("reload").out == "Nothing has changed.\n"
    assert json.loads(invoke("reload", "--json").out) == {"added": [], "changed": [], "left": [], "restart": []}


def test_a_refused_configuration_and_no_service_end_with_2(invoke: Invoke, backend: Scripted) -> None:
    """Both are for a person to mend."""
    backend.answers["reload"] = UserError("The configuration has 1 problem(s):\n  - [index] urll is not a known key")
    result = invoke("reload")
    assert (result.code, result.out) == (2, "")
    assert "urll is not a known key" in result.err
    backend.answers["running_service"] = UserError("No service runs on /state.", hint="Start one: ingestor run.")
    assert invoke("reload").code == 2


def test_health_is_an_exit_code_and_a_sentence_a_problem(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 when well, 4 when not or when nothing runs; `--ready` asks for more."""
    reply = wire_service.HealthReply(
        live=True, ready=False, checks={"ledger": "ok", "model": "not loaded yet"}, notes=("no answer from docs",)
    )
    monkeypatch.setattr(client, "health", lambda _state: reply)
    result = invoke("health")
    assert (result.code, result.out) == (0, "alive, not ready\nmodel: not loaded yet\nno answer from docs\n")
    assert invoke("health", "--ready").code == 4
    assert json.loads(invoke("health", "--json").out)["checks"]["model"] == "not loaded yet"
    monkeypatch.undo()
    result = invoke("health")
    assert (result.code, result.out) == (4, "")
    assert "No service runs" in result.err
