"""EPUB, OpenDocument text and RTF: pandoc makes HTML of them, the HTML adapter reads that."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import sandbox
from ingestor.parsing.archive import archive_keywords, archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.titles import best_title


def parse_converted(request: ParseRequest, fmt: Format) -> Document:
    """Headings with pandoc's ids as anchors; the title is the one in the document's properties."""
    assembly = Assembly()
    page = add_html(assembly, _html(request.content, fmt))
    own, tags = "", page.keywords
    if fmt is not Format.RTF:
        with open_archive(request.content, fmt.value) as archive:
            own, tags = archive_title(archive), archive_keywords(archive)
    title = best_title((own, page.heading, assembly.first_heading()))
    return assembly.document(title=title, kind=fmt.value, tags=tags)


def _html(content: bytes, fmt: Format) -> str:
    """By pandoc in its sandbox: no other file, no network. Formulas as MathML, which the HTML adapter reads."""
    import pypandoc

    with tempfile.TemporaryDirectory(prefix="pandoc-") as folder:
        given = Path(folder) / f"document.{fmt.value}"
        given.write_bytes(content)
        spent = sandbox.spent_by_children()
        try:
            return str(
                pypandoc.convert_file(
                    str(given), "html", format=fmt.value, sandbox=True, extra_args=["--mathml", "--wrap=none"]
                )
            )
        except RuntimeError as error:
            sandbox.require_processor(since=spent)
            raise ParseFailure(
                ParseReason.CORRUPT,
                f"The {fmt.value} file is damaged: pandoc cannot read it.",
                hint="Restore or export the file again.",
            ) from error
        except OSError as error:
            raise ParseFailure(
                ParseReason.UNSUPPORTED, "The program pandoc is missing on this machine.", hint="Install pandoc."
            ) from error
