from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import ParseRequest
from ingestor.parsing.pool import InlineParser, ParserPool
from ingestor.ports import Parser

GOOD = ParseRequest(name="guide/refunds.md", content=b"# Refunds\n\nThey take 14 days.\n")
BAD = ParseRequest(name="x.bin", content=bytes(100))


@pytest.fixture(params=["pool", "inline"])
def parser(request: pytest.FixtureRequest) -> Iterator[Parser]:
    made: Parser = ParserPool(workers=2) if request.param == "pool" else InlineParser()
    yield made
    made.close()


def test_a_document_comes_out_of_the_future(parser: Parser) -> None:
    """submit gives a future of the document, the same for equal input."""
    first, second = (parser.submit(GOOD).result(timeout=60) for _ in range(2))
    assert first == second
    assert first.title == "Refunds"
    assert [e.kind.value for e in first.elements] == ["heading", "paragraph"]


def test_a_bad_document_fails_alone(parser: Parser) -> None:
    """The future of a bad item raises ParseFailure; those beside it are not touched."""
    futures = [parser.submit(request) for request in (GOOD, BAD, GOOD, BAD, GOOD)]
    wait(futures, timeout=60)
    assert [f.exception() is None for f in futures] == [True, False, True, False, True]
    failure = futures[1].exception()
    assert isinstance(failure, ParseFailure)
    assert failure.reason is ParseReason.UNSUPPORTED
    assert failure.hint


def test_an_empty_text_is_a_document_without_elements(parser: Parser) -> None:
    """Empty text files are valid; an empty office file is not."""
    assert parser.submit(ParseRequest(name="a.txt", content=b"")).result(timeout=60).elements == ()
    with pytest.raises(ParseFailure) as caught:
        parser.submit(ParseRequest(name="a.pdf", content=b"")).result(timeout=60)
    assert caught.value.reason is ParseReason.NO_TEXT


def test_recipes_are_equal_for_every_implementation(parser: Parser) -> None:
    """The recipe is a pure function of name and media type."""
    assert parser.recipe("a.md", None) == InlineParser().recipe("b.md", None)
    assert parser.recipe("a.md", None) != parser.recipe("a.html", None)


def test_close_is_safe_twice_and_submit_after_it_is_harmless(parser: Parser) -> None:
    """After close nothing runs; a late submit is cancelled or done, and never hangs."""
    parser.submit(GOOD).result(timeout=60)
    parser.close()
    parser.close()
    with contextlib.suppress(CancelledError):
        assert parser.submit(GOOD).result(timeout=60).title == "Refunds"
