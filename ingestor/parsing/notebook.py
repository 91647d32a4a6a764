"""Jupyter notebooks: cells in their order. Markdown cells as Markdown, code as code, outputs where they are text.

Read with the json module: a notebook is read-only here, and neither validation nor conversion between versions
of the format is wanted, which is all that a library would add.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.markdown import read_markdown
from ingestor.parsing.structured import parse_json
from ingestor.parsing.text import canonical, decode
from ingestor.parsing.titles import best_title

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours of terminal output
_HEADING_LEVELS = 6


def parse_notebook(request: ParseRequest) -> Document:
    """Sections from the headings of Markdown cells. What is no notebook is read as JSON, or as text."""
    cells, own = _notebook(decode(request.content))
    if cells is None:
        return parse_json(request)
    assembly = Assembly()
    for cell in cells:
        if isinstance(cell, dict):
            _add_cell(assembly, cell)
    return assembly.document(title=best_title((own, assembly.first_heading())), kind=Format.NOTEBOOK.value)


def _notebook(text: str) -> tuple[list[Any] | None, str]:
    """(cells, title of the metadata). Before version 4 of the format cells stood in worksheets."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return None, ""
    if not isinstance(root, dict):
        return None, ""
    metadata = root.get("metadata")
    title = str(metadata.get("title") or "") if isinstance(metadata, dict) else ""
    if isinstance(root.get("cells"), list):
        return root["cells"], title
    sheets = root.get("worksheets")
    if not isinstance(sheets, list):
        return None, ""
    return [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))], title


def _add_cell(assembly: Assembly, cell: dict[str, Any]) -> None:
    source = _joined(cell.get("source", cell.get("input")))
    match cell.get("cell_type"):
        case "markdown":
            _add_markdown(assembly, source)
        case "heading":
            level = cell.get("level")
            assembly.heading(source, min(max(level, 1), _HEADING_LEVELS) if isinstance(level, int) else 1)
        case "code":
            assembly.block(ElementKind.CODE, source)
            for output in _list(cell.get("outputs")):
                if isinstance(output, dict):
                    _add_output(assembly, output)
        case _:
            assembly.block(ElementKind.PARAGRAPH, source)


def _add_markdown(assembly: Assembly, source: str) -> None:
    part = read_markdown(canonical(source))
    for element in part.elements:
        if element.level is not None:
            assembly.heading(element.section[-1], element.level)
        else:
            assembly.block(element.kind, part.text[element.start : element.end], context=element.context)


def _add_output(assembly: Assembly, output: dict[str, Any]) -> None:
    """Printed text, the plain form of a result, the last line of an error. Pictures and widgets have none."""
    data = output.get("data")
    if output.get("output_type") in {"error", "pyerr"}:
        text = f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
    elif isinstance(data, dict):
        if markdown := _joined(data.get("text/markdown")):
            _add_markdown(assembly, markdown)
            return
        text = _joined(data.get("text/plain"))
    else:
        text = _joined(output.get("text"))
    assembly.block(ElementKind.CODE, _ESCAPES.sub("", text))


def _joined(value: object) -> str:
    """A multi-line string as the format stores it: one string, or a list of them."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
