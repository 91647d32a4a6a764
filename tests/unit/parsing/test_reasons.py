"""Every failure of a parser is told in a sentence, with what a person can do about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ingestor
from ingestor.errors import ParseReason

PACKAGE = Path(ingestor.__file__).parent
README = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")


def failures() -> Iterator[tuple[str, ast.Call]]:
    """Each place of the program that makes a ``ParseFailure``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ParseFailure":
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


FAILURES = dict(failures())


def words(node: ast.expr | None) -> str | None:
    """A literal as it reads, with ... for what is put in; None where it is made elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
    if isinstance(node, ast.BoolOp):
        return words(node.values[-1])
    return None


@pytest.mark.parametrize("place", FAILURES)
def test_a_failure_is_a_sentence_and_a_hint(place: str) -> None:
    """Both are there, begin with a capital letter and end with a full stop."""
    call = FAILURES[place]
    hint = next((keyword.value for keyword in call.keywords if keyword.arg == "hint"), None)
    assert len(call.args) == 2
    assert hint is not None
    for said in (words(call.args[1]), words(hint)):
        if said is not None:
            assert re.fullmatch(r"(?:[A-Z]|\.\.\.).*\.", said), said


def test_every_reason_is_given_somewhere_and_explained() -> None:
    """None of the list is dead, and the README says of each what it means and what to do."""
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for reason in ParseReason:
        assert f"ParseReason.{reason.name}" in source
        (row,) = re.findall(rf"^\| `{reason.value}` \|(.*)\|(.*)\|$", README, re.MULTILINE)
        assert all(cell.strip() for cell in row)
