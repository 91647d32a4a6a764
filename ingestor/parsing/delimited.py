"""CSV and its kin: one table, cells exactly as they stand.

Read with the standard library: unstructured reads through pandas, which turns 007 into 7 and drops cells
that say NA or null.
"""

from __future__ import annotations

import csv
import sys

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.tables import table_text
from ingestor.parsing.text import decode

_DELIMITERS = ",;\t|"
_SAMPLE = 64 * 1024


def parse_csv(request: ParseRequest) -> Document:
    """One table element; its context is the header row where the first row is one."""
    text = decode(request.content)
    csv.field_size_limit(sys.maxsize)  # the default of 128 KiB refuses legal files
    delimiter = "\t" if request.name.lower().endswith((".tsv", ".tab")) else _delimiter(text[:_SAMPLE])
    body, header = table_text(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    assembly = Assembly()
    assembly.block(ElementKind.TABLE, body, context=header)
    return assembly.document(title="", kind=Format.CSV.value)


def _delimiter(sample: str) -> str:
    """The delimiter that splits most lines into the same number of cells, at least two."""
    best, score = ",", 0
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in csv.reader(sample.splitlines()[:200], delimiter=delimiter) if row]
        common = max(set(widths), key=lambda w: (widths.count(w), w), default=1)
        if common > 1 and widths.count(common) * 1000 + common > score:
            best, score = delimiter, widths.count(common) * 1000 + common
    return best
