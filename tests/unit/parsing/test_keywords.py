"""What documents say that they are about, in the places that their formats have for that."""

from __future__ import annotations

import io
import time
import zipfile

import pytest

from ingestor.model import ParseRequest
from ingestor.model.tags import tidy
from ingestor.parsing import keywords
from ingestor.parsing.parse import parse
from tests.unit.parsing import parsing_samples as samples


@pytest.mark.parametrize(
    ("matter", "tags"),
    [
        ("tags: [a, b]", ("a", "b")),
        ("tags: [a, \"b, c\", 'd''s', e f ]", ("a", "b, c", "d's", "e f")),
        ("tags: [a,\n  b,\n  c]\ntitle: x", ("a", "b", "c")),
        ("tags:\n  - a\n  - \"b c\"\n- '#d'\ntitle: x\n- no", ("a", "b c", "d")),
        ("tags:\n- a: b\n", ("a: b",)),
        ("tags: a, b; c", ("a", "b", "c")),
        ("tags: one tag # a remark", ("one tag",)),
        ('tags: "a, b"', ("a", "b")),
        ("Keywords: a\ncategories: [b]\ncategory: c\ntag: d", ("a", "b", "c", "d")),
        ("tags:", ()),
        ("tags: []", ()),
        ("tags: #nothing", ()),
        ("tags: [a, b", ("a", "b")),
        ("  tags: [inner]\nsubtags: [a]\ntitle: tags", ()),
        ("tags: [\u0161koln\u00ed, \u6771\u4eac]", ("\u0161koln\u00ed", "\u6771\u4eac")),
        ("tags: \u6771\u4eac\u3001\u5927\u962a", ("\u6771\u4eac", "\u5927\u962a")),
    ],
)
def test_a_front_matter_names_tags(matter: str, tags: tuple[str, ...]) -> None:
    """A list of YAML in both its forms, or a line with commas; of the first level, and by these names only."""
    assert keywords.of_front_matter(matter) == tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("= Title\nAnn\n:keywords: a, b\n:toc:\n\ntext", ("a", "b")),
        ("// remark\n\n:keywords: a, \\\n  b\n\n= Title\n:Keywords: c\n", ("a", "b", "c")),
        ("= Title\n\n:keywords: late", ()),
        ("Some text.\n:keywords: a", ()),
        ("", ()),
    ],
)
def test_the_head_of_asciidoc_has_keywords(text: str, tags: tuple[str, ...]) -> None:
    """Above the first empty line behind the title, and nowhere else."""
    assert keywords.of_asciidoc(text.split("\n")) == tags


OFFICE = '<cp:coreProperties xmlns:cp="c" xmlns:dc="d"><cp:keywords>a, b &amp; c; d</cp:keywords></cp:coreProperties>'


def with_part(content: bytes, name: str, text: str) -> bytes:
    """The archive with this part in place of its own."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(made, "w") as archive:
        for member in given.infolist():
            if member.filename != name:
                archive.writestr(member, given.read(member))
        archive.writestr(name, text)
    return made.getvalue()


FORMATS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a.md": (b"---\ntitle: T\ntags: [a, b]\n---\n# H\n\nText.\n", ("a", "b")),
    "no.md": (b"# H\n\ntags: [a]\n\nText.\n", ()),
    "a.html": (b"<html><head><META NAME='Keywords' content='a, b'><meta name=x content=c></head><p>Text.", ("a", "b")),
    "a.adoc": (b"= T\n:keywords: a, b\n\nText.\n", ("a", "b")),
    "a.org": (b"#+TITLE: T\n#+filetags: :a:b:\n#+KEYWORDS: c, d\n* H\nText.\n", ("a", "b", "c", "d")),
    "a.rst": (
        b"T\n=\n\n.. meta::\n   :description: no\n   :keywords: a, b\n   :keywords lang=de: c\n\nText.\n",
        ("a", "b", "c"),
    ),
    "a.docx": (with_part(samples.docx(), "docProps/core.xml", OFFICE), ("a", "b & c", "d")),
    "a.pptx": (with_part(samples.pptx(), "docProps/core.xml", OFFICE), ("a", "b & c", "d")),
    "a.xlsx": (with_part(samples.xlsx(), "docProps/core.xml", OFFICE), ("a", "b & c", "d")),
    "a.odt": (
        with_part(
            samples.odt(),
            "meta.xml",
            '<office:document-meta xmlns:office="o" xmlns:meta="m"><meta:keyword>a</meta:keyword>'
            "<meta:keyword>b</meta:keyword></office:document-meta>",
        ),
        ("a", "b"),
    ),
    "a.epub": (
        with_part(
            samples.epub(),
            "book.opf",
            zipfile.ZipFile(io.BytesIO(samples.epub()))
            .read("book.opf")
            .decode()
            .replace("</dc:title>", "</dc:title><dc:subject>a</dc:subject><dc:subject>b</dc:subject>"),
        ),
        ("a", "b"),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_its_place(name: str) -> None:
    """The document has its tags, and what names them is no part of its text where it was none before."""
    content, tags = FORMATS[name]
    assert tidy(parse(ParseRequest(name=name, content=content)).tags) == tags


def test_a_pdf_has_keywords() -> None:
    """In its properties."""
    from reportlab.pdfgen.canvas import Canvas

    made = io.BytesIO()
    canvas = Canvas(made)
    canvas.setKeywords(["a", "b c"])
    canvas.drawString(100, 700, "A line of text.")
    canvas.save()
    assert tidy(parse(ParseRequest(name="a.pdf", content=made.getvalue())).tags) == ("a", "b c")


@pytest.mark.parametrize(
    "matter",
    ["tags: [" + "a," * 200_000, "tags:\n" + "- a\n" * 100_000, "tags:\n" * 100_000, "tags: [" + '"' * 200_000],
    ids=["one line", "many entries", "many keys", "quotation marks"],
)
def test_a_long_front_matter_costs_little(matter: str) -> None:
    """In proportion to its length, whatever stands in it."""
    began = time.process_time()
    keywords.of_front_matter(matter[: len(matter) // 4])
    quarter = time.process_time() - began
    keywords.of_front_matter(matter)
    assert time.process_time() - began - quarter < 16 * max(quarter, 0.02)
