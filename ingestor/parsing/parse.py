"""One item's content to a document, or to the reason why not. Runs inside a worker.

Every adapter is imported when its format is first met: text and Markdown never pay for the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import clock
from ingestor.parsing.detect import detect
from ingestor.parsing.formats import Format, claimed
from ingestor.parsing.reply import too_much_memory

MAX_BYTES = 256 * 2**20
"""Larger content is refused unread; the connectors' own limit is usually far below."""

_EMPTY_IS_VALID = frozenset({Format.TEXT, Format.MARKDOWN, Format.RST, Format.ORG, Format.ASCIIDOC})
_NO_TEXT_HINT = "Nothing to do, or exclude it."
_NO_TEXT_HINTS = {
    Format.PPT: "The slides may hold pictures only: add text, or exclude the file.",
    Format.ODP: "The slides may hold pictures only: add text, or exclude the file.",
    Format.PPTX: "The slides may hold pictures only: add text, or exclude the file.",
    Format.HTML: "The page may be filled by a script: export it from the browser, or exclude it.",
}
# On a busy machine these take longer than many a document. Slides have a preparation of their own.
_HTML = ("lxml.html",)
_LIBRARIES: dict[Format, tuple[str, ...]] = {
    Format.MARKDOWN: ("markdown_it",),
    Format.HTML: _HTML,
    Format.XML: ("lxml.etree",),
    Format.DOCX: ("lxml.etree",),
    Format.XLSX: ("openpyxl", "lxml.etree"),
    Format.PDF: ("pypdfium2", "PIL.Image"),
    Format.EMAIL: _HTML,
    Format.EPUB: ("pypandoc", *_HTML),
    Format.ODT: ("pypandoc", *_HTML),
    Format.RTF: ("pypandoc", *_HTML),
    Format.NOTEBOOK: ("markdown_it", *_HTML),
    Format.RST: ("docutils.parsers.rst",),
    Format.ODS: ("lxml.etree",),
    Format.ODP: ("lxml.etree",),
    Format.XLS: ("xlrd", "olefile"),
    Format.MSG: ("oxmsg", *_HTML),
    Format.DOC: ("lxml.etree",),
    Format.IMAGE: ("PIL.Image",),
}


def parse(request: ParseRequest) -> Document:
    """Raises ``ParseFailure`` and nothing else. Equal input gives equal output."""
    if len(request.content) > MAX_BYTES:
        raise ParseFailure(
            ParseReason.TOO_LARGE,
            f"The file is larger than {MAX_BYTES // 2**20} MiB.",
            hint="Split it, or exclude it.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries comment on odd files; the reason is what counts
            with clock.loading():
                fmt, adapter = _adapter_for(request)
            document = adapter(request)
    except ParseFailure:
        raise
    except MemoryError:
        raise too_much_memory() from None
    except RecursionError:
        raise ParseFailure(
            ParseReason.EXPANSION, "The file is nested too deeply to be read.", hint="Check the file, or exclude it."
        ) from None
    except ImportError as error:
        raise ParseFailure(
            ParseReason.UNSUPPORTED,
            f"A library for this format is not installed ({error.name}).",
            hint="See ingestor doctor.",
        ) from error
    except Exception as error:  # an adapter's library fails in its own ways on damaged input
        raise ParseFailure(
            ParseReason.CORRUPT,
            f"The file cannot be read ({type(error).__name__}).",  # its message may quote the content
            hint="Restore or export the file again, or exclude it.",
        ) from error
    if not document.elements and fmt not in _EMPTY_IS_VALID:
        raise ParseFailure(
            ParseReason.NO_TEXT,
            f"The {document.kind} file holds no text.",
            hint=_NO_TEXT_HINTS.get(fmt, _NO_TEXT_HINT) if fmt is not None else _NO_TEXT_HINT,
        )
    return document


def _adapter_for(request: ParseRequest) -> tuple[Format | None, Callable[[ParseRequest], Document]]:
    """What reads it, and as what where it is one of ours."""
    if (other := claimed(request.name, request.media_type)) is not None:
        return None, other.parse
    fmt = detect(request.name, request.content, request.media_type)
    adapter = _adapter(fmt)
    _load(fmt)
    return fmt, adapter


@cache
def _load(fmt: Format) -> None:
    """What the adapter imports when it reads, once a process."""
    if fmt in (Format.PPTX, Format.PPT):
        from ingestor.parsing.unstructured_adapter import prepare

        prepare()
    for name in _LIBRARIES.get(fmt, ()):
        import_module(name)


def _adapter(fmt: Format) -> Callable[[ParseRequest], Document]:
    match fmt:
        case Format.TEXT:
            from ingestor.parsing.text import parse_text as adapter
        case Format.MARKDOWN:
            from ingestor.parsing.markdown import parse_markdown as adapter
        case Format.HTML:
            from ingestor.parsing.html import parse_html as adapter
        case Format.XML:
            from ingestor.parsing.structured import parse_xml as adapter
        case Format.JSON:
            from ingestor.parsing.structured import parse_json as adapter
        case Format.CSV:
            from ingestor.parsing.delimited import parse_csv as adapter
        case Format.DOCX:
            from ingestor.parsing.word import parse_docx as adapter
        case Format.PPTX:
            from ingestor.parsing.unstructured_adapter import parse_pptx as adapter
        case Format.XLSX:
            from ingestor.parsing.spreadsheet import parse_xlsx as adapter
        case Format.PDF:
            from ingestor.parsing.pdf import parse_pdf as adapter
        case Format.EMAIL:
            from ingestor.parsing.mail import parse_email as adapter
        case Format.EPUB | Format.ODT | Format.RTF:
            from ingestor.parsing.converted import parse_converted

            return lambda request: parse_converted(request, fmt)
        case Format.NOTEBOOK:
            from ingestor.parsing.notebook import parse_notebook as adapter
        case Format.RST:
            from ingestor.parsing.rest import parse_rst as adapter
        case Format.ORG:
            from ingestor.parsing.org import parse_org as adapter
        case Format.ASCIIDOC:
            from ingestor.parsing.asciidoc import parse_asciidoc as adapter
        case Format.ODS:
            from ingestor.parsing.opendocument import parse_ods as adapter
        case Format.ODP:
            from ingestor.parsing.opendocument import parse_odp as adapter
        case Format.XLS:
            from ingestor.parsing.spreadsheet import parse_xls as adapter
        case Format.MSG:
            from ingestor.parsing.outlook import parse_msg as adapter
        case Format.DOC:
            from ingestor.parsing.soffice import parse_doc as adapter
        case Format.PPT:
            from ingestor.parsing.soffice import parse_ppt as adapter
        case Format.IMAGE:
            from ingestor.parsing.images import parse_image as adapter
    return adapter
