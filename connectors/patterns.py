"""Patterns that include and exclude: gitignore lines, matched by pathspec against a path as text.

In that text undecodable bytes are surrogate escapes and a newline is a private character, since ``$`` and
``.`` treat newlines apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from connectors.paths import display

_NEWLINE = "\ue00a"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One pattern. ``excludes`` is False for ``!pattern``. ``beneath`` marks ``x/**``, which speaks of
    what is in a folder and not of the folder, so that a later ``!x/keep`` can still be reached."""

    text: str
    number: int
    excludes: bool
    beneath: bool
    regex: re.Pattern[str]

    def matches(self, path: str, *, is_dir: bool) -> bool:
        return self.regex.search(path + "/" if is_dir and not self.beneath else path) is not None


def text_of(path: bytes) -> str:
    """The form of a path that patterns are matched against."""
    return os.fsdecode(path).replace("\n", _NEWLINE)


def compile_line(text: str, number: int = 0) -> Line | None:
    """None for a comment, a blank line, or (as git has it) one that makes no sense."""
    try:
        pattern = GitIgnoreSpecPattern(text.replace("\n", _NEWLINE))
    except (GitIgnorePatternError, re.error):
        return None
    if pattern.regex is None or pattern.include is None:
        return None
    return Line(
        text=text,
        number=number,
        excludes=pattern.include,
        beneath=text.rstrip().endswith("/**"),
        regex=pattern.regex,
    )


def compile_lines(texts: Iterable[str]) -> tuple[Line, ...]:
    lines = (compile_line(text, number) for number, text in enumerate(texts, start=1))
    return tuple(line for line in lines if line is not None)


def decide(lines: Sequence[Line], path: str, *, is_dir: bool) -> Line | None:
    """The line that decides on a path: the last one that matches."""
    return next((line for line in reversed(lines) if line.matches(path, is_dir=is_dir)), None)


def display_text(text: str) -> str:
    """``display`` of a matched text."""
    return display(os.fsencode(text.replace(_NEWLINE, "\n")))


def shown(path: str) -> str:
    """A matched text in a sentence, in quotes."""
    return f'"{display_text(path)}"'
