from __future__ import annotations

import subprocess
import sys

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import parse as parsing
from ingestor.parsing import text as plain
from ingestor.parsing.parse import parse

HEAVY = (
    "unstructured",
    "spacy",
    "torch",
    "numpy",
    "lxml",
    "markdown_it",
    "pypdfium2",
    "openpyxl",
    "docx",
    "pandas",
    "PIL",
)


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_naming_a_recipe_or_making_a_pool_imports_no_library() -> None:
    """A run that parses nothing loads nothing and starts nothing."""
    code = (
        "from ingestor.parsing.pool import ParserPool, InlineParser\n"
        "from ingestor.parsing.formats import formats\n"
        "pool = ParserPool(); pool.recipe('a.docx', None); pool.recipe('a.html', None); formats(); pool.close()"
    )
    assert modules_after(code) == set()


@pytest.mark.parametrize(("name", "allowed"), [("a.txt", set()), ("a.md", {"markdown_it"})])
def test_text_and_markdown_do_not_pay_for_unstructured(name: str, allowed: set[str]) -> None:
    """The commonest formats are parsed without the heavy libraries."""
    code = (
        "from ingestor.parsing.parse import parse\nfrom ingestor.model import ParseRequest\n"
        f"parse(ParseRequest(name={name!r}, content=b'# words\\n\\nmore'))"
    )
    assert modules_after(code) <= allowed


def test_too_large_content_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size is checked before anything looks at the content."""
    monkeypatch.setattr(parsing, "MAX_BYTES", 10)
    with pytest.raises(ParseFailure) as caught:
        parse(ParseRequest(name="a.txt", content=b"x" * 11))
    assert caught.value.reason is ParseReason.TOO_LARGE


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), ParseReason.MEMORY),
        (RecursionError(), ParseReason.EXPANSION),
        (ModuleNotFoundError("no", name="docx"), ParseReason.UNSUPPORTED),
        (KeyError("the secret content"), ParseReason.CORRUPT),
        (ParseFailure(ParseReason.ENCRYPTED, "Locked."), ParseReason.ENCRYPTED),
    ],
)
def test_whatever_an_adapter_raises_becomes_a_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: ParseReason
) -> None:
    """A library's exception is named by its class; its message, which may quote content, is not shown."""

    def broken(request: ParseRequest) -> Document:
        raise error

    monkeypatch.setattr(plain, "parse_text", broken)
    with pytest.raises(ParseFailure) as caught:
        parse(ParseRequest(name="a.txt", content=b"words"))
    assert caught.value.reason is reason
    assert "secret" not in str(caught.value)
