"""Why a file has few of the words that another reader finds, looked at one by one."""

from __future__ import annotations

import re

from tests.realfiles.fetch import RealFile

# (pattern of the file's name, reason); the first that matches.
REASONS: tuple[tuple[str, str], ...] = (
    (r"uchardet/test/", "a charset without a mark, told from few letters; a neighbour of the right one was taken"),
    (r"wikipedia-table-bordercase", "a page's note of other meanings, marked as no part of the print"),
    (r"sphinx13/layout\.html", "a template: its navigation and footer are left out as those of a page are"),
    (r"reference_link\.ipynb", "the definitions of links are no text of a Markdown cell"),
    (r"(aggregations|qux)\.rst", "names for the machine that makes the pages (autosummary, toctree) are left out"),
    (r"odt_contents\.odt", "the generated table of contents, which pandoc leaves out"),
    (r"userfields\.odt", "the value of a field, which pandoc leaves out"),
    (r"list_complex\.rtf", "the other reader counts the marks of list items (a, b, i, ii)"),
    (r"rtf/formatting\.rtf", "hidden text, which pandoc leaves out"),
    (r"(body|symbol)\.rtf", "Greek letters of the Symbol font, which pandoc takes for Latin ones"),
    (r"(arrays|functions|yalta2008)\.xls", "the other reader shows formulas' errors and numbers in words of its own"),
    (r"headers-footers-2007\.pptx", "header and footer of the page of notes"),
    (
        r"(fields|Bug44431)\.doc",
        "the other reader shows the instructions of fields, and results that LibreOffice makes anew",
    ),
)


def reason_of(file: RealFile) -> str:
    return next((reason for pattern, reason in REASONS if re.search(pattern, file.name)), "not looked at yet")
