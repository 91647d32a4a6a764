from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.model import ParseRequest
from ingestor.parsing.text import decode, looks_like_text, paragraphs, parse_text
from ingestor.parsing.titles import best_title, clean_title


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße".encode("utf-16-be"), "Grüße"),
        ("Grüße".encode("utf-32"), "Grüße"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"a\0b", "ab"),
        ("e\u0301".encode(), "é"),
        (
            "Der Müller wohnt in der Straße am Fluß und grüßt.".encode("cp1252"),
            "Der Müller wohnt in der Straße am Fluß und grüßt.",
        ),
        (
            ("Привет, мир! Это обычный русский текст для проверки. " * 4).encode("cp1251"),
            "Привет, мир! Это обычный русский текст для проверки. " * 4,
        ),
        (
            "L'été dernier, nous avons visité le château.".encode("cp1252"),
            "L'été dernier, nous avons visité le château.",
        ),
        ("Zażółć gęślą jaźń, proszę bardzo.".encode("cp1250"), "Zażółć gęślą jaźń, proszę bardzo."),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.".encode("cp1250"), "Příliš žluťoučký kůň úpěl ďábelské ódy."),
        ("これは試験のテキストです。".encode("shift_jis"), "これは試験のテキストです。"),
        (b"", ""),
    ],
)
def test_every_usual_encoding_is_read(content: bytes, text: str) -> None:
    """Marks, UTF-16 with and without mark, and legacy charsets end as the same canonical text."""
    assert decode(content) == text


def test_a_declared_charset_is_used_where_utf8_fails() -> None:
    """What a format says about its own charset comes before statistics, and nonsense is ignored."""
    assert decode("łódź".encode("iso-8859-2"), "iso-8859-2") == "łódź"
    assert decode("zażółć gęślą jaźń, łódź i źdźbło".encode(), "no-such-charset") == "zażółć gęślą jaźń, łódź i źdźbło"
    assert isinstance(decode(b"\xff\x80", "base64"), str)


@given(st.binary(max_size=300))
def test_any_bytes_become_canonical_text(content: bytes) -> None:
    """Decoding never fails and yields NFC text that UTF-8 can hold, without NUL or carriage return."""
    text = decode(content)
    text.encode("utf-8")
    assert "\0" not in text
    assert "\r" not in text
    assert unicodedata.is_normalized("NFC", text)


@given(st.text(alphabet="ab \n\t.é", max_size=200))
def test_paragraphs_cover_every_word(text: str) -> None:
    """Paragraph spans are in order, trimmed, disjoint, and hold everything that is not white space."""
    spans = paragraphs(text)
    position = 0
    for start, end in spans:
        assert position <= start < end <= len(text)
        assert text[start:end].strip() == text[start:end]
        assert not text[position:start].strip()
        position = end
    assert not text[position:].strip()


def test_plain_text_keeps_its_lines_and_guesses_no_heading() -> None:
    """Line numbers of the canonical text are those of the file; a short line stays a paragraph."""
    document = parse_text(ParseRequest(name="a/travel_rules.txt", content=b"TITLE\r\n\r\nBody line.\r\nMore.\r\n"))
    assert document.has_lines
    assert document.text.split("\n") == ["TITLE", "", "Body line.", "More.", ""]
    assert [e.kind.value for e in document.elements] == ["paragraph", "paragraph"]
    assert document.title == ""


def test_an_empty_text_is_a_valid_document() -> None:
    """No words, no elements, no failure."""
    assert parse_text(ParseRequest(name="a.txt", content=b"  \n")).elements == ()


@pytest.mark.parametrize(
    "junk", ["", "Untitled", "PowerPoint Presentation", "Microsoft Word - memo.doc", "a.docx", "---"]
)
def test_titles_written_by_programs_are_no_titles(junk: str) -> None:
    """Default titles of office programs give way to the file name."""
    assert clean_title(junk) == ""
    assert best_title((junk, "Memo")) == "Memo"


@pytest.mark.parametrize(("charset", "words"), [("iso2022_jp", "日本語の文書です"), ("iso2022_kr", "한국어 문서")])
def test_charsets_that_switch_by_escapes_are_read(charset: str, words: str) -> None:
    """Their bytes are plain ASCII, and would pass for a text of brackets and letters."""
    assert decode(f"{words} 14".encode(charset)) == f"{words} 14"


def test_a_stray_nul_does_not_make_a_log_a_program() -> None:
    """A crash leaves zeros in a file that is text otherwise; a file that is full of them is none."""
    assert looks_like_text(b"line of the log\n" * 40 + bytes(8) + b"next line\n" * 40)
    assert not looks_like_text(b"MZ\x90\0\3\0\0\0\4\0\0\0" + bytes(200))
