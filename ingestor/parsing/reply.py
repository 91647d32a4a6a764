"""What a worker answers, as bytes: a document or a failure.

JSON and no pickle: a worker has read hostile input, and unpickling runs whatever the sender wants. The contents of
attachments follow the JSON after a newline, which JSON has none of, one behind the other.
"""

from __future__ import annotations

import json
from typing import Any

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Attachment, Document, Element, ElementKind
from ingestor.parsing.attachments import MOST, MOST_BYTES, clean_name

_RUINED = "The parser gave an answer that cannot be true."


def encode_document(document: Document) -> bytes:
    head = _dump(
        {
            "text": document.text,
            "title": document.title,
            "named": document.named,
            "kind": document.kind,
            "has_lines": document.has_lines,
            "language": document.language,
            "tags": list(document.tags),
            "elements": [
                [e.kind.value, e.start, e.end, list(e.section), e.level, e.page, e.anchor, e.context]
                for e in document.elements
            ],
            "attachments": [
                [a.name, a.media_type, len(a.content) if a.content is not None else None] for a in document.attachments
            ],
        }
    )
    return b"\n".join([head, b"".join(a.content or b"" for a in document.attachments)])


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
    """Said by a worker that is refused more, or by its parent, where a library died of the refusal. A worker that has
    read many documents has less than a new one: it may pass there."""
    return ParseFailure(
        ParseReason.MEMORY,
        "Parsing the file takes more memory than a parser is allowed.",
        hint="It is tried again later, in a new process. Else split the file, or exclude it.",
        transient=True,
    )


def decode(answer: bytes) -> Document:
    """The document, checked; raises the ``ParseFailure`` that was sent, or one for a ruined answer."""
    try:
        head, _, contents = answer.partition(b"\n")
        values = json.loads(head)
        if "reason" in values:
            failure = ParseFailure(
                ParseReason(values["reason"]),
                str(values["message"]),
                hint=str(values["hint"]),
                transient=bool(values["transient"]),
            )
        else:
            return _document(values, contents)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        failure = ParseFailure(ParseReason.CRASHED, _RUINED, hint="It is tried again later.", transient=True)
        failure.__cause__ = error
    raise failure


def _document(values: dict[str, Any], contents: bytes) -> Document:
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
        named=bool(values["named"]),
        kind=str(values["kind"]),
        has_lines=bool(values["has_lines"]),
        language=values["language"],
        tags=tuple(map(str, values["tags"])),
        attachments=_attachments(values["attachments"], contents),
    )


def _attachments(heads: list[list[Any]], contents: bytes) -> tuple[Attachment, ...]:
    """Exactly what follows, within the limits that the parsers keep."""
    if len(heads) > MOST + 1 or len(contents) > MOST_BYTES:
        raise ValueError(_RUINED)
    found, position = [], 0
    for name, media_type, size in heads:
        if not (isinstance(name, str) and isinstance(media_type, str | None) and isinstance(size, int | None)):
            raise TypeError(_RUINED)
        if size is not None and not 0 <= size <= len(contents) - position:
            raise ValueError(_RUINED)
        content = None if size is None else contents[position : position + size]
        position += size or 0
        # A name with half a character in it comes from a worker that was taken over.
        found.append(Attachment(name=clean_name(name), content=content, media_type=media_type))
    if position != len(contents):
        raise ValueError(_RUINED)
    return tuple(found)


def _dump(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
