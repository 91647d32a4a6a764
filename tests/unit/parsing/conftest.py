from __future__ import annotations

from collections.abc import Callable, Iterator

import parsing_samples
import pytest

from ingestor.model import Document, ParseRequest
from ingestor.parsing.pool import ParserPool


@pytest.fixture(scope="session")
def worker() -> Iterator[ParserPool]:
    """One worker for all: unstructured is imported there and never in the test process."""
    pool = ParserPool(workers=1)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def parsed(worker: ParserPool) -> Callable[[str, bytes], Document]:
    def parse(name: str, content: bytes) -> Document:
        return worker.submit(ParseRequest(name=name, content=content)).result(timeout=120)

    return parse


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    return parsing_samples.every_format()
