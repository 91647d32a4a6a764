r"""Bytes to canonical text, and plain text to elements.

Canonical text is Unicode in NFC with ``\n`` newlines, without a byte order mark, NUL or surrogates.
Its lines are those of the file, so line numbers agree.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata

from ingestor.model import Document, Element, ElementKind, ParseRequest
from ingestor.parsing.formats import Format

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Switches between sets of characters: what follows them is plain ASCII to everybody else.
_SWITCHED = ((b"\x1b$B", "iso2022_jp_2"), (b"\x1b$@", "iso2022_jp_2"), (b"\x1b$)C", "iso2022_kr"))
_SAMPLE = 64 * 1024
_WESTERN = "cp1252"
_CENTRAL = frozenset({"cp1250", "iso8859_2"})
# What files of before Unicode are really in; with every charset to choose from short texts go astray.
_LEGACY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "cp866", "iso8859_2"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
# Polish or Czech read as cp1252: signs inside words, or letters that never meet in one language.
_NOT_WESTERN = re.compile(r"[^\W\d_][¹²³¿¼¾£¥\ufffd]|[¹³¿][^\W\d_]|ø.*[ìž]|[ìž].*ø", re.DOTALL)
# Bytes that no text holds in number: controls except tab, newlines, form feed, backspace, escape.
_CONTROLS = bytes(set(range(32)) - {8, 9, 10, 12, 13, 27}) + b"\x7f"
_NEWLINES = re.compile(r"\r\n?")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n[ \t\f\v]*\n\s*")


def looks_like_text(content: bytes) -> bool:
    """Whether the bytes are text in some encoding rather than binary data."""
    sample = content[:_SAMPLE]
    if _marked(sample) or _unmarked_utf16(sample):
        return True
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls * 50 <= len(sample)  # NUL is one of them: a log that was cut off by a crash holds some


def decode(content: bytes, declared: str | None = None) -> str:
    """Canonical text of ``content``. ``declared`` is a charset that the format names itself.

    Never fails: what no charset can read becomes U+FFFD.
    """
    return canonical(_decoded(content, declared))


def canonical(text: str) -> str:
    r"""NFC, ``\n`` newlines, no mark, NUL or surrogate. Keeps every line where it is."""
    text = _NEWLINES.sub("\n", text.removeprefix("\ufeff").replace("\0", ""))
    if _SURROGATES.search(text):
        text = _SURROGATES.sub("\ufffd", text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def parse_text(request: ParseRequest) -> Document:
    """Plain text: its own text is canonical; paragraphs stand between blank lines, headings are not
    guessed."""
    text = decode(request.content)
    return Document(
        text=text,
        elements=tuple(Element(kind=ElementKind.PARAGRAPH, start=start, end=end) for start, end in paragraphs(text)),
        title="",
        kind=Format.TEXT.value,
        has_lines=True,
    )


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Spans of the runs between blank lines, trimmed of white space at both ends."""
    spans = []
    start = 0
    for gap in (*_BLANK_LINES.finditer(text), None):
        end = gap.start() if gap else len(text)
        piece = text[start:end]
        lead = len(piece) - len(piece.lstrip())
        if piece.strip():
            spans.append((start + lead, start + len(piece.rstrip())))
        start = gap.end() if gap else end
    return spans


def _decoded(content: bytes, declared: str | None) -> str:
    for mark, charset in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(charset, "replace")
    if wide := _unmarked_utf16(content[:_SAMPLE]):
        return content.decode(wide, "replace")
    for mark, charset in _SWITCHED:
        if mark in content[:_SAMPLE]:
            with contextlib.suppress(UnicodeDecodeError):
                return content.decode(charset)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared and _is_charset(declared):
        return content.decode(declared, "replace")
    return content.decode(_guessed(content), "replace")


def _marked(content: bytes) -> bool:
    return any(content.startswith(mark) for mark, _ in _BOMS)


def _unmarked_utf16(sample: bytes) -> str | None:
    """UTF-16 without a mark, where half of the bytes are NUL on one side: Latin text from Windows."""
    if len(sample) < 4 or b"\0" not in sample:
        return None
    even, odd = sample[0::2], sample[1::2]
    if odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _is_charset(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001  (base64, zip are codecs too)
    except (LookupError, ValueError):
        return False


def _guessed(content: bytes) -> str:
    """The charset by the statistics of a sample; the commonest legacy one where nothing can tell."""
    sample = content[:_SAMPLE]
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return _WESTERN
    best = from_bytes(sample, cp_isolation=list(_LEGACY)).best()
    if best is None:
        return _WESTERN
    # The statistics take French for Czech; letters that no western language has decide instead.
    if best.encoding in _CENTRAL and not _NOT_WESTERN.search(sample.decode(_WESTERN, "replace")):
        return _WESTERN
    return best.encoding
