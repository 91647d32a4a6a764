"""The type of an item, by its content and its name together.

Content decides wherever it can tell (signatures, zip members, OLE streams); the name decides among
things that are all text. A name that promises an office file over content that is none is an error
that a person should see; a missing or foreign name over readable text is text.
"""

from __future__ import annotations

import io
import re

from ingestor.errors import ParseFailure, ParseReason
from ingestor.parsing.archive import archive_format, encrypted, open_archive
from ingestor.parsing.formats import FOREIGN, Format, named_format
from ingestor.parsing.text import looks_like_text

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_WHITE = b" \t\r\n\x0c"

# Streams of an OLE container, and what they make it.
_OLE_STREAMS = {
    "WordDocument": Format.DOC,
    "Workbook": Format.XLS,
    "Book": Format.XLS,
    "PowerPoint Document": Format.PPT,
    "__properties_version1.0": Format.MSG,
}
# PNG, JPEG, GIF, TIFF of both byte orders and in the form for more than 4 GiB.
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_BINARY = (
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"Rar!", "RAR archive"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"SQLite format 3\x00", "SQLite database"),
)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MAIL = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}", re.ASCII)
_MAIL_HEADS = re.compile(rb"^(from|received|message-id|mime-version|return-path):", re.IGNORECASE | re.MULTILINE)

# Formats whose content has a signature of its own; a name alone does not make them.
_SIGNED = frozenset(
    {Format.DOCX, Format.PPTX, Format.XLSX, Format.PDF, Format.EPUB, Format.ODT, Format.RTF}
    | {Format.ODS, Format.ODP, Format.XLS, Format.MSG, Format.DOC, Format.PPT, Format.IMAGE}
)
_EMPTY_IS_VALID = frozenset({Format.TEXT, Format.MARKDOWN, Format.RST, Format.ORG, Format.ASCIIDOC})


def detect(name: str, content: bytes, media_type: str | None = None) -> Format:
    """The format to parse ``content`` as. Raises ``ParseFailure`` where there is none: unsupported,
    encrypted, corrupt, expansion, no_text (nothing in a file that should hold an office document)."""
    named = named_format(name, media_type)
    if not content.strip(_WHITE):
        return _empty(named)
    if (signed := _by_signature(content, name)) is not None:
        return signed
    if not looks_like_text(content):
        if named in _SIGNED:
            raise _not_what_it_says(named)
        raise _unsupported(_binary_name(content, name))
    return _textual(content, named)


def _by_signature(content: bytes, name: str) -> Format | None:
    if content.startswith(_OLE):
        return _ole_format(content, name)
    if content.startswith(_ZIP):
        fmt = archive_format(open_archive(content, "zip"))
        if fmt is None:
            raise _unsupported(FOREIGN.get(_extension(name), "zip archive"))
        return fmt
    # Readers accept junk before the mark within the first kilobyte; so do mail gateways that add it.
    if b"%PDF-" in content[:1024]:
        return Format.PDF
    if content.lstrip(_WHITE).startswith(b"{\\rtf"):
        return Format.RTF
    return Format.IMAGE if _is_image(content) else None


def _is_image(content: bytes) -> bool:
    if content.startswith(_IMAGES) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP"):
        return True
    # Two letters may begin any text: a bitmap has its reserved bytes at zero, too.
    return content.startswith(b"BM") and content[6:10] == bytes(4)


def _textual(content: bytes, named: Format | None) -> Format:
    """Among things that are text: the name, unless it promises what has a signature."""
    head = content[:4096].replace(b"\0", b"")  # UTF-16 reads well enough for this
    if named is not None and named not in _SIGNED:
        return named
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
    if _HTML.search(head) and start.startswith(b"<"):
        return Format.HTML
    if start.startswith(b"<?xml"):
        return Format.XML
    if named is None and _MAIL.match(start) and len(_MAIL_HEADS.findall(start)) >= 2:
        return Format.EMAIL
    return Format.TEXT


def _empty(named: Format | None) -> Format:
    """An empty text is a valid text; an empty office file is a lost document."""
    if named is None or named in _EMPTY_IS_VALID:
        return named or Format.TEXT
    raise ParseFailure(
        ParseReason.NO_TEXT,
        "The file is empty.",
        hint="Restore or export the file again, or exclude it.",
    )


def _ole_format(content: bytes, name: str) -> Format:
    """What an OLE container holds: a document of before 2007, or a current one that is encrypted."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(content)) as ole:
            streams = {"/".join(path) for path in ole.listdir()}
            head = ole.openstream("WordDocument").read(12) if "WordDocument" in streams else b""
    except Exception as error:  # a damaged container can fail anywhere in the reader
        raise ParseFailure(
            ParseReason.CORRUPT,
            "The file is not a whole office container.",
            hint="Restore or export the file again.",
        ) from error
    if "EncryptedPackage" in streams:
        raise encrypted("office")
    fmt = next((fmt for stream, fmt in _OLE_STREAMS.items() if stream in streams), None)
    if fmt is None:
        raise _unsupported(FOREIGN.get(_extension(name), "OLE container"))
    # The flag in the head of a Word file, the summary that PowerPoint encrypts apart; Excel's is in its records.
    if (len(head) == 12 and head[11] & 0x01) or "EncryptedSummary" in streams:
        raise encrypted(fmt.value)
    return fmt


def _not_what_it_says(named: Format) -> ParseFailure:
    return ParseFailure(
        ParseReason.CORRUPT,
        f"The file is named as {named.value} but does not hold one.",
        hint="Restore or export the file again.",
    )


def _unsupported(what: str) -> ParseFailure:
    hint = "Save it in a current office format or as PDF, or exclude it." if what in FOREIGN.values() else ""
    return ParseFailure(
        ParseReason.UNSUPPORTED,
        f"There is no parser for this kind of file ({what}).",
        hint=hint or "Exclude such files, or export them as PDF, HTML or text.",
    )


def _binary_name(content: bytes, name: str) -> str:
    known = next((title for magic, title in _BINARY if content.startswith(magic)), None)
    return known or FOREIGN.get(_extension(name), "binary data")


def _extension(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
