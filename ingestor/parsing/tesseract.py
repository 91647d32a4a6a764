"""The program that reads text in pictures: whether it is here, which languages it knows, and one page by it.

A plain subprocess: the picture goes in by a pipe, words with their confidence come out as TSV, and no file is made. It
stays in the worker's process group and under its filter, so that it ends with it and has no network.
"""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROGRAM = "tesseract"
_ASK_SECONDS = 20.0
# Models that are no language: orientation, formulas.
_NO_LANGUAGE = frozenset({"osd", "equ"})
_LANGUAGE = re.compile(r"[A-Za-z]{3}(?:_[A-Za-z]+)*")
# Each language costs time on each page. Who has more installed says which of them his documents are in.
_LANGUAGES = 4
_FIRST = "eng"

# Layout as tesseract sees it; the second form also finds out which way is up, and costs a third more.
UPRIGHT, TURNED = "3", "1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tesseract:
    """The installed program: its version and the languages that it has, in alphabetical order."""

    version: str
    languages: tuple[str, ...]

    def chosen(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The languages to read with: those of ``wanted`` that are here, or without a wish English and what else is
        here."""
        if wanted:
            return tuple(language for language in wanted if language in self.languages)
        first = [_FIRST] if _FIRST in self.languages else []
        return tuple([*first, *(language for language in self.languages if language != _FIRST)][:_LANGUAGES])


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """``line`` names block, paragraph and line of the page; ``confidence`` is of 100."""

    text: str
    line: tuple[int, int, int]
    confidence: float


class TooSlow(Exception):
    """A page took more processor time than it may."""


class Failed(Exception):
    """The program ended with an error."""


@cache
def installed() -> Tesseract | None:
    """Asked once a process; the program answers in milliseconds."""
    version = re.search(r"tesseract v?(\S+)", _asked("--version"))
    if version is None:
        return None
    lines = _asked("--list-langs").splitlines()
    languages = sorted(line for line in lines if _LANGUAGE.fullmatch(line) and line not in _NO_LANGUAGE)
    return Tesseract(version=version[1], languages=tuple(languages))


@cache
def seen() -> Tesseract | None:
    """What ``installed`` says, told from files: a run without work starts no program (R9). The version is that of the
    program's file. Where no languages are found this way, the program is asked after all."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    stems = {model.stem for folder in _models(Path(program)) for model in folder.glob("*.traineddata")}
    languages = sorted(stem for stem in stems if _LANGUAGE.fullmatch(stem) and stem not in _NO_LANGUAGE)
    if not languages:
        return installed()
    facts = Path(program).stat()
    return Tesseract(version=f"{facts.st_size}.{int(facts.st_mtime)}", languages=tuple(languages))


def _models(program: Path) -> Iterator[Path]:
    """Folders that models may lie in: where the environment says, else beside the program."""
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        yield from (Path(prefix), Path(prefix) / "tessdata")
        return
    share = program.resolve().parent.parent / "share"
    yield share / "tessdata"
    yield from share.glob("tesseract-ocr/*/tessdata")


def words(picture: bytes, *, languages: Sequence[str], layout: str, seconds: float) -> list[Word]:
    """The words of one page (a PGM picture), in reading order. ``seconds`` are of the processor: how long a page takes
    must not depend on what else the machine does. Raises ``TooSlow``, ``Failed``."""
    command = [PROGRAM, "stdin", "stdout", "-l", "+".join(languages), "--psm", layout, "--dpi", "300", "tsv"]
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},  # pages are read side by side already
        ) as process:
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
            answer, _ = process.communicate(picture)
    except OSError as error:
        raise Failed(str(error)) from error
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TooSlow
    if process.returncode != 0:
        raise Failed(f"exit {process.returncode}")
    return list(filter(None, map(_word, answer.decode("utf-8", "replace").split("\n"))))


def _word(row: str) -> Word | None:
    """A row of the table is a page, a block, a paragraph, a line, or a word (level 5)."""
    level, _, rest = row.partition("\t")
    if level != "5":
        return None
    _, block, paragraph, line, _, _, _, _, _, confidence, text = rest.split("\t", 10)
    if not text.strip():
        return None
    return Word(text=text.strip(), line=(int(block), int(paragraph), int(line)), confidence=float(confidence))


def _asked(option: str) -> str:
    try:
        done = subprocess.run(
            [PROGRAM, option], check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # Which of the two it writes to has changed with its versions.
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
