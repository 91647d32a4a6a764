from __future__ import annotations

import json

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, Element, ElementKind
from ingestor.parsing import reply


def test_a_document_survives_the_way_from_the_worker() -> None:
    """Every field of document and element arrives as it was."""
    element = Element(
        kind=ElementKind.TABLE, start=0, end=4, section=("A", "Ü"), level=None, page=3, anchor="x", context="h | i"
    )
    heading = Element(kind=ElementKind.HEADING, start=5, end=6, section=("b",), level=1)
    document = Document(
        text="日本 é\nb",
        elements=(element, heading),
        title="T",
        kind="html",
        has_lines=True,
        language="de",
        tags=("a", "ü"),
    )
    assert reply.decode(reply.encode_document(document)) == document


def test_a_failure_survives_the_way_from_the_worker() -> None:
    """Reason, sentence, hint and whether another try may help arrive as they were."""
    with pytest.raises(ParseFailure) as caught:
        reply.decode(reply.encode_failure(ParseFailure(ParseReason.NO_TEXT, "Empty.", hint="Fill it.", transient=True)))
    failure = caught.value
    assert (failure.reason, failure.message, failure.hint, failure.transient) == (
        ParseReason.NO_TEXT,
        "Empty.",
        "Fill it.",
        True,
    )


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff", b"[]", b"null", b"{}", b'{"reason": "nonsense"}', b"[" * 100_000]
    + [
        json.dumps(
            {
                "text": "abc",
                "title": "",
                "kind": "",
                "has_lines": 0,
                "language": None,
                "attachments": [],
                "tags": [],
                "elements": [e],
            }
        ).encode()
        for e in (["paragraph", 0, 9, [], None, None, None, ""], ["paragraph", 2, 1, [], None, None, None, ""], ["x"])
    ],
)
def test_a_ruined_answer_is_a_crash_and_no_document(answer: bytes) -> None:
    """The parent believes nothing that cannot be true: it has read a hostile process."""
    with pytest.raises(ParseFailure) as caught:
        reply.decode(answer)
    assert caught.value.reason is ParseReason.CRASHED
