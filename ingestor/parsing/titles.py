"""A document's title: what its author wrote, unless a program wrote it."""

from __future__ import annotations

import re

_LIMIT = 200
# What programs put into the title field of files nobody gave a title.
_JUNK = re.compile(
    r"(untitled.*|(word|powerpoint|excel)[ -]?(document|presentation)?|presentation\d*|document\d*|slide \d+"
    r"|title|microsoft (word|powerpoint|excel)\b.*|.*\.(docx?|pptx?|xlsx?|dvi|indd|qxd|tex|ps|pdf|fm|p65|rtf)"
    r"|pagina \d+|page \d+|home|index)",
    re.IGNORECASE,
)


def clean_title(text: str) -> str:
    """One line, without control characters, at most 200 characters; empty where it says nothing."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not any(c.isalnum() for c in line) or _JUNK.fullmatch(line):
        return ""
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1].rstrip() + "…"


def best_title(candidates: tuple[str, ...]) -> str:
    """The first candidate that says something; empty where none does. What such a document is called then
    is its file's name, which may change without its content."""
    return next((title for title in map(clean_title, candidates) if title), "")
