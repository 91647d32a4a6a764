"""Splitting what is longer than a unit may be."""

import random

from ingestor.chunking.length import length
from ingestor.chunking.pieces import cells, clauses, code_lines, split


def parts(text: str, most: int, places=clauses) -> list[str]:
    return [text[a:b] for a, b in split(text, 0, len(text), most, places)]


def test_short_text_stays_whole() -> None:
    """What fits is not split, only trimmed."""
    assert parts("  a short one, with a comma  ", 60) == ["a short one, with a comma"]
    assert parts("   ", 60) == []


def test_clauses_are_preferred() -> None:
    """The strongest mark in reach wins over white space."""
    text = "the first part of it is here; the second part of it follows it there, and that is all of it"
    assert parts(text, 60)[0] == "the first part of it is here;"


def test_rows_split_at_cells() -> None:
    """A long row is split between cells, not inside one."""
    row = " | ".join(f"cell number {i} here" for i in range(12))
    assert all(part.startswith("cell") for part in parts(row, 80, cells))


def test_code_splits_at_definitions() -> None:
    """Code is split at blank lines before definitions rather than inside them."""
    code = "\n\n".join(f"def f{i}(x):\n    y = x + {i}\n    return y * {i}" for i in range(8))
    assert all(part.startswith("def") for part in parts(code, 120, code_lines))


def test_an_endless_word_is_split_hard() -> None:
    """Text without any place to split keeps the bound and loses nothing, in any script."""
    for text in ("x" * 1000, "漢" * 500, "ab漢字" * 200):
        found = parts(text, 100)
        assert "".join(found) == text
        assert all(length(part) <= 100 for part in found)


def test_combining_marks_stay_with_their_letter() -> None:
    """A hard split never stands before a combining mark."""
    text = "\u0915\u093f" * 300
    assert all(part[0] == "\u0915" for part in parts(text, 101))


def test_pieces_agree_again_after_an_insertion() -> None:
    """In text without punctuation an inserted word changes a few pieces, not all that follow."""
    words = random.Random(7).choices("alpha beta gamma delta epsilon zeta eta theta iota kappa".split(), k=3000)
    before = parts(" ".join(words), 260)
    changed = [
        len(set(parts(" ".join([*words[:i], "omega", *words[i:]]), 260)) - set(before)) for i in range(0, 300, 20)
    ]
    assert sum(changed) / len(changed) < 4
    assert max(changed) < len(before) / 4
