"""A document's title: what its author wrote, unless a program wrote it, else its file name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_LIMIT = 200
# What programs put into the title field of files nobody gave a title.
_JUNK = re.compile(
    r"(untitled.*|(word|powerpoint|excel)[ -]?(document|presentation)?|presentation\d*|document\d*|slide \d+"
    r"|title|microsoft (word|powerpoint|excel)\b.*|.*\.(docx?|pptx?|xlsx?|dvi|indd|qxd|tex|ps|pdf|fm|p65|rtf)"
    r"|pagina \d+|page \d+|home|index)",
    re.IGNORECASE,
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SEPARATED = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")


def clean_title(text: str) -> str:
    """One line, without control characters, at most 200 characters; empty where it says nothing."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not any(c.isalnum() for c in line) or _JUNK.fullmatch(line):
        return ""
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1].rstrip() + "…"


def name_title(name: str) -> str:
    """The file name for people: no folder, no extension, words apart."""
    base = PurePosixPath(_SURROGATES.sub("\ufffd", name).replace("\\", "/")).name
    stem = PurePosixPath(base).stem or base
    words = stem.replace("_", " ")
    if " " not in words.strip():
        words = _SEPARATED.sub(" ", words)
    return " ".join(words.split()) or "untitled"


def best_title(candidates: tuple[str, ...], name: str) -> str:
    """The first candidate that says something, else the file name."""
    return next((title for title in map(clean_title, candidates) if title), name_title(name))
