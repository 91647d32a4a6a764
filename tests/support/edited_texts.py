"""Made-up texts of many kinds, and edits of one sentence (or line, or row) of them: what each changes of the chunks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ingestor.model import Document, ParseRequest, Passage, Unit
from ingestor.parsing.markdown import parse_markdown
from ingestor.ports import Cutter

_LETTERS = "aaabcdeeefghiiklmnooprssttuvwz"


class TextKind(StrEnum):
    PARAGRAPHS = "paragraphs"
    HEADINGS = "headings"
    RUNNING = "running text"
    LONG_PARAGRAPHS = "long paragraphs"
    TABLE = "table"
    CHAT = "chat"
    NUMBERED = "alike, numbered"
    EQUAL = "equal"
    MIXED = "mixed"


class EditKind(StrEnum):
    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What one edit did: chunks that left and came, units that no chunk had before."""

    kind: EditKind
    rows: int
    embedded: int


class Texts:
    """Equal seeds give equal texts and edits."""

    def __init__(self, kind: TextKind, seed: int) -> None:
        self.kind = kind
        self.random = random.Random(f"{kind} {seed}")
        self._words = ["".join(self.random.choices(_LETTERS, k=self.random.randint(2, 10))) for _ in range(2_000)]
        self._made = 0

    def words(self, least: int, most: int) -> str:
        return " ".join(self.random.choices(self._words, k=self.random.randint(least, most)))

    def sentence(self) -> str:
        return self.words(5, 25).capitalize() + "."

    def paragraph(self, least: int, most: int) -> str:
        return " ".join(self.sentence() for _ in range(self.random.randint(least, most)))

    def row(self) -> str:
        return (
            f"| {self.words(1, 1)}-{self.random.randint(0, 9999)} | {self.words(1, 6)} | {self.random.random():.5f} |"
        )

    def text(self, size: int) -> str:
        """About so many characters of Markdown."""
        blocks: list[str] = []
        while sum(map(len, blocks)) < size:
            blocks.extend(self._block() for _ in range(20))
        match self.kind:
            case TextKind.TABLE:
                return "| id | what | value |\n|---|---|---|\n" + "\n".join(blocks)
            case TextKind.RUNNING | TextKind.NUMBERED | TextKind.EQUAL:
                return " ".join(blocks)
            case TextKind.CHAT:
                return "\n".join(blocks)
            case _:
                return "\n\n".join(blocks)

    def _block(self) -> str:
        chance = self.random.random()
        match self.kind:
            case TextKind.HEADINGS if chance < 0.15:
                return "## " + self.words(2, 4).capitalize()
            case TextKind.RUNNING:
                return self.sentence()
            case TextKind.LONG_PARAGRAPHS:
                return self.paragraph(5, 18)
            case TextKind.TABLE:
                return self.row()
            case TextKind.CHAT:
                return f"{self.random.choice(['Anna', 'Bob', 'Carl'])}: {self.paragraph(1, 3)}"
            case TextKind.NUMBERED:
                self._made += 1
                return f"Alike sentence number {self._made} says what all the others say."
            case TextKind.EQUAL:
                return "This sentence says what all the others say, word for word."
            case TextKind.MIXED:
                return self._mixed(chance)
            case _:
                return self.paragraph(1, 6)

    def _mixed(self, chance: float) -> str:
        if chance < 0.08:
            return "## " + self.words(2, 4).capitalize()
        if chance < 0.6:
            return self.paragraph(1, 12)
        if chance < 0.8:
            return "\n".join("- " + self.sentence() for _ in range(self.random.randint(2, 8)))
        if chance < 0.9:
            return "\n".join(
                ["The table:\n\n| a | b | c |\n|---|---|---|", *(self.row() for _ in range(self.random.randint(2, 15)))]
            )
        return self.words(2, 3).capitalize()

    def edit(self, text: str, unit: Unit, kind: EditKind) -> str:
        """The text with one of its sentences replaced or gone, or with another one before it."""
        if text[text.rfind("\n", 0, unit.start) + 1] == "|":  # a row gives way to a row, else the table would end
            start, end = text.rfind("\n", 0, unit.start) + 1, text.find("\n", unit.end)
            end = len(text) if end < 0 else end + 1
            new = self.row() + "\n"
        else:
            start, end = unit.start, unit.end + (text[unit.end : unit.end + 1] == " ")
            new = self.sentence() + " "
        match kind:
            case EditKind.REPLACE:
                return text[:start] + (new if end > unit.end else new.rstrip()) + text[end:]
            case EditKind.INSERT:
                return text[:start] + new + text[start:]
            case EditKind.DELETE:
                return text[:start] + text[end:]


def parsed(text: str) -> Document:
    return parse_markdown(ParseRequest(name="a.md", content=text.encode()))


def difference(before: Mapping[str, int], after: tuple[Passage, ...]) -> int:
    """Rows of chunks that an edit removes and inserts."""
    new = Counter(passage.text for passage in after)
    old = Counter(before)
    return (old - new).total() + (new - old).total()


def edits(texts: Texts, cutter: Cutter, *, size: int, count: int) -> Iterator[Edited]:
    """So many edits of one text, each of the text as it was made."""
    text = texts.text(size)
    passages = cutter.cut(parsed(text))
    before = Counter(passage.text for passage in passages)
    units = [unit for passage in passages for unit in passage.units]
    known = {unit.text for unit in units}
    first = 1 if texts.kind is TextKind.TABLE else 0  # the header is no row
    for number in range(count):
        kind = list(EditKind)[number % len(EditKind)]
        unit = texts.random.choice(units[first:])
        while text[unit.start] == "#" or text.startswith("| a |", unit.start):  # headings, the header of a table
            unit = texts.random.choice(units)
        after = cutter.cut(parsed(texts.edit(text, unit, kind)))
        yield Edited(
            kind=kind,
            rows=difference(before, after),
            embedded=len({unit.text for passage in after for unit in passage.units} - known),
        )
