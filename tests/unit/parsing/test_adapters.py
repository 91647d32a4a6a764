from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import parsing_samples
import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Attachment, Document

Parsed = Callable[[str, bytes], Document]


def shapes(document: Document) -> list[tuple[str, str]]:
    return [(e.kind.value, document.text[e.start : e.end]) for e in document.elements]


def words(document: Document) -> list[str]:
    return [text for _, text in shapes(document)]


@pytest.mark.parametrize("name", sorted(parsing_samples.every_format()))
def test_every_format_gives_a_valid_document(name: str, parsed: Parsed, samples: dict[str, bytes]) -> None:
    """Spans are in order, disjoint and not empty, the text is stable, and the words of the file are there."""
    document = parsed(name, samples[name])
    position = 0
    for element in document.elements:
        assert position <= element.start < element.end <= len(document.text)
        assert document.text[element.start : element.end].strip()
        assert not any(c.isalnum() for c in document.text[position : element.start]) or name.endswith(".md")
        position = element.end
    assert document == parsed(name, samples[name])
    assert "efund" in document.text or "Fees" in document.text
    assert document.has_lines == name.endswith((".txt", ".md", ".rst", ".org", ".adoc"))


def test_html_is_the_page_without_the_site(parsed: Parsed) -> None:
    """Navigation, banner, footer, script and heading links go; figures, details and forms stay."""
    document = parsed("x.html", parsing_samples.HTML)
    assert shapes(document) == [
        ("heading", "Refunds"),
        ("paragraph", "Refunds take 14 days."),
        ("heading", "What you need"),
        ("paragraph", "You need:"),
        ("list_item", "a receipt"),
        ("list_item", "the form"),
        ("table", "Class | Limit\neco | 007"),
        ("code", "refund --all\n  --now"),
        ("paragraph", "A chart"),
        ("paragraph", "Refunds by month"),
        ("paragraph", "More"),
        ("paragraph", "Hidden detail."),
        ("paragraph", "Inside a form."),
    ]
    assert document.title == "Refunds"
    assert document.language == "en"
    assert [(e.section, e.anchor) for e in document.elements if e.level] == [
        (("Refunds",), "top"),
        (("Refunds", "What you need"), "need"),
    ]
    table = document.elements[6]
    assert (table.context, table.anchor) == ("Class | Limit", "need")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>5</p>", ["5"]),
        ("<p>A Short Title Like Line</p>", ["A Short Title Like Line"]),
        ("<table><tr><td><h2>In</h2><p>layout</p></td></tr></table>", ["In", "layout"]),
        ("<nav>Only <a href=x>links</a></nav>", ["Only links"]),
        ("<header><h1>Title up here</h1></header><p>x y</p>", ["Title up here", "x y"]),
        ("<article><header>By Ann</header><p>x y</p></article>", ["By Ann", "x y"]),
        (
            "<table><caption>Fees of all</caption><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
            ["Fees of all", "a | b\n1 | 2"],
        ),
        ('<div class="toctree-wrapper"><p>a whole book</p></div>', ["a whole book"]),
        ("plain words, no tag", ["plain words, no tag"]),
        (  # what can be edited by itself in a DokuWiki
            (
                '<h2 class="sectionedit1">In</h2><div class="table sectionedit2"><table><tr><td>a</td><td>b</td></tr>'
                '<tr><td>1</td><td>2</td></tr></table></div><div class="secedit editbutton_section"><p>Edit</p></div>'
            ),
            ["In", "a | b\n1 | 2"],
        ),
        (
            '<div id="mw-navigation">Main</div><div id="footer">Imprint</div><p>x y</p><div class="sphinxsidebar">s</div>',
            ["x y"],
        ),
        ("<p>caf\u00e9 &amp; <ins>tea</ins><br>x</p>", ["caf\u00e9 & tea x"]),
    ],
)
def test_html_loses_no_words(parsed: Parsed, markup: str, expected: list[str]) -> None:
    """What unstructured would drop or mistake for a heading is kept as what it is."""
    document = parsed("x.html", f"<body>{markup}</body>".encode())
    assert words(document) == expected
    assert all(
        (e.level is None) == (document.text[e.start : e.end] not in {"In", "Title up here"}) for e in document.elements
    )


def test_html_charset_is_the_one_it_declares(parsed: Parsed) -> None:
    """A meta charset is believed where the page is not UTF-8."""
    page = '<meta charset="iso-8859-2"><p>Łódź jest tu.</p>'.encode("iso-8859-2")
    assert words(parsed("x.html", page)) == ["Łódź jest tu."]


def test_docx_has_styles_lists_and_tables(parsed: Parsed, samples: dict[str, bytes]) -> None:
    """Headings come from styles alone, the title from the properties, rows from the table."""
    document = parsed("x.docx", samples["refunds.docx"])
    assert shapes(document) == [
        ("heading", "Refunds"),
        ("paragraph", "Refunds take 14 days."),
        ("heading", "What you need"),
        ("paragraph", "You need:"),
        ("list_item", "a receipt"),
        ("table", "Class | Limit\neco | 007"),
    ]
    assert document.elements[-1].section == ("Refunds", "What you need")
    assert document.elements[-1].context == "Class | Limit"
    assert document.title == "Refund policy"


def test_pptx_slides_are_pages_with_title_first_and_notes_last(parsed: Parsed, samples: dict[str, bytes]) -> None:
    """A capitalised line of the body is no heading; a slide's notes do not fall to another slide."""
    document = parsed("x.pptx", samples["refunds.pptx"])
    assert [(e.page, e.section, t) for e, t in zip(document.elements, words(document), strict=True)] == [
        (1, ("Refunds",), "Refunds"),
        (1, ("Refunds",), "They take 14 days"),
        (1, ("Refunds",), "Bring A Receipt"),
        (1, ("Refunds",), "Smile first."),
        (2, ("Budget",), "Budget"),
        (2, ("Budget",), "It is 007"),
    ]


def test_xlsx_cells_are_what_the_sheet_shows(parsed: Parsed, samples: dict[str, bytes]) -> None:
    """Codes keep their zeros, "NA" and "null" stay, dates and percents read as such, empty sheets go."""
    document = parsed("fees.xlsx", samples["refunds.xlsx"])
    assert [(e.page, t) for e, t in zip(document.elements, words(document), strict=True)] == [
        (1, "Fees"),
        (1, "Fees of the year that everybody has to know by heart"),
        (1, "Country | Code | From | Share | Paid\nNA | 007 | 2026-01-02 | 25% | TRUE\nnull | 1.10 |  | 3"),
        (2, "Limits"),
        (2, "a | b\n1 | 2.5"),
    ]
    assert document.elements[2].context == "Country | Code | From | Share | Paid"


@pytest.mark.parametrize(
    ("name", "content", "text", "header"),
    [
        ("a.csv", b"id,country\n007,NA\n008,null\n", "id | country\n007 | NA\n008 | null", "id | country"),
        ("a.csv", 'a;b\n"x;y";"1\n2"\n'.encode("utf-16"), "a | b\nx;y | 1 2", "a | b"),
        ("a.csv", b"one\ntwo\nthree\n", "one\ntwo\nthree", ""),
        ("a.tsv", b"a\tb,c\n1\t2\n", "a | b,c\n1 | 2", "a | b,c"),
        ("a.csv", b"1,2\n3,4\n", "1 | 2\n3 | 4", ""),
        ("a.csv", b'a,b\n"never closed,1\n', "a | b\nnever closed,1", "a | b"),
    ],
)
def test_csv_cells_are_kept_as_they_stand(parsed: Parsed, name: str, content: bytes, text: str, header: str) -> None:
    """One table; no value is guessed at, dropped or rewritten; any usual delimiter and encoding."""
    document = parsed(name, content)
    assert shapes(document) == [("table", text)]
    assert document.elements[0].context == header


def test_json_reads_as_lines_in_the_order_of_the_file(parsed: Parsed) -> None:
    """Numbers and letters stand as written, keys are not sorted, and what is no JSON is text."""
    document = parsed("a.json", '{"z": 1.10, "name": "caf\u00e9", "tags": ["a", {"b": null}], "ok": true}'.encode())
    assert document.text == "z: 1.10\nname: caf\u00e9\ntags:\n  - a\n  - b: null\nok: true"
    assert words(parsed("a.jsonl", b'{"a": 1}\n{"a": 2}\n')) == ["a: 1", "a: 2"]
    assert words(parsed("a.json", b"{ not json // at all")) == ["{ not json // at all"]
    element_like = parsed("a.json", b'[{"type": "Title", "text": "mine"}]')
    assert words(element_like) == ["- type: Title\n  text: mine"]


def test_large_json_is_taken_apart_by_its_keys(parsed: Parsed) -> None:
    """Each record of a long list is an element that names the keys above it."""
    rows = ",".join(f'{{"id": {i}, "text": "{"word " * 20}"}}' for i in range(50))
    document = parsed("a.json", f'{{"meta": "x", "rows": [{rows}]}}'.encode())
    assert len(document.elements) == 51
    assert words(document)[1].startswith("rows:\nid: 0\n")


def test_xml_keeps_mixed_content_and_expands_nothing(parsed: Parsed) -> None:
    """Text after a child element stays; entities are not resolved, so no file leaks into the text."""
    document = parsed(
        "a.xml",
        b'<!DOCTYPE d [<!ENTITY s SYSTEM "file:///etc/hostname"><!ENTITY a "aaaa">]>'
        b"<d v='2'><r><id>007</id><n>Foo</n></r><p>Hello <b>bold</b> tail &s;&a; &amp; more</p></d>",
    )
    assert words(document) == ["d (v: 2)", "id: 007\nn: Foo", "Hello bold tail &s;&a; & more"]
    assert words(parsed("a.xml", b"<a>not closed")) == ["<a>not closed"]


def test_pdf_has_pages_paragraphs_and_headings_by_size(parsed: Parsed) -> None:
    """Lines join into paragraphs, a hyphenated word is made whole, the large line is the heading."""
    document = parsed("x.pdf", parsing_samples.pdf())
    assert [(e.kind.value, e.page, t) for e, t in zip(document.elements, words(document), strict=True)] == [
        ("heading", 1, "Refunds"),
        (
            "paragraph",
            1,
            "Refunds take fourteen days and are paid by the department that sold the ticket to the traveller.",
        ),
        ("paragraph", 1, "A second paragraph stands further down."),
        ("paragraph", 2, "Page two has other words."),
    ]
    assert document.title == "Refunds"
    assert parsed("x.pdf", parsing_samples.pdf(title="Own title")).title == "Own title"


def test_pdf_running_titles_go_and_short_lines_keep_their_breaks(parsed: Parsed) -> None:
    """What repeats at the edge of most pages is no content; rows and addresses are not run together."""
    long = "This line is as long as the lines of this page are when they are full"
    pages = [
        [
            (12, 720, "Handbook of refunds"),
            (12, 690, f"{long} {n}"),
            (12, 676, "and it goes on here."),
            (12, 662, "Class 007"),
            (12, 60, f"page {n} of 3"),
        ]
        for n in (1, 2, 3)
    ]
    document = parsed("x.pdf", parsing_samples.pdf(pages))
    assert [(e.page, t) for e, t in zip(document.elements, words(document), strict=True)] == [
        (n, f"{long} {n} and it goes on here.\nClass 007") for n in (1, 2, 3)
    ]
    assert document.elements[0].page == 1


def test_pdf_running_titles_of_left_and_right_pages_go(parsed: Parsed) -> None:
    """Titles of two lines, others on left pages than on right ones, are no content; lines of a form that repeat
    without a gap are."""
    pages = [
        [
            (9, 750, "Handbook" if n % 2 else "Desk of refunds"),
            (9, 739, "for everybody" if n % 2 else "edition 7"),
            (12, 690, f"Words of page {'abcdef'[n]} alone"),
            (12, 676, "Signed by"),
            (12, 662, "Date"),
            (9, 60, f"- {n} -"),
        ]
        for n in range(6)
    ]
    document = parsed("x.pdf", parsing_samples.pdf(pages))
    assert [(e.page, t) for e, t in zip(document.elements, words(document), strict=True)] == [
        (n + 1, f"Words of page {'abcdef'[n]} alone Signed by\nDate") for n in range(6)
    ]


def test_pdf_of_one_size_has_no_heading(parsed: Parsed) -> None:
    """Where sizes say nothing, nothing is guessed; bullets are list items."""
    lines = [(12, 720, "Short line"), (12, 690, "\u2022 first item"), (12, 676, "\u2022 second item")]
    assert shapes(parsed("x.pdf", parsing_samples.pdf([lines]))) == [
        ("paragraph", "Short line"),
        ("list_item", "\u2022 first item"),
        ("list_item", "\u2022 second item"),
    ]


def test_email_is_its_subject_its_people_and_its_body(parsed: Parsed, samples: dict[str, bytes]) -> None:
    """The subject is title and heading, the HTML body wins, attachments are named and handed out."""
    document = parsed("x.eml", samples["refunds.eml"])
    assert document.title == "Café refunds"
    assert words(document) == [
        "Café refunds",
        "From: Ann <ann@corp.example>\nTo: bob@corp.example\nDate: Mon, 05 Jan 2026 10:00:00 +0000",
        "Refunds take 14 days.",
        "Attachments: receipt.pdf",
    ]
    assert document.attachments == (Attachment(name="receipt.pdf", content=b"%PDF-", media_type="application/pdf"),)


def test_email_digests_and_broken_charsets_are_read(parsed: Parsed) -> None:
    """Messages inside a message are handed out as messages; a body in an unknown charset is still text."""
    inner = b"Subject: Inner\n\nInner words.\n"
    digest = (
        b"Subject: Digest\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=B\n\n--B\n\n"
        + inner
        + b"\n--B--\n"
    )
    document = parsed("d.eml", digest)
    assert words(document) == ["Digest", "Attachments: Inner.eml"]
    (forwarded,) = document.attachments
    assert (forwarded.name, forwarded.media_type, forwarded.content) == (
        "Inner.eml",
        "message/rfc822",
        b"Subject: Inner\n\nInner words.\n",
    )
    odd = b"Subject: S\nContent-Type: text/plain; charset=x-unknown\n\nGr\xfc\xdfe an alle hier.\n\n> old\n"
    assert shapes(parsed("o.eml", odd))[1:] == [("paragraph", "Grüße an alle hier."), ("history", "> old")]


def test_converted_formats_have_headings_and_titles(parsed: Parsed, samples: dict[str, bytes]) -> None:
    """EPUB, OpenDocument and RTF come through pandoc with their words and their own title."""
    book = parsed("x.epub", samples["refunds.epub"])
    assert (book.title, words(book)) == ("Refund & return book", ["Refunds", "Refunds take 14 days."])
    letter = parsed("x.odt", samples["refunds.odt"])
    assert (letter.title, words(letter)) == ("Refund policy", ["Refunds", "Refunds take 14 days."])
    assert [e.level for e in letter.elements] == [1, None]
    assert words(parsed("x.rtf", parsing_samples.RTF)) == ["Refunds take 14 days, café.", "Second."]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.pdf", parsing_samples.pdf(password=b"secret"), ParseReason.ENCRYPTED),
        ("x.pdf", parsing_samples.pdf([[], []]), ParseReason.NO_TEXT),
        ("x.pdf", b"%PDF-1.4\nnothing else", ParseReason.CORRUPT),
        ("x.html", b"<html><body><script>x()</script></body></html>", ParseReason.NO_TEXT),
        ("x.csv", b",,\n,,\n", ParseReason.NO_TEXT),
        ("x.docx", parsing_samples._zipped({"word/document.xml": "<not a document"}), ParseReason.CORRUPT),
        ("x.xlsx", parsing_samples._zipped({"xl/workbook.xml": "<not a book"}), ParseReason.CORRUPT),
        ("x.rtf", rb"{\rtf1 }", ParseReason.NO_TEXT),
        ("x.epub", parsing_samples._zipped({"mimetype": "application/epub+zip"}), ParseReason.CORRUPT),
        ("x.eml", b"\n\nno header at all", ParseReason.CORRUPT),
    ],
)
def test_a_file_without_a_document_fails_with_its_reason(
    parsed: Parsed, name: str, content: bytes, reason: ParseReason
) -> None:
    """Each failure has a reason, a sentence and a hint, and is final until the content changes."""
    with pytest.raises(ParseFailure) as caught:
        parsed(name, content)
    assert caught.value.reason is reason
    assert caught.value.hint
    assert not caught.value.transient


def test_a_deeply_nested_file_is_refused_and_not_a_crash(parsed: Parsed) -> None:
    """Nesting beyond reason ends as a failure or as text, never as the death of the parser."""
    for name, content in (
        ("a.json", b"[" * 100_000 + b"]" * 100_000),
        ("a.json", b'{"a":' * 900 + b"1" + b"}" * 900),
        ("a.xml", b"<a>" * 250 + b"x" + b"</a>" * 250),
        ("a.html", b"<div>" * 5000 + b"x"),
    ):
        try:
            assert parsed(name, content).text
        except ParseFailure as failure:
            assert failure.reason in {ParseReason.EXPANSION, ParseReason.CORRUPT, ParseReason.NO_TEXT}


def test_mail_made_by_the_standard_library_keeps_its_text(parsed: Parsed) -> None:
    """Quoted-printable and base64 bodies in any declared charset come out as words."""
    message = EmailMessage()
    message["Subject"] = "Überblick"
    message.set_content("Grüße\n\nzweiter Absatz", charset="iso-8859-1", cte="base64")
    assert words(parsed("m.eml", message.as_bytes())) == ["Überblick", "Grüße", "zweiter Absatz"]
