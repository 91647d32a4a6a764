"""OpenDocument sheets and slides, and the office formats of before 2007."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import ole_samples
import parsing_samples
import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import recipe as recipes
from ingestor.parsing.parse import parse
from ingestor.parsing.soffice import parse_doc

Parsed = Callable[[str, bytes], Document]


def shown(document: Document) -> list[tuple[str, int | None, str]]:
    return [(e.kind.value, e.page, document.text[e.start : e.end]) for e in document.elements]


def test_ods_cells_are_what_the_sheet_shows(parsed: Parsed) -> None:
    """Cells hold the text that was shown; what is repeated is repeated, and a million empty rows cost nothing."""
    document = parsed(
        "a.ods",
        parsing_samples.opendocument(
            "spreadsheet",
            '<table:table table:name="Fees"><table:table-row><table:table-cell><text:p>Class</text:p>'
            "</table:table-cell><table:table-cell><text:p>Limit</text:p></table:table-cell>"
            '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
            '<table:table-row table:number-rows-repeated="2"><table:table-cell><text:p>eco<text:s/>1</text:p>'
            "<office:annotation><text:p>a comment</text:p></office:annotation></table:table-cell>"
            '<table:table-cell office:value-type="percentage" office:value="0.25"><text:p>25%</text:p>'
            "</table:table-cell></table:table-row>"
            '<table:table-row table:number-rows-repeated="1048573"><table:table-cell '
            'table:number-columns-repeated="16384"/></table:table-row></table:table>'
            '<table:table table:name="Empty"><table:table-row><table:table-cell/></table:table-row></table:table>',
        ),
    )
    assert shown(document) == [("heading", 1, "Fees"), ("table", 1, "Class | Limit\neco 1 | 25%\neco 1 | 25%")]
    assert document.elements[1].context == "Class | Limit"


def test_ods_that_repeats_without_end_is_refused(parsed: Parsed) -> None:
    """A row that says a million times a thousand words is too large, before it is held in memory."""
    body = (
        '<table:table table:name="x"><table:table-row table:number-rows-repeated="1000000"><table:table-cell '
        'table:number-columns-repeated="1000"><text:p>a</text:p></table:table-cell></table:table-row></table:table>'
    )
    with pytest.raises(ParseFailure) as caught:
        parsed("a.ods", parsing_samples.opendocument("spreadsheet", body))
    assert caught.value.reason is ParseReason.TOO_LARGE


def test_odp_slides_are_pages_with_title_first_and_notes_last(parsed: Parsed) -> None:
    """Lists are items, tables rows; the number that the program draws on each slide is no content."""
    document = parsed(
        "a.odp",
        parsing_samples.opendocument(
            "presentation",
            '<draw:page draw:name="p1"><draw:frame><draw:text-box><text:list><text:list-item><text:p>They take '
            "<text:span>14</text:span> days</text:p></text:list-item></text:list></draw:text-box></draw:frame>"
            '<draw:frame presentation:class="title"><draw:text-box><text:p>Refunds</text:p></draw:text-box></draw:frame>'
            '<draw:frame presentation:class="page-number"><draw:text-box><text:p>1</text:p></draw:text-box></draw:frame>'
            "<draw:frame><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
            "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table></draw:frame>"
            '<presentation:notes><draw:frame presentation:class="notes"><draw:text-box><text:p>Smile.</text:p>'
            "</draw:text-box></draw:frame></presentation:notes></draw:page>"
            '<draw:page draw:name="p2"><draw:custom-shape><text:p>alone</text:p></draw:custom-shape></draw:page>',
        ),
    )
    assert shown(document) == [
        ("heading", 1, "Refunds"),
        ("list_item", 1, "They take 14 days"),
        ("table", 1, "a | b"),
        ("paragraph", 1, "Smile."),
        ("paragraph", 2, "alone"),
    ]
    assert document.title == "Refunds"
    assert [e.section for e in document.elements[-2:]] == [("Refunds",), ()]


def test_xls_reads_like_xlsx(parsed: Parsed) -> None:
    """Codes keep their zeros, "NA" and "null" stay, dates, percents and truth values read as such."""
    document = parsed("old.xls", ole_samples.xls())
    assert shown(document) == [
        ("heading", 1, "Fees"),
        (
            "table",
            1,
            "Country | Code | From | Share | Paid\nNA | 007 | 2026-01-02 | 25% | TRUE\nnull | 1.1 |  | 3",
        ),
    ]
    assert document.kind == "xls"


def test_msg_is_its_subject_its_people_and_its_body(parsed: Parsed) -> None:
    """What eml shows, out of the properties of an Outlook file; its own header lines win, and its HTML body."""
    document = parsed("a.msg", ole_samples.msg())
    assert (document.title, document.kind) == ("Café refunds", "msg")
    assert [(kind, text) for kind, _, text in shown(document)] == [
        ("heading", "Café refunds"),
        (
            "paragraph",
            'From: "Ann" <ann@corp.example>\nTo: Bob <bob@corp.example>\nDate: Mon, 05 Jan 2026 10:00:00 +0000',
        ),
        ("paragraph", "Refunds take 14 days."),
        ("history", "> old words"),
        ("paragraph", "Attachments: receipt.pdf"),
    ]
    rich = parsed(
        "a.msg",
        ole_samples.msg(
            html="<p>Refunds take <b>14</b> days.</p>",
            headers="From: Ann <a@b.example>\r\nTo: =?utf-8?q?B=C3=B6b?= <b@c.example>\r\nDate: today\r\n",
        ),
    )
    assert [text for _, _, text in shown(rich)][1:3] == [
        "From: Ann <a@b.example>\nTo: Böb <b@c.example>\nDate: today",
        "Refunds take 14 days.",
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xls", ole_samples.xls(encrypted=True), ParseReason.ENCRYPTED),
        ("a.xls", ole_samples.container({"Workbook": b"no records"}), ParseReason.CORRUPT),
        ("a.msg", ole_samples.container({"__properties_version1.0": b""}), ParseReason.NO_TEXT),
        ("a.doc", ole_samples.container({"WordDocument": bytes(11) + b"\x01"}), ParseReason.ENCRYPTED),
        (
            "a.ppt",
            ole_samples.container({"PowerPoint Document": b"x", "EncryptedSummary": b"x"}),
            ParseReason.ENCRYPTED,
        ),
        ("a.vsd", ole_samples.container({"VisioDocument": b"x"}), ParseReason.UNSUPPORTED),
        ("a.ods", parsing_samples.opendocument("spreadsheet", "<not closed"), ParseReason.CORRUPT),
        ("a.odp", parsing_samples.opendocument("presentation", '<draw:page draw:name="x"/>'), ParseReason.NO_TEXT),
        (
            "a.odp",
            parsing_samples.opendocument(
                "presentation", "<draw:page>" + "<draw:g>" * 230 + "</draw:g>" * 230 + "</draw:page>"
            ),
            ParseReason.EXPANSION,
        ),
    ],
)
def test_an_old_or_broken_office_file_fails_with_its_reason(
    parsed: Parsed, name: str, content: bytes, reason: ParseReason
) -> None:
    """Encrypted, damaged, empty, too deep: each is told apart, and none is worth another try."""
    with pytest.raises(ParseFailure) as caught:
        parsed(name, content)
    assert caught.value.reason is reason
    assert caught.value.hint
    assert not caught.value.transient


def stand_in(folder: Path, script: str) -> Path:
    """A program called soffice that does what ``script`` says."""
    program = folder / "soffice"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


DOC = ole_samples.container({"WordDocument": bytes(600)})


def test_doc_without_libreoffice_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is no damage: the reason is unsupported, the hint names both ways out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, content in (("a.doc", DOC), ("a.ppt", ole_samples.container({"PowerPoint Document": b"x"}))):
        with pytest.raises(ParseFailure) as caught:
            parse(ParseRequest(name=name, content=content))
        assert caught.value.reason is ParseReason.UNSUPPORTED
        assert "LibreOffice" in caught.value.hint
        assert f"{name[2:]}x" in caught.value.hint


def test_libreoffice_runs_without_macros_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its own profile and home for one document, which are gone afterwards; no output is a damaged file."""
    seen = tmp_path / "seen"
    stand_in(tmp_path, f'echo "$HOME" > {seen}\n/bin/cat "$HOME/profile/user/registrymodifications.xcu" >> {seen}')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParseFailure) as caught:
        parse_doc(ParseRequest(name="a.doc", content=DOC))
    assert caught.value.reason is ParseReason.CORRUPT
    home, settings = seen.read_text().split("\n", 1)
    assert not Path(home).exists()
    assert '"DisableMacrosExecution" oor:op="fuse"><value>true' in settings


def test_the_recipe_tells_whether_libreoffice_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set aside for want of it is tried again once it is installed."""

    def now() -> str:
        recipes._version.cache_clear()
        recipes._fingerprint.cache_clear()
        return recipes.recipe("a.doc", None)

    monkeypatch.setenv("PATH", str(tmp_path))
    before = now()
    stand_in(tmp_path, "")
    after = now()
    monkeypatch.undo()
    now()
    assert ("soffice-none" in before, "soffice-here" in after) == (True, True)


@pytest.mark.slow
def test_doc_and_ppt_are_read_through_libreoffice(parsed: Parsed, samples: dict[str, bytes], tmp_path: Path) -> None:
    """Where the program is, headings, lists and slides of old files are those of the new; where not, that is said."""
    if shutil.which("soffice") is None:
        with pytest.raises(ParseFailure) as caught:
            parsed("a.doc", DOC)
        assert caught.value.reason is ParseReason.UNSUPPORTED
        return
    old = {}
    for new in ("docx", "pptx"):
        (tmp_path / f"a.{new}").write_bytes(samples[f"refunds.{new}"])
        command = ["soffice", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--convert-to"]
        subprocess.run(
            [*command, new[:3], "--outdir", str(tmp_path), str(tmp_path / f"a.{new}")], check=True, capture_output=True
        )
        old[new[:3]] = (tmp_path / f"a.{new[:3]}").read_bytes()
    letter = parsed("a.doc", old["doc"])
    assert letter.kind == "doc"
    assert [text for _, _, text in shown(letter)][:5] == [
        "Refunds",
        "Refunds take 14 days.",
        "What you need",
        "You need:",
        "a receipt",
    ]
    assert [e.level for e in letter.elements][:3] == [1, None, 2]
    slides = parsed("a.ppt", old["ppt"])
    assert [(page, text) for _, page, text in shown(slides)] == [
        (1, "Refunds"),
        (1, "They take 14 days"),
        (1, "Bring A Receipt"),
        (1, "Smile first."),
        (2, "Budget"),
        (2, "It is 007"),
    ]


def test_a_workbook_whose_container_leads_into_itself_comes_to_an_end(parsed: Parsed) -> None:
    """A block of zeros in an old workbook, as a crash of a file system leaves it, makes a chain of sectors endless."""
    whole = ole_samples.xls()
    for start in range(512, len(whole), 512):
        try:
            parsed("a.xls", whole[:start] + bytes(512) + whole[start + 512 :])
        except ParseFailure as failure:
            assert failure.reason is not ParseReason.TIMEOUT, start
