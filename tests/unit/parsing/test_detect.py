from __future__ import annotations

import gzip

import ole_samples
import parsing_samples
import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.parsing.detect import detect
from ingestor.parsing.formats import EXTENSIONS, Format, formats, named_format

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"words", Format.TEXT),
        ("a.md", b"# x", Format.MARKDOWN),
        ("README", b"plain words", Format.TEXT),
        ("script.zig", b"const x = 1;", Format.TEXT),
        ("a.txt", b"%PDF-1.7 ...", Format.PDF),
        ("a.pdf", b"\r\njunk\n%PDF-1.4", Format.PDF),
        ("page", b"<!DOCTYPE html><p>x", Format.HTML),
        ("export.doc", b"<html><body>x", Format.HTML),
        ("a.md", b"<html>in markdown", Format.MARKDOWN),
        ("feed", b'<?xml version="1.0"?><rss/>', Format.XML),
        ("a.docx", b"just text", Format.TEXT),
        ("letter", rb"{\rtf1 x}", Format.RTF),
        ("m.eml", b"Subject: x\n\ny", Format.EMAIL),
        ("message", b"From: a@x.example\nMIME-Version: 1.0\nSubject: x\n\nbody", Format.EMAIL),
        ("notes", b"Remember: milk\nBread: two\n", Format.TEXT),
        ("a.csv", "a;b\n1;2".encode("utf-16"), Format.CSV),
        ("a.txt", "Grüße".encode("utf-16-le"), Format.TEXT),
        ("a.txt", b"", Format.TEXT),
        ("a.md", b" \n", Format.MARKDOWN),
        ("nothing", b"", Format.TEXT),
        ("a.rst", b"", Format.RST),
        ("a.ipynb", b"{}", Format.NOTEBOOK),
        ("download", b"\x89PNG\r\n\x1a\n" + bytes(40), Format.IMAGE),
        ("a.pdf", b"\xff\xd8\xff\xe0" + bytes(40), Format.IMAGE),
        ("download", b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), Format.IMAGE),
        ("download", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", Format.IMAGE),
        ("a.txt", b"BMW and other makers", Format.TEXT),
        ("a.png", b"Not a picture at all", Format.TEXT),
        ("download", ole_samples.xls(), Format.XLS),
        ("download", ole_samples.msg(), Format.MSG),
        ("download", ole_samples.container({"WordDocument": bytes(12)}), Format.DOC),
        ("download", ole_samples.container({"PowerPoint Document": b"x"}), Format.PPT),
    ],
)
def test_content_decides_before_the_name(name: str, content: bytes, expected: Format) -> None:
    """A signature wins over any name; among texts the name decides."""
    assert detect(name, content) is expected


def test_office_files_are_known_without_their_names(samples: dict[str, bytes]) -> None:
    """Zip-based documents are told apart by their members, whatever they are called."""
    for name in ("refunds.docx", "refunds.pptx", "refunds.xlsx", "refunds.epub", "refunds.odt", "refunds.ods"):
        assert detect("download.bin", samples[name]).value == name.rpartition(".")[2]


@pytest.mark.parametrize(
    ("name", "content", "reason", "says"),
    [
        ("a.docx", b"PK\x03\x04broken", ParseReason.CORRUPT, "archive"),
        ("a.pdf", bytes(range(256)) * 4, ParseReason.CORRUPT, "pdf"),
        ("a.gz", gzip.compress(b"x", mtime=0), ParseReason.UNSUPPORTED, "gzip"),
        ("a.bin", bytes(200), ParseReason.UNSUPPORTED, "binary"),
        ("a.zip", parsing_samples._zipped({"a.txt": "x"}), ParseReason.UNSUPPORTED, "zip archive"),
        ("a.doc", OLE + bytes(600), ParseReason.CORRUPT, "office container"),
        ("a.docx", b"", ParseReason.NO_TEXT, "empty"),
        ("a.vsd", ole_samples.container({"VisioDocument": b"x"}), ParseReason.UNSUPPORTED, "Visio drawing"),
        ("a.docx", parsing_samples.bomb(), ParseReason.EXPANSION, "300 MiB"),
        ("a.docx", parsing_samples.encrypted_office(parsing_samples.docx()), ParseReason.ENCRYPTED, "password"),
        (
            "a.odt",
            parsing_samples._zipped(
                {"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": "<encryption-data/>"}
            ),
            ParseReason.ENCRYPTED,
            "password",
        ),
    ],
)
def test_what_cannot_be_parsed_is_refused_with_its_reason(
    name: str, content: bytes, reason: ParseReason, says: str
) -> None:
    """Each refusal names the reason, in a sentence, with a hint; none of them is worth another try."""
    with pytest.raises(ParseFailure) as caught:
        detect(name, content)
    assert caught.value.reason is reason
    assert says in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    assert not caught.value.transient


def test_the_name_comes_before_the_media_type() -> None:
    """A media type counts only where the extension says nothing."""
    assert named_format("a.md", "text/html") is Format.MARKDOWN
    assert named_format("Main_Page", "text/html; charset=utf-8") is Format.HTML
    assert named_format("Main_Page", None) is None
    assert named_format("old.doc", "text/plain") is Format.DOC
    assert named_format("plan.mpp", "text/plain") is None


def test_formats_lists_every_format_and_what_is_missing() -> None:
    """doctor can show each known extension once, with the foreign ones as not supported."""
    listed = formats()
    extensions = [extension for status in listed for extension in status.extensions]
    assert len(extensions) == len(set(extensions))
    assert {status.format for status in listed} >= {fmt.value for fmt in EXTENSIONS}
    lacking = [status for status in listed if status.format in set(Format) and not status.works]
    assert {status.missing for status in lacking} <= {
        "soffice",
        "tesseract",
    }  # a program that an installation may do without
    assert all(status.missing for status in listed if not status.works)
