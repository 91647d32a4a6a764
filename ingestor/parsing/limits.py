"""What one document may take of the machine, and what a worker is worth keeping for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """For a document: ``seconds`` of wall clock, in which waiting for a processor does not count, but never more than
    ``patience`` times as many with it; ``processor`` seconds of all its threads, ``memory`` bytes of a process,
    ``scratch`` bytes of temporary files. Each page that OCR reads may take ``page`` seconds of processor time
    and adds as many to the wall clock, and so does each of ``stretches`` of a PDF's pages of text. Before a document's
    time begins, the libraries of its format may take ``loading`` seconds. For a worker: ``documents`` until it is
    replaced, ``idle`` seconds until it ends by itself."""

    seconds: float = 60.0
    patience: float = 5.0
    processor: float = 60.0
    memory: int = 4 * 2**30
    scratch: int = 2 * 2**30
    page: float = 30.0
    stretches: int = 20  # 10,000 pages; with all of them a document has eleven minutes
    loading: float = 120.0
    documents: int = 500
    idle: float = 120.0
