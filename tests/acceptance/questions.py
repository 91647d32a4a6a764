"""Questions about the handbook, and whether the first hits hold the document and the passage that answers."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestor.wire import SearchHit

TOP = 5
MODES = ("hybrid", "dense", "keyword")

_FUNCTION_WORDS = frozenset(
    "a an and any are as at be because been by can cannot could did do does for from had has have he her him his how i"
    " if in into is it its may me more most must my no not of off on one or our out over s she should so some"
    " somebody someone something such than that the their them then there they this those to too under until up us was we"
    " were what when where which while who whom whose why will with would you your".split()
)

_FILE = Path(__file__).parents[1] / "data" / "questions.jsonl"


def questions() -> list[dict[str, Any]]:
    """Each with question, file, answer and kind."""
    return [json.loads(line) for line in _FILE.read_text().splitlines()]


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Which questions were answered among the first hits, by search mode, kind of question and level."""

    answered: dict[tuple[str, str, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    missed: list[str] = field(default_factory=list)

    def add(self, mode: str, question: dict[str, Any], hits: Sequence[SearchHit]) -> None:
        right = {"document": has_document(hits, question["file"]), "passage": has_passage(hits, question["answer"])}
        for kind in (question["kind"], "all"):
            for level, found in right.items():
                self.answered[mode, kind, level].append(found)
        if not right["passage"]:
            self.missed.append(f"{mode}: {question['question']}")

    def share(self, mode: str, level: str, kind: str = "all") -> float:
        answers = self.answered[mode, kind, level]
        return sum(answers) / len(answers)

    @property
    def kinds(self) -> list[str]:
        return [*sorted({kind for _, kind, _ in self.answered} - {"all"}), "all"]

    def rows(self, modes: Iterable[str] = MODES) -> list[list[str]]:
        """A row a mode: document / passage (questions) of each kind."""
        return [
            [
                mode,
                *(
                    f"{self.share(mode, 'document', kind):.2f} / {self.share(mode, 'passage', kind):.2f}"
                    f" ({len(self.answered[mode, kind, 'document'])})"
                    for kind in self.kinds
                ),
            ]
            for mode in modes
        ]


def content_words(question: str) -> list[str]:
    """The words of a question that say what it is about."""
    return [word for word in dict.fromkeys(re.findall(r"\w+", question.lower())) if word not in _FUNCTION_WORDS]


def shared_words(question: str, answer: str) -> list[str]:
    """The content words that stand in the answer, stemmed as the keyword index stems them."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE answer USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
        db.execute("INSERT INTO answer VALUES (?)", (answer,))
        return [
            word
            for word in content_words(question)
            if db.execute("SELECT 1 FROM answer WHERE answer MATCH ?", (f'"{word}"',)).fetchone()
        ]


def has_document(hits: Sequence[SearchHit], file: str) -> bool:
    return any(hit.uri == f"ingestor:handbook/{file}" for hit in hits)


def has_passage(hits: Sequence[SearchHit], answer: str) -> bool:
    """White space is laid out differently in a table or a wrapped mail; the words are what counts."""
    wanted = " ".join(answer.split())
    return any(wanted in " ".join(hit.text.split()) for hit in hits)
