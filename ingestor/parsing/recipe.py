"""Fingerprints of what would parse an item: the adapter's version and those of its libraries.

Decided by name and media type alone, without content and without importing a library, because it is asked
for every item of every listing. The number of an adapter is raised with every change of its output.
"""

from __future__ import annotations

import shutil
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from ingestor.parsing.formats import Format, claimed, named_format
from ingestor.parsing.ocr import Ocr
from ingestor.parsing.third_party import installed

# Raised when what is shared (text decoding, assembly, tables, titles, detection) changes its output.
_SHARED = 2

SOFFICE = "soffice"
"""A program and no library: that it is here is all that can be told without starting it. What waits for it is
tried again when it is installed."""
OCR = "ocr"
"""No library either: tesseract with its version and languages, and how it is used."""

_ADAPTERS: dict[Format, tuple[int, tuple[str, ...]]] = {
    Format.TEXT: (1, ()),
    Format.MARKDOWN: (2, ("markdown-it-py",)),
    Format.HTML: (6, ("lxml",)),
    Format.XML: (1, ("lxml",)),
    Format.JSON: (1, ()),
    Format.CSV: (1, ()),
    Format.DOCX: (3, ("lxml",)),
    Format.PPTX: (4, ("unstructured", "python-pptx")),
    Format.XLSX: (3, ("openpyxl", "lxml")),
    Format.PDF: (5, ("pypdfium2", "pillow", OCR)),
    Format.EMAIL: (5, ("lxml",)),
    Format.EPUB: (4, ("lxml", "pypandoc-binary")),
    Format.ODT: (4, ("lxml", "pypandoc-binary")),
    Format.RTF: (3, ("lxml", "pypandoc-binary")),
    Format.NOTEBOOK: (1, ("markdown-it-py",)),
    Format.RST: (2, ("docutils",)),
    Format.ORG: (2, ()),
    Format.ASCIIDOC: (2, ()),
    Format.ODS: (2, ("lxml",)),
    Format.ODP: (2, ("lxml",)),
    Format.XLS: (3, ("xlrd", "olefile")),
    Format.MSG: (4, ("python-oxmsg", "lxml")),
    Format.DOC: (4, (SOFFICE, "lxml")),
    Format.PPT: (4, (SOFFICE, "unstructured", "python-pptx")),
    Format.IMAGE: (1, ("pillow", OCR)),
}


# What they hold may be anything: a new parser for it is a reason to read them again.
_HOLDERS = frozenset({Format.EMAIL, Format.MSG})


def recipe(name: str, media_type: str | None, ocr: Ocr | None = None) -> str:
    """``format.version`` and the libraries; what has no known name may turn out to be anything."""
    if (other := claimed(name, media_type)) is not None:
        return f"parse.{_SHARED} {other.name}.{other.recipe}"
    return _fingerprint(named_format(name, media_type), ocr or Ocr())


@cache
def _fingerprint(fmt: Format | None, ocr: Ocr) -> str:
    if fmt is None or fmt in _HOLDERS:
        parts = [f"{known.value}.{number}" for known, (number, _) in _ADAPTERS.items()]
        parts += [f"{other.name}.{other.recipe}" for other in installed() if not other.trouble]
        libraries = sorted({library for _, needed in _ADAPTERS.values() for library in needed})
    else:
        number, needed = _ADAPTERS[fmt]
        parts, libraries = [f"{fmt.value}.{number}"], sorted(needed)
    named = [ocr.fingerprint() if library == OCR else f"{library}-{_version(library)}" for library in libraries]
    return " ".join([f"parse.{_SHARED}", *parts, *named])


@cache
def _version(library: str) -> str:
    if library == SOFFICE:
        return "here" if shutil.which(SOFFICE) else "none"
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
