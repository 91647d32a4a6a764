"""What others read out of a file: an extractor for each format that shares nothing with ours, and how much we miss.

Programs where there is a good one, else the plain text of the XML inside. Words are compared as a multiset, without
case; letters of scripts without spaces count one by one. For workbooks only words count, since numbers are shown in as
many ways as there are programs.
"""

from __future__ import annotations

import csv
import email
import io
import json
import re
import subprocess
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import olefile

from tests.realfiles.fetch import RealFile
from tests.realfiles.slides import text_of_slides

_WORDS = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+")
_LETTERS = re.compile(r"[^\W\d_]")
_SECONDS = 60
PROGRAMS = ("pdftotext", "antiword", "catdoc", "xls2csv", "unrtf")
"""The other readers that are programs of the system: Debian's poppler-utils, antiword, catdoc, unrtf."""
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def words(text: str, *, letters_only: bool = False) -> Counter[str]:
    found = _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())
    return Counter(word for word in found if not letters_only or _LETTERS.search(word))


def recall(reference: str, ours: str, kind: str) -> float | None:
    """The share of the reference's words that we have; None where there are fewer than five to compare."""
    only = kind in {"xlsx", "xls", "ods", "csv", "tsv"}
    wanted, have = words(reference, letters_only=only), words(ours, letters_only=only)
    if wanted.total() < 5:
        return None
    return (wanted & have).total() / wanted.total()


def reference(file: RealFile) -> str | None:
    """What the other reader says; None where it cannot read the file or is not here."""
    extract = _EXTRACTORS.get(file.kind)
    if extract is None:
        return None
    try:
        return extract(file)
    except (FileNotFoundError, subprocess.SubprocessError):
        return None
    except Exception:  # a damaged file may fail the other reader, too, in any way
        return None


# -- by programs -----------------------------------------------------------------------------------


def _program(*command: str) -> Callable[[RealFile], str | None]:
    def extract(file: RealFile) -> str | None:
        given = [word.replace("FILE", str(file.path)) for word in command]
        done = subprocess.run(given, check=False, capture_output=True, timeout=_SECONDS)
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    return extract


def _pandoc(source: str) -> Callable[[RealFile], str | None]:
    import pypandoc

    return _program(pypandoc.get_pandoc_path(), "--sandbox", "--wrap=none", "-f", source, "-t", "plain", "FILE")


def _unrtf(file: RealFile) -> str | None:
    text = _program("unrtf", "--html", "--nopict", "FILE")(file)
    return None if text is None else _html_text(text)


# -- the XML inside --------------------------------------------------------------------------------


def _parts(file: RealFile, pattern: str) -> Iterator[ET.Element]:
    with zipfile.ZipFile(file.path) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(pattern, name):
                yield ET.fromstring(archive.read(name))


def _walked(node: ET.Element, text: str, breaks: frozenset[str], skipped: frozenset[str]) -> Iterator[str]:
    if node.tag in skipped:
        return
    if node.tag == text:
        yield node.text or ""
    for child in node:
        yield from _walked(child, text, breaks, skipped)
    if node.tag in breaks:
        yield "\n"


def _docx(file: RealFile) -> str:
    breaks = frozenset({f"{_W}p", f"{_W}tab", f"{_W}br", f"{_W}cr"})
    skipped = frozenset({_FALLBACK, f"{_W}del", f"{_W}moveFrom"})
    pattern = r"word/(document\d*|footnotes|endnotes|header\d*|footer\d*)\.xml"
    parts = ["".join(_walked(root, f"{_W}t", breaks, skipped)) for root in _parts(file, pattern)]
    return "\n".join(dict.fromkeys(parts))


def _pptx(file: RealFile) -> str:
    breaks, skipped = frozenset({f"{_A}p", f"{_A}br"}), frozenset({_FALLBACK, f"{_A}fld"})
    pattern = r"ppt/(slides/slide\d+|notesSlides/notesSlide\d+|diagrams/data\d+)\.xml"
    return "\n".join("".join(_walked(root, f"{_A}t", breaks, skipped)) for root in _parts(file, pattern))


def _xlsx(file: RealFile) -> str:
    shared = [
        "".join(t.text or "" for t in (*item.iterfind(f"{_S}t"), *item.iterfind(f"{_S}r/{_S}t")))  # no phonetic guide
        for root in _parts(file, r"xl/sharedStrings\.xml")
        for item in root.iter(f"{_S}si")
    ]
    found = []
    for root in _parts(file, r"xl/worksheets/sheet\d+\.xml"):
        for cell in root.iter(f"{_S}c"):
            value = cell.findtext(f"{_S}v") or ""
            if cell.get("t") == "s" and value:
                found.append(shared[int(value)])
            elif cell.get("t") == "str":
                found.append(value)
            elif cell.get("t") == "inlineStr":
                found.append("".join(t.text or "" for t in cell.iter(f"{_S}t")))
    return "\n".join(found)


def _opendocument(file: RealFile) -> str:
    skipped = frozenset({f"{_OFFICE}annotation", f"{_TEXT}tracked-changes"})

    def texts(node: ET.Element) -> Iterator[str]:
        if node.tag in skipped:
            return
        yield node.text or ""
        for child in node:
            yield from texts(child)
            yield child.tail or ""
        if node.tag in {
            f"{_TEXT}p",
            f"{_TEXT}h",
            f"{_TEXT}note-citation",
            f"{_TEXT}tab",
            f"{_TEXT}s",
            f"{_TEXT}line-break",
        }:
            yield "\n"

    return "\n".join("".join(texts(b)) for root in _parts(file, r"content\.xml") for b in root.iter(f"{_OFFICE}body"))


def _epub(file: RealFile) -> str:
    with zipfile.ZipFile(file.path) as archive:
        pages = [name for name in archive.namelist() if name.lower().endswith((".xhtml", ".html", ".htm"))]
        return "\n".join(
            _html_text(archive.read(n).decode("utf-8", "replace"))
            for n in pages
            if not re.search(r"\b(nav|toc|cover)", n)
        )


def _xml(file: RealFile) -> str:
    return " ".join(ET.fromstring(file.path.read_bytes()).itertext())


# -- the rest --------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The text of a page without what stands around it by tag; what only a class tells apart stays in."""

    left_out = frozenset("script style noscript template nav header footer aside title select svg".split())

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.left_out:
            self._inside.append(tag)
        self.pieces.append("" if tag in {"b", "i", "em", "strong", "a", "span", "code", "tt", "font", "u"} else " ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[self._inside.index(tag) :]
        self.pieces.append("" if tag in {"b", "i", "em", "strong", "a", "span", "code", "tt", "font", "u"} else " ")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.pieces.append(data)


def _html_text(markup: str) -> str:
    page = _Page()
    page.feed(re.sub(r"<(title|script|style)\b[^>]*/>", "", markup))
    page.close()
    return "".join(page.pieces)


def _html(file: RealFile) -> str:
    content = file.path.read_bytes()
    named = re.search(rb"charset\s*=\s*[\"']?\s*([\w-]+)", content[:2048])
    try:
        return _html_text(content.decode(named[1].decode() if named else "utf-8", "replace"))
    except LookupError:
        return _html_text(content.decode("utf-8", "replace"))


def _eml(file: RealFile) -> str:
    """Subject and text bodies of the letter; attachments are documents of their own."""
    message = email.message_from_bytes(file.path.read_bytes())
    found = []
    for part in message.walk():
        if part.get_content_maintype() != "text" or part.get_filename():
            continue
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        text = payload.decode(part.get_content_charset() or "utf-8", "replace")
        html = part.get_content_subtype() == "html"
        if html and found:  # the other form of the same words
            continue
        found.append(_html_text(text) if html else text)
    return "\n".join(found)


def _msg(file: RealFile) -> str | None:
    """None where the charset of an 8-bit body would have to be guessed."""
    with olefile.OleFileIO(file.path) as ole:
        if ole.exists("__substg1.0_1000001F"):
            return ole.openstream("__substg1.0_1000001F").read().decode("utf-16-le", "replace")
        content = ole.openstream("__substg1.0_1000001E").read() if ole.exists("__substg1.0_1000001E") else b""
    return content.decode("ascii") if content.isascii() else None


def _ppt(file: RealFile) -> str:
    """catppt reads no text box, and shows names of designs, prompts of masters and what is on no slide."""
    return text_of_slides(file.path.read_bytes())


def _json(file: RealFile) -> str:
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                found.append(str(key))
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        else:
            found.append(json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value)

    text = file.path.read_text("utf-8-sig")
    try:
        walk(json.loads(text))
    except ValueError:
        walk([json.loads(line) for line in text.splitlines() if line.strip()])
    return "\n".join(found)


def _csv(file: RealFile) -> str:
    return "\n".join("\n".join(row) for row in csv.reader(io.StringIO(file.path.read_text("utf-8-sig"))))


def _ipynb(file: RealFile) -> str:
    """The sources of the cells; outputs come in too many forms for one reading to be right."""
    root = json.loads(file.path.read_text())
    cells = root.get("cells") or [cell for sheet in root.get("worksheets", ()) for cell in sheet["cells"]]
    return "\n".join("".join(cell.get("source", cell.get("input", ""))) for cell in cells)


def _plain(file: RealFile) -> str:
    return file.path.read_text("utf-8-sig")


def _legacy(file: RealFile) -> str:
    return file.path.read_bytes().decode(file.charset)


def _antiword(file: RealFile) -> str | None:
    return _program("antiword", "-w", "0", "-m", "UTF-8.txt", "FILE")(file) or _program(
        "catdoc", "-w", "-d", "utf-8", "FILE"
    )(file)


EXTRACTED_BY = {
    "docx": "XML of body, notes, headers",
    "pptx": "XML of slides, notes, diagrams",
    "xlsx": "XML of cells",
    "odt": "XML",
    "ods": "XML",
    "odp": "XML",
    "epub": "html.parser",
    "xml": "ElementTree",
    "pdf": "pdftotext",
    "rtf": "unrtf",
    "doc": "antiword, catdoc",
    "ppt": "records of slides, notes",
    "xls": "xls2csv",
    "eml": "email (legacy API)",
    "msg": "the body's stream",
    "html": "html.parser",
    "json": "json",
    "csv": "csv",
    "tsv": "csv",
    "md": "pandoc",
    "rst": "pandoc",
    "org": "pandoc",
    "ipynb": "sources of cells",
    "txt": "the bytes as UTF-8",
    "legacy txt": "the charset by name",
}
_EXTRACTORS: dict[str, Callable[[RealFile], str | None]] = {
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    **dict.fromkeys(("odt", "ods", "odp"), _opendocument),
    "epub": _epub,
    "xml": _xml,
    "pdf": _program("pdftotext", "-enc", "UTF-8", "FILE", "-"),
    "rtf": _unrtf,
    "doc": _antiword,
    "ppt": _ppt,
    "xls": _program("xls2csv", "-d", "utf-8", "FILE"),
    "eml": _eml,
    "msg": _msg,
    "html": _html,
    "json": _json,
    **dict.fromkeys(("csv", "tsv"), _csv),
    "md": _pandoc("gfm"),
    "rst": _pandoc("rst"),
    "org": _pandoc("org"),
    "ipynb": _ipynb,
    "txt": _plain,
    "legacy txt": _legacy,
}
