"""``quarantine`` and ``formats``: what they ask for, what they print, how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_backend import ASIDE, Invoke, Scripted, run_reply

from connectors.examining import Level
from ingestor import wire
from ingestor.cli import doctor_checks
from ingestor.errors import UnknownId
from ingestor.parsing import sandbox_filter

CONTRACT = {"document_id", "source", "uri", "reason", "hint", "attempts", "next_try"}


def test_the_list_shows_each_document_and_each_reason_once(invoke: Invoke, backend: Scripted) -> None:
    """A line a document, then what each reason means; those that are ignored are only counted."""
    other = ASIDE.model_copy(update={"document_id": "d8", "url": "file:///srv/handbook/other.docx"})
    backend.answers["quarantine"] = wire.QuarantineReply(items=(ASIDE, other), ignored=3)
    result = invoke("quarantine", "list", "--source", "handbook")
    assert backend.asked == [("quarantine", ("handbook", False))]
    head, first, second, says = result.out.splitlines()
    assert head.split() == "reason tries next try source document file".split()
    assert first.split()[-2:] == ["d7", "file:///srv/handbook/locked.docx"]
    assert "when it changes" in second
    assert says == "encrypted: The file is protected by a password. Remove the password, or exclude the file."
    assert "3 more are ignored: ingestor quarantine list --ignored" in result.err


def test_an_empty_list_says_so(invoke: Invoke, backend: Scripted) -> None:
    """Each of the two lists in a sentence."""
    backend.answers["quarantine"] = wire.QuarantineReply(items=())
    assert invoke("quarantine", "list").out == "Nothing is set aside.\n"
    assert invoke("quarantine", "list", "--ignored").out == "Nothing is ignored.\n"
    assert backend.asked[-1] == ("quarantine", (None, True))


def test_the_json_of_the_list_has_the_shape_of_the_contract(invoke: Invoke) -> None:
    """One object on one line, each item with at least the promised keys."""
    result = invoke("quarantine", "list", "--json")
    assert result.out.count("\n") == 1
    (item,) = json.loads(result.out)["items"]
    assert item.keys() >= CONTRACT
    assert item["next_try"] is None


def test_show_says_what_is_wrong_and_what_to_do(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """The word as it was given travels with the path that it may be."""
    result = invoke("quarantine", "show", "locked.docx")
    assert backend.asked == [("set_aside", ("locked.docx", str(tmp_path / "locked.docx")))]
    assert "protected by a password. Remove the password" in result.out
    assert "tried:    once" in result.out
    assert json.loads(invoke("quarantine", "show", "d7", "--json").out)["document_id"] == "d7"


def test_what_is_not_set_aside_ends_with_2(invoke: Invoke, backend: Scripted) -> None:
    """An id or path that nothing is known about is a mistake of the caller."""
    backend.answers["set_aside"] = UnknownId("x is not set aside.", hint="Look.")
    for command in ("show", "retry", "ignore"):
        result = invoke("quarantine", command, "x")
        assert (result.code, result.out, result.err) == (2, "", "x is not set aside.\nLook.\n")


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (("locked.docx",), wire.QuarantineRequest(documents=("d7",))),
        (("--all",), wire.QuarantineRequest(everything=True)),
        (("--source", "a", "--source", "b"), wire.QuarantineRequest(sources=("a", "b"))),
    ],
)
def test_retry_names_what_it_means_and_ends_like_a_run(
    invoke: Invoke, backend: Scripted, arguments: tuple[str, ...], request_: wire.QuarantineRequest
) -> None:
    """One document, a source or all; the summary and the exit code are those of the runs."""
    backend.answers["quarantine_retry"] = wire.RunsReply(runs=(run_reply(outcome="partial", failed=1),))
    result = invoke("quarantine", "retry", *arguments)
    assert backend.asked[-1] == ("quarantine_retry", request_)
    assert result.code == 1
    assert "1 failed" in result.out
    assert "ingestor quarantine list" in result.err


@pytest.mark.parametrize("arguments", [(), ("x", "--all"), ("--all", "--source", "a")])
def test_retry_wants_exactly_one_choice(invoke: Invoke, backend: Scripted, arguments: tuple[str, ...]) -> None:
    """None is not all, and two contradict each other."""
    assert invoke("quarantine", "retry", *arguments).code == 2
    assert backend.asked == []


def test_retry_of_nothing_says_so(invoke: Invoke, backend: Scripted) -> None:
    """No run was made, so there is no summary."""
    backend.answers["quarantine_retry"] = wire.RunsReply(runs=())
    result = invoke("quarantine", "retry", "--all")
    assert (result.code, result.out) == (0, "Nothing is set aside.\n")
    assert json.loads(invoke("quarantine", "retry", "--all", "--json").out)["runs"] == []


def test_ignore_names_the_document_that_was_meant(invoke: Invoke, backend: Scripted) -> None:
    """And until when it is left alone."""
    result = invoke("quarantine", "ignore", "locked.docx")
    assert backend.asked[-1] == ("quarantine_ignore", wire.QuarantineRequest(documents=("d7",)))
    assert result.out == "file:///srv/handbook/locked.docx is left alone until its content changes.\n"


def test_formats_says_what_is_missing(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs and packages apart, and what is not taken at all as it stands."""
    from ingestor.parsing import formats

    known = [
        formats.FormatStatus(format="text", extensions=(".txt",), works=True),
        formats.FormatStatus(format="doc", extensions=(".doc",), works=False, missing="soffice, docx"),
        formats.FormatStatus(format="pdf", extensions=(".pdf",), works=True, partly="tesseract"),
        formats.FormatStatus(format="Visio drawing", extensions=(".vsd",), works=False, missing="not supported"),
    ]
    monkeypatch.setattr(formats, "formats", lambda: tuple(known))
    lines = invoke("formats").out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "format read here files named",
        "text yes .txt",
        "doc no: needs the program soffice and the Python package docx .doc",
        "pdf yes; scanned pages: needs the program tesseract .pdf",
        "Visio drawing no: not supported .vsd",
    ]
    assert [fmt["works"] for fmt in json.loads(invoke("formats", "--json").out)["formats"]] == [
        True,
        False,
        True,
        False,
    ]


def test_formats_of_this_installation_are_listed(invoke: Invoke) -> None:
    """What a plain installation reads is there."""
    listed = {fmt["format"]: fmt for fmt in json.loads(invoke("formats", "--json").out)["formats"]}
    assert listed["markdown"]["works"]
    assert ".md" in listed["markdown"]["extensions"]


def test_status_points_to_what_is_set_aside_and_to_a_kernel_without_filters(invoke: Invoke, backend: Scripted) -> None:
    """Both on stderr, only where they are so."""
    source = wire.SourceStatus(
        name="docs",
        kind="files",
        state="idle",
        documents=1,
        chunks=1,
        pending=wire.Pending(),
        quarantined=2,
        last_run=None,
        next_run=None,
        lag_s=wire.Lag(),
    )
    backend.answers["status"] = wire.StatusReply(sources=(source,), parsers="this kernel takes no seccomp filters")
    result = invoke("status")
    assert "ingestor quarantine list" in result.err
    assert "kept from the network by Python alone: this kernel takes no seccomp filters." in result.err
    backend.answers["status"] = wire.StatusReply(sources=(source.model_copy(update={"quarantined": 0}),))
    assert invoke("status").err == ""


def test_doctor_warns_where_the_kernel_does_not_keep_parsers_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a failure: the rest works."""
    monkeypatch.setattr(sandbox_filter, "trouble", lambda: "this kernel takes no seccomp filters")
    assert doctor_checks.parsers().level is Level.WARN
    monkeypatch.setattr(sandbox_filter, "trouble", lambda: "")
    assert doctor_checks.parsers().level is Level.OK


def test_an_attachment_is_told_by_its_mail_and_its_name(invoke: Invoke, backend: Scripted) -> None:
    """The link alone would name the mail, which was read."""
    uri = "ingestor:handbook/offer.eml#attachment=Re%20x.eml#attachment=%C3%A4.pdf"
    attached = ASIDE.model_copy(update={"uri": uri, "url": "file:///srv/handbook/offer.eml"})
    backend.answers["quarantine"] = wire.QuarantineReply(items=(attached,))
    assert "file:///srv/handbook/offer.eml > Re x.eml > ä.pdf" in invoke("quarantine", "list").out
