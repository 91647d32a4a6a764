"""What a worker answers, as bytes: a document or a failure.

JSON and no pickle: a worker has read hostile input, and unpickling runs whatever the sender wants.
"""

from __future__ import annotations

import json
from typing import Any

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, Element, ElementKind

MORE_TIME = b"more"
"""No answer yet: a page begins that OCR reads, and the clock is put forward by what a page may take."""

_RUINED = "The parser gave an answer that cannot be true."


def encode_document(document: Document) -> bytes:
    return _dump(
        {
            "text": document.text,
            "title": document.title,
            "kind": document.kind,
            "has_lines": document.has_lines,
            "language": document.language,
            "elements": [
                [e.kind.value, e.start, e.end, list(e.section), e.level, e.page, e.anchor, e.context]
                for e in document.elements
            ],
        }
    )


def encode_failure(failure: ParseFailure) -> bytes:
    return _dump(
        {
            "reason": failure.reason.value,
            "message": failure.message,
            "hint": failure.hint,
            "transient": failure.transient,
        }
    )


def too_much_scratch() -> ParseFailure:
    """Said by a worker that may not write more, or by its parent, which looks at the whole."""
    return ParseFailure(
        ParseReason.EXPANSION,
        "Reading the file takes more temporary space than a parser is allowed.",
        hint="Check the file, or exclude it.",
    )


def too_much_memory() -> ParseFailure:
    """Said by a worker that is refused more, or by its parent, where a library died of the refusal."""
    return ParseFailure(
        ParseReason.MEMORY,
        "Parsing the file takes more memory than a parser is allowed.",
        hint="Split the file, or exclude it.",
    )


def decode(answer: bytes) -> Document:
    """The document, checked; raises the ``ParseFailure`` that was sent, or one for a ruined answer."""
    try:
        values = json.loads(answer)
        if "reason" in values:
            failure = ParseFailure(
                ParseReason(values["reason"]),
                str(values["message"]),
                hint=str(values["hint"]),
                transient=bool(values["transient"]),
            )
        else:
            return _document(values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        failure = ParseFailure(ParseReason.CRASHED, _RUINED, hint="It is tried again later.", transient=True)
        failure.__cause__ = error
    raise failure


def _document(values: dict[str, Any]) -> Document:
    sections: dict[tuple[str, ...], tuple[str, ...]] = {}  # most elements share theirs with the one before
    elements = []
    position = 0
    text = str(values["text"])
    for kind, start, end, section, level, page, anchor, context in values["elements"]:
        if not (isinstance(start, int) and isinstance(end, int) and position <= start < end <= len(text)):
            raise ValueError(_RUINED)
        position = end
        path = tuple(section)
        elements.append(
            Element(
                kind=ElementKind(kind),
                start=start,
                end=end,
                section=sections.setdefault(path, path),
                level=level,
                page=page,
                anchor=anchor,
                context=context,
            )
        )
    return Document(
        text=text,
        elements=tuple(elements),
        title=str(values["title"]),
        kind=str(values["kind"]),
        has_lines=bool(values["has_lines"]),
        language=values["language"],
    )


def _dump(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
