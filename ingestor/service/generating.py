"""``eval generate``: the documents that questions are made of, as their reader sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from ingestor.evaluation.generate import Generated, Outline, chosen, generate
from ingestor.ledger.ledger import Ledger
from ingestor.model import DocId, Filters, Reader

_PASSAGES = 200  # of one document that are looked at
_FILE = "file://"


def generated(ledger: Ledger, count: int, seed: int, sources: Sequence[str], reader: Reader) -> Sequence[Generated]:
    """Of documents that the reader may see (R7), in an order that the seed decides and no id does."""
    documents = ledger.search.documents(reader, Filters(sources=tuple(sources)))
    places = chosen([title for _, title in documents], seed)
    return generate(_outlines(ledger, [documents[place][0] for place in places], reader), count)


def _outlines(ledger: Ledger, documents: Sequence[DocId], reader: Reader) -> Iterator[Outline]:
    for document in documents:
        hits = ledger.search.passages(document, 0, _PASSAGES, reader)
        if hits:
            yield Outline(
                title=hits[0].title,
                uri=hits[0].uri,
                path=_path(hits[0].url),
                passages=tuple((hit.section, hit.text) for hit in hits),
            )


def _path(url: str) -> str:
    """Of a file that lies on this machine."""
    return os.fsdecode(unquote_to_bytes(url.removeprefix(_FILE))) if url.startswith(f"{_FILE}/") else ""
