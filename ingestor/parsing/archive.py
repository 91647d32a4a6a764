"""What a zip container says about itself before anything in it is unpacked.

Office files, OpenDocument and EPUB are zip archives. The directory at the end names every member with
its sizes, so type, encryption and expansion are judged there, at no cost.
"""

from __future__ import annotations

import io
import re
import zipfile

from ingestor.errors import ParseFailure, ParseReason
from ingestor.parsing.formats import Format
from ingestor.parsing.keywords import listed

# A real document rarely unpacks to more than 20 times its size, and small ones do no harm: a ratio
# counts only above the floor. The ceiling is refused whatever the ratio.
_FLOOR = 64 * 2**20
_RATIO = 100
_CEILING = 2 * 2**30
_MEMBERS = 50_000

_MIMETYPES = {
    "application/epub+zip": Format.EPUB,
    "application/vnd.oasis.opendocument.text": Format.ODT,
    "application/vnd.oasis.opendocument.text-template": Format.ODT,
    "application/vnd.oasis.opendocument.spreadsheet": Format.ODS,
    "application/vnd.oasis.opendocument.spreadsheet-template": Format.ODS,
    "application/vnd.oasis.opendocument.presentation": Format.ODP,
    "application/vnd.oasis.opendocument.presentation-template": Format.ODP,
}
_TITLE_PARTS = ("docProps/core.xml", "meta.xml")
_TITLE = re.compile(rb"<(?:\w+:)?title\b[^>]*>([^<]{1,1000})</(?:\w+:)?title>")
_KEYWORDS = re.compile(rb"<(?:\w+:)?keywords?\b[^>]*>([^<]{1,2000})</(?:\w+:)?keywords?>")
_SUBJECTS = re.compile(rb"<(?:\w+:)?subject\b[^>]*>([^<]{1,1000})</(?:\w+:)?subject>")
_KEYWORDS_MOST = 200
_SMALL_PART = 2**20


def open_archive(content: bytes, what: str) -> zipfile.ZipFile:
    """The archive, checked for expansion. Raises ``ParseFailure`` (corrupt, expansion)."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise ParseFailure(
            ParseReason.CORRUPT,
            f"The file is not a whole {what} archive.",
            hint="Restore or export the file again.",
        ) from error
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > _CEILING or (unpacked > _FLOOR and unpacked > _RATIO * len(content)) or len(members) > _MEMBERS:
        raise ParseFailure(
            ParseReason.EXPANSION,
            f"The archive would unpack to {unpacked // 2**20} MiB in {len(members)} parts; it was not opened.",
            hint="Check where the file comes from, or exclude it.",
        )
    return archive


def archive_format(archive: zipfile.ZipFile) -> Format | None:
    """Which document a zip holds, None where it is some other archive. Raises on encryption."""
    names = set(archive.namelist())
    fmt = _declared(archive, names)
    if fmt is None:
        return None
    flagged = any(member.flag_bits & 0x1 for member in archive.infolist())
    if flagged or _encrypted_opendocument(archive, names) or "META-INF/rights.xml" in names:
        raise encrypted(fmt.value)
    return fmt


def archive_title(archive: zipfile.ZipFile) -> str:
    """The title in the document's own properties (Dublin Core), or an empty string."""
    names = archive.namelist()
    parts = [part for part in _TITLE_PARTS if part in names]
    parts += [name for name in names if name.endswith(".opf")][:1]
    for part in parts:
        match = _TITLE.search(_read_small(archive, part))
        if match:
            return _unescape(match[1].decode("utf-8", "replace"))
    return ""


def archive_keywords(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """The keywords in the document's own properties; of an EPUB its subjects."""
    names = archive.namelist()
    parts = [(part, _KEYWORDS) for part in _TITLE_PARTS if part in names]
    parts += [(name, _SUBJECTS) for name in names if name.endswith(".opf")][:1]
    return tuple(
        tag
        for part, pattern in parts
        for words in pattern.findall(_read_small(archive, part))[:_KEYWORDS_MOST]
        for tag in listed(_unescape(words.decode("utf-8", "replace")))
    )


def encrypted(what: str) -> ParseFailure:
    """The failure of a file that asks for a password."""
    return ParseFailure(
        ParseReason.ENCRYPTED,
        f"The {what} file is password protected.",
        hint="Remove the password or exclude the file.",
    )


def _declared(archive: zipfile.ZipFile, names: set[str]) -> Format | None:
    if "mimetype" in names:
        declared = _read_small(archive, "mimetype").decode("ascii", "replace").strip()
        if declared in _MIMETYPES:
            return _MIMETYPES[declared]
    if "word/document.xml" in names or any(name.startswith("word/document") for name in names):
        return Format.DOCX
    if "ppt/presentation.xml" in names:
        return Format.PPTX
    if "xl/workbook.xml" in names:
        return Format.XLSX
    return None


def _encrypted_opendocument(archive: zipfile.ZipFile, names: set[str]) -> bool:
    manifest = "META-INF/manifest.xml"
    return manifest in names and b"encryption-data" in _read_small(archive, manifest)


def _read_small(archive: zipfile.ZipFile, name: str) -> bytes:
    """The first MiB of a member, empty where it cannot be read: it only informs a decision."""
    try:
        with archive.open(name) as part:
            return part.read(_SMALL_PART)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, KeyError, EOFError, ValueError):
        return b""
    except Exception:  # zlib.error and whatever else a damaged member raises
        return b""


def _unescape(text: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text
