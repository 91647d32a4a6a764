"""Corpora, questions and the passages that answer them, as Chroma's chunking evaluation lays them out.

    FOLDER/retrieval/data/corpora/<corpus>.md
    FOLDER/retrieval/data/questions_df.csv        question, references, corpus_id

``references`` is a JSON list of ``{content, start_index, end_index}``: half-open character offsets in the corpus. FOLDER is
``$INGESTOR_BENCH_DATA``, else ``../shared/bench`` beside the checkout. The data are not ours and not part of the project.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

PARTS = {"dev": ("finance", "wikitexts", "chatlogs"), "held out": ("pubmed", "state_of_the_union")}
"""Within a part only its own chunks compete. The second is for a last look, never for a choice."""

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    question: str
    corpus: str
    answers: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    name: str
    folder: Path
    corpora: Mapping[str, str]
    asked: Sequence[Asked]

    @property
    def characters(self) -> int:
        return sum(map(len, self.corpora.values()))


def folder() -> Path:
    given = os.environ.get("INGESTOR_BENCH_DATA")
    return (Path(given) if given else ROOT.parent / "shared" / "bench") / "retrieval" / "data"


def parts() -> list[Part]:
    """Those whose corpora are there; raises ``FileNotFoundError`` with what to do when none is."""
    at = folder()
    if not (at / "questions_df.csv").exists():
        raise FileNotFoundError(
            f"There are no benchmark data at {at}. Set INGESTOR_BENCH_DATA to the folder that holds retrieval/data."
        )
    with (at / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for name, wanted in PARTS.items():
        asked = [
            Asked(
                question=row["question"],
                corpus=row["corpus_id"],
                answers=tuple((int(r["start_index"]), int(r["end_index"])) for r in json.loads(row["references"])),
            )
            for row in rows
            if row["corpus_id"] in wanted
        ]
        # In the order of the questions, so that equal scores fall as in every other run.
        corpora = {
            corpus: (at / "corpora" / f"{corpus}.md").read_text(encoding="utf-8")
            for corpus in dict.fromkeys(one.corpus for one in asked)
        }
        if corpora:
            found.append(Part(name=name, folder=at / "corpora", corpora=corpora, asked=asked))
    return found
