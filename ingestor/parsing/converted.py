"""EPUB, OpenDocument text and RTF: pandoc makes HTML of them, the HTML adapter reads that."""

from __future__ import annotations

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing.archive import archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.titles import best_title
from ingestor.parsing.unstructured_adapter import pandoc_html


def parse_converted(request: ParseRequest, fmt: Format) -> Document:
    """Headings with pandoc's ids as anchors; the title is the one in the document's properties."""
    try:
        markup = pandoc_html(request.content, fmt)
    except RuntimeError as error:
        raise ParseFailure(
            ParseReason.CORRUPT,
            f"The {fmt.value} file is damaged: pandoc cannot read it.",
            hint="Restore or export the file again.",
        ) from error
    assembly = Assembly()
    page = add_html(assembly, markup)
    own = ""
    if fmt is not Format.RTF:
        with open_archive(request.content, fmt.value) as archive:
            own = archive_title(archive)
    return assembly.document(title=best_title((own, page.heading, assembly.first_heading())), kind=fmt.value)
