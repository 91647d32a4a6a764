"""The formats that we know: their names, extensions and media types, and whether they work here."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from ingestor.parsing.third_party import ThirdParty, by_extension, by_media_type, installed


class Format(StrEnum):
    """What a document was parsed as; also ``Document.kind``."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    XML = "xml"
    JSON = "json"
    CSV = "csv"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    PDF = "pdf"
    EMAIL = "email"
    EPUB = "epub"
    ODT = "odt"
    RTF = "rtf"
    NOTEBOOK = "ipynb"
    RST = "rst"
    ORG = "org"
    ASCIIDOC = "asciidoc"
    ODS = "ods"
    ODP = "odp"
    XLS = "xls"
    MSG = "msg"
    DOC = "doc"
    PPT = "ppt"
    IMAGE = "image"


EXTENSIONS: dict[Format, tuple[str, ...]] = {
    Format.TEXT: (
        *(".txt", ".text", ".log", ".tex", ".toml", ".ini", ".cfg", ".conf"),
        *(".yaml", ".yml", ".properties", ".sql", ".py", ".sh", ".js", ".ts", ".java", ".c", ".h", ".cpp"),
        *(".go", ".rs", ".rb", ".php", ".pl", ".cs", ".css", ".srt", ".vtt"),
    ),
    Format.MARKDOWN: (".md", ".markdown", ".mdown", ".mkd", ".mdx"),
    Format.HTML: (".html", ".htm", ".xhtml"),
    Format.XML: (".xml", ".dita", ".dbk", ".rss", ".atom"),
    Format.JSON: (".json", ".jsonl", ".ndjson", ".geojson"),
    Format.CSV: (".csv", ".tsv", ".tab"),
    Format.DOCX: (".docx", ".docm", ".dotx"),
    Format.PPTX: (".pptx", ".pptm", ".ppsx", ".potx"),
    Format.XLSX: (".xlsx", ".xlsm", ".xltx"),
    Format.PDF: (".pdf",),
    Format.EMAIL: (".eml",),
    Format.EPUB: (".epub",),
    Format.ODT: (".odt", ".ott"),
    Format.RTF: (".rtf",),
    Format.NOTEBOOK: (".ipynb",),
    Format.RST: (".rst", ".rest"),
    Format.ORG: (".org",),
    Format.ASCIIDOC: (".adoc", ".asciidoc"),
    Format.ODS: (".ods", ".ots"),
    Format.ODP: (".odp", ".otp"),
    Format.XLS: (".xls", ".xlt"),
    Format.MSG: (".msg",),
    Format.DOC: (".doc", ".dot"),
    Format.PPT: (".ppt", ".pps", ".pot"),
    Format.IMAGE: (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp"),
}

MEDIA_TYPES: dict[str, Format] = {
    "text/plain": Format.TEXT,
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "text/xml": Format.XML,
    "application/xml": Format.XML,
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Format.DOCX,
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": Format.PPTX,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format.XLSX,
    "application/pdf": Format.PDF,
    "message/rfc822": Format.EMAIL,
    "application/epub+zip": Format.EPUB,
    "application/vnd.oasis.opendocument.text": Format.ODT,
    "application/rtf": Format.RTF,
    "text/rtf": Format.RTF,
    "application/x-ipynb+json": Format.NOTEBOOK,
    "text/x-rst": Format.RST,
    "text/prs.fallenstein.rst": Format.RST,
    "text/org": Format.ORG,
    "text/x-org": Format.ORG,
    "text/asciidoc": Format.ASCIIDOC,
    "text/x-asciidoc": Format.ASCIIDOC,
    "application/vnd.oasis.opendocument.spreadsheet": Format.ODS,
    "application/vnd.oasis.opendocument.presentation": Format.ODP,
    "application/vnd.ms-excel": Format.XLS,
    "application/vnd.ms-outlook": Format.MSG,
    "application/msword": Format.DOC,
    "application/vnd.ms-powerpoint": Format.PPT,
    "image/png": Format.IMAGE,
    "image/jpeg": Format.IMAGE,
    "image/tiff": Format.IMAGE,
    "image/gif": Format.IMAGE,
    "image/bmp": Format.IMAGE,
    "image/webp": Format.IMAGE,
}

# Recognised, and refused with their name: a person can do something about "a Visio drawing".
FOREIGN: dict[str, str] = {
    ".xlsb": "Excel binary workbook",
    ".vsd": "Visio drawing",
    ".vsdx": "Visio drawing (current)",
    ".pub": "Publisher document",
    ".mpp": "Project plan",
    ".one": "OneNote section",
    ".pages": "Pages document",
    ".numbers": "Numbers spreadsheet",
    ".odg": "OpenDocument drawing",
}

# What each format needs beyond the standard library: modules, and programs that a module may carry.
_NEEDS: dict[Format, tuple[str, ...]] = {
    Format.MARKDOWN: ("markdown_it",),
    Format.HTML: ("lxml",),
    Format.XML: ("lxml",),
    Format.DOCX: ("lxml",),
    Format.PPTX: ("unstructured", "pptx"),
    Format.XLSX: ("openpyxl",),
    Format.PDF: ("pypdfium2",),
    Format.EMAIL: ("lxml",),
    Format.EPUB: ("pypandoc", "pandoc", "lxml"),
    Format.ODT: ("pypandoc", "pandoc", "lxml"),
    Format.RTF: ("pypandoc", "pandoc", "lxml"),
    Format.NOTEBOOK: ("markdown_it",),
    Format.RST: ("docutils",),
    Format.ODS: ("lxml",),
    Format.ODP: ("lxml",),
    Format.XLS: ("xlrd", "olefile"),
    Format.MSG: ("oxmsg", "lxml"),
    Format.DOC: ("soffice", "lxml"),
    Format.PPT: ("soffice", "unstructured", "pptx"),
    Format.IMAGE: ("tesseract", "PIL"),
}
# What is missing for a part of a format only.
_NEEDS_IN_PART: dict[Format, tuple[str, ...]] = {Format.PDF: ("tesseract",)}
_PROGRAMS = frozenset({"soffice", "tesseract"})

_BY_EXTENSION = {extension: fmt for fmt, extensions in EXTENSIONS.items() for extension in extensions}


@dataclass(frozen=True, kw_only=True, slots=True)
class FormatStatus:
    """One line of ``doctor``: whether files with these extensions can be parsed here.

    ``missing`` names what has to be installed, or says why the format or the parser is not taken at all; ``partly``
    what has to be installed for a part of such files (scanned pages of a PDF).
    """

    format: str
    extensions: tuple[str, ...]
    works: bool
    missing: str = ""
    partly: str = ""


def named_format(name: str, media_type: str | None) -> Format | None:
    """What the name says, else what the media type says, else None. Pure, reads nothing."""
    extension = PurePosixPath(name).suffix.lower()
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    if extension in FOREIGN or media_type is None:
        return None
    return MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())


def claimed(name: str, media_type: str | None) -> ThirdParty | None:
    """The parser that somebody else brought for this: by the name, or by the media type where the name says nothing."""
    extension = PurePosixPath(name).suffix.lower()
    if (one := by_extension(extension)) is not None or extension in _BY_EXTENSION:
        return one
    return by_media_type(media_type)


def formats() -> tuple[FormatStatus, ...]:
    """Every known format with what it lacks on this machine, and the parsers that others brought; imports none of
    the libraries."""
    known = []
    for fmt, extensions in EXTENSIONS.items():
        missing, partly = _lacking(_NEEDS.get(fmt, ())), _lacking(_NEEDS_IN_PART.get(fmt, ()))
        known.append(
            FormatStatus(format=fmt.value, extensions=extensions, works=not missing, missing=missing, partly=partly)
        )
    foreign = (
        FormatStatus(format=title, extensions=(extension,), works=False, missing="not supported")
        for extension, title in FOREIGN.items()
    )
    others = (
        FormatStatus(format=one.name, extensions=one.extensions, works=not one.trouble, missing=one.trouble)
        for one in installed()
    )
    return (*known, *others, *foreign)


def _lacking(needs: tuple[str, ...]) -> str:
    return ", ".join(need for need in needs if not _present(need))


@cache
def _present(need: str) -> bool:
    if need in _PROGRAMS:
        return shutil.which(need) is not None
    if need != "pandoc":
        return find_spec(need) is not None
    if shutil.which("pandoc"):
        return True
    carrier = find_spec("pypandoc")  # the binary wheel carries the program beside its module
    return carrier is not None and any(
        (Path(place) / "files" / "pandoc").exists() for place in carrier.submodule_search_locations or ()
    )
