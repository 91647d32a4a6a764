"""An evaluation set: one JSON object a line, ``{"question": "...", "answer": "..."}``.

``answer`` is a passage as it stands in a document, or a list of passages that are all needed; ``path``, where it is
given, the file that should hold them. Other keys are for people and are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    question: str
    answers: tuple[str, ...]
    path: str = ""


def read_questions(text: str, where: str) -> Sequence[Question]:
    """The questions of an evaluation set. Raises ``ConfigError`` with every line that is wrong."""
    found: list[Question] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_question(json.loads(line)))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if not found and not problems:
        problems.append("it holds no question")
    if problems:
        raise ConfigError(problems, where=where)
    return found


def _question(value: object) -> Question:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # of a piece with what json raises
    question, answer = value.get("question"), value.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise ValueError('"question" is missing or empty')
    parts = answer if isinstance(answer, list) else [answer]
    answers = tuple(part for part in parts if isinstance(part, str) and part.strip())
    if not answers or len(answers) < len(parts):
        raise ValueError('"answer" has to be a passage or a list of passages')
    path = value.get("path", "")
    if not isinstance(path, str):
        raise ValueError('"path" has to be text')  # noqa: TRY004  # likewise
    return Question(question=question, answers=answers, path=path)
