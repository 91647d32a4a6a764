"""What our cuts and our scoring find by the mean of several hashes.

    python -m tests.benchmarks.retrieval.hashes [--hashes N]

Where a text without headings is cut follows from a hash, and by its luck the figures of the benchmark move by a point and
more. So no change of cuts or scoring is judged by one: this takes five, on the dev part and on our own questions, with
the program's own ledger and searcher in one process. Nothing here depends on the time or on chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ingestor.chunking import SemanticCutter
from ingestor.chunking import cut as cutting
from ingestor.model import Document, ParseRequest, Reader, SearchMode
from ingestor.parsing.pool import InlineParser
from tests.acceptance.questions import TOP, questions
from tests.acceptance.taken import HANDBOOK
from tests.benchmarks.retrieval import others, ours
from tests.benchmarks.retrieval.data import ROOT, Part, parts
from tests.benchmarks.retrieval.embeddings import KeptEmbedder
from tests.benchmarks.retrieval.measures import score
from tests.benchmarks.tables import Table

HASHES = (cutting._MIX, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1)
"""The present one first; the others are odd constants of known hash functions."""

MODES = (SearchMode.DENSE, SearchMode.HYBRID)
PUBLIC = ("recall@5", "recall@4000c", "iou@5", "ndcg@10")
OWN = ("paraphrased, recall@5", "paraphrased, mean reciprocal rank", "all, recall@5", "all, mean reciprocal rank")
_DEEP = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retrieval.hashes", description=__doc__)
    parser.add_argument("--hashes", type=int, default=len(HASHES), help="only the first so many")
    hashes = HASHES[: parser.parse_args().hashes]
    cache = ROOT / ".cache" / "retrieval"
    cache.mkdir(parents=True, exist_ok=True)
    embedder = KeptEmbedder(cache / "embeddings.sqlite3")
    dev = [part for part in parts() if part.name == "dev"]
    handbook = _documents(HANDBOOK)
    found: dict[tuple[str, str], list[float]] = {}
    for mix in hashes:
        with _hashed_by(mix):
            for part in dev:
                _note(found, "dev part", _public(part, embedder))
            _note(found, "our questions", _own(handbook, embedder))
        print(f"hash {mix:#010x} done", flush=True)
    table = Table(
        title=f"Mean of {len(hashes)} hashes, per cent",
        headings=("what", "measure", "mean", "least", "most", "present"),
    )
    for (what, measure), values in found.items():
        table.add(what, measure, *(f"{100 * v:.1f}" for v in (np.mean(values), min(values), max(values), values[0])))
    table.show()


@contextmanager
def _hashed_by(mix: int) -> Iterator[None]:
    before, cutting._MIX = cutting._MIX, mix
    try:
        yield
    finally:
        cutting._MIX = before


def _note(found: dict[tuple[str, str], list[float]], what: str, values: Mapping[str, float]) -> None:
    for measure, value in values.items():
        found.setdefault((what, measure), []).append(value)


def _public(part: Part, embedder: KeptEmbedder) -> dict[str, float]:
    chunks = ours.cut(part)
    return {
        f"{mode}: {measure}": float(scores[measure].mean())
        for mode in MODES
        for scores in [score(part, chunks, others.given_our_scoring(part, chunks, embedder, mode))]
        for measure in PUBLIC
    }


def _documents(folder: Path) -> Mapping[str, Document]:
    parser = InlineParser()
    return {
        path.relative_to(folder).as_posix(): parser.submit(
            ParseRequest(name=path.name, content=path.read_bytes())
        ).result()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _own(documents: Mapping[str, Document], embedder: KeptEmbedder) -> dict[str, float]:
    cutter = SemanticCutter()
    revisions = [others.revision(name, document, cutter.cut(document)) for name, document in documents.items()]
    values: dict[str, float] = {}
    with others.searcher_over(revisions, embedder) as searcher:
        for mode in MODES:
            ranks: dict[str, list[int]] = {"paraphrased": [], "all": []}
            for asked in questions():
                hits = searcher.search(asked["question"], mode=mode, top=_DEEP, reader=Reader()).hits
                rank = _rank([hit.text for hit in hits], asked["answer"])
                ranks["all"].append(rank)
                if asked["kind"] == "paraphrase":
                    ranks["paraphrased"].append(rank)
            for name, measured in zip(OWN, _measured(ranks), strict=True):
                values[f"{mode}: {name}"] = measured
    return values


def _rank(texts: Sequence[str], answer: str) -> int:
    """From 1; 0 where the answer is in none."""
    wanted = " ".join(answer.split())
    return next((rank for rank, text in enumerate(texts, 1) if wanted in " ".join(text.split())), 0)


def _measured(ranks: Mapping[str, Sequence[int]]) -> Iterator[float]:
    for places in ranks.values():
        yield sum(0 < place <= TOP for place in places) / len(places)
        yield sum(1 / place for place in places if place) / len(places)


if __name__ == "__main__":
    main()
