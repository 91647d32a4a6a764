"""What a parser that others bring by an entry point may count on, and what it cannot do to the service.

The package is real: a module and its ``dist-info`` in a folder on the module path, as pip would leave them.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestor.cli.doctor_checks import formats as doctor_formats
from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import recipe as recipes
from ingestor.parsing.formats import formats
from ingestor.parsing.limits import Limits
from ingestor.parsing.pool import InlineParser, ParserPool
from ingestor.parsing.third_party import GROUP, installed

ARCHITECTURE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"## A new parser\n.*?```python\n(.*?)```", ARCHITECTURE, re.DOTALL)
TASKS = b"TASKS for Monday\nFeed the flamingos\nCount the crates\n"

Install = Callable[..., None]
_numbers = itertools.count()


def forget() -> None:
    installed.cache_clear()
    recipes._fingerprint.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays out a package with one parser of that name; what was installed before stays."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay(code: str, *, name: str = "tasks", value: str = "") -> None:
        package = f"ingestor_brought_{next(_numbers)}"
        (tmp_path / f"{package}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value or package}\n", encoding="utf-8")
        forget()

    forget()
    yield lay
    for module in [module for module in sys.modules if module.startswith("ingestor_brought_")]:
        del sys.modules[module]
    forget()


def parsed(name: str, content: bytes = TASKS, media_type: str | None = None, **limits: float) -> Document:
    """In a worker of its own, as the service does it."""
    pool = ParserPool(workers=1, limits=Limits(**limits))  # type: ignore[arg-type]  # seconds and the like
    try:
        return pool.submit(ParseRequest(name=name, content=content, media_type=media_type)).result(timeout=120)
    finally:
        pool.close()


def test_the_example_of_the_documentation_is_a_parser(install: Install) -> None:
    """Installed, it takes its files by name and by media type, in a worker as in the foreground."""
    install(EXAMPLE)
    document = parsed("monday.tasks")
    assert (document.title, document.kind, document.has_lines) == ("TASKS for Monday", "tasks", False)
    assert [document.text[e.start : e.end] for e in document.elements][1:] == ["Feed the flamingos", "Count the crates"]
    inline = InlineParser()
    assert inline.submit(ParseRequest(name="x.TASKS", content=TASKS)).result() == document
    assert inline.submit(ParseRequest(name="x", content=TASKS, media_type="text/x-tasks; a=b")).result() == document
    assert inline.submit(ParseRequest(name="x.txt", content=TASKS, media_type="text/x-tasks")).result().kind == "text"
    with pytest.raises(ParseFailure, match="no list of tasks"):
        parsed("monday.tasks", b"something else")


def test_it_is_listed_with_the_formats(install: Install) -> None:
    """With its name and its extensions, by `formats` and by `doctor`."""
    install(EXAMPLE)
    (status,) = [status for status in formats() if status.format == "tasks"]
    assert (status.extensions, status.works, status.missing) == ((".tasks",), True, "")
    assert "tasks" in next(iter(doctor_formats())).message


def test_its_recipe_is_its_own(install: Install) -> None:
    """A new number has its files read again and no others but those that may hold anything."""
    names = ("a.tasks", "a.md", "README", "a.eml")
    bare = {name: recipes.recipe(name, None) for name in names}
    install(EXAMPLE)
    first = {name: recipes.recipe(name, None) for name in names}
    assert first["a.tasks"].endswith("tasks.1")
    assert [name for name in names if first[name] != bare[name]] == ["a.tasks", "README", "a.eml"]


def test_it_may_take_over_what_we_read(install: Install) -> None:
    """A better parser for a known format was installed on purpose."""
    install(EXAMPLE.replace('".tasks"', '".md"'), name="better")
    assert parsed("a.md").kind == "tasks"
    assert recipes.recipe("a.md", None).endswith("better.1")


BROKEN = {
    "raises": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "leaves": ("raise SystemExit(3)", "SystemExit"),
    "lacks": ("extensions = ('.tasks',)", "AttributeError"),
    "claims nothing": (EXAMPLE.replace('(".tasks",)', "()").replace('("text/x-tasks",)', "()"), "claims neither"),
    "no extension": (EXAMPLE.replace('".tasks"', '"TASKS"'), "no extension"),
    "no media type": (EXAMPLE.replace('"text/x-tasks"', '"tasks"'), "no media type"),
    "no recipe": (EXAMPLE.replace('recipe = "1"', "recipe = 1"), "no recipe"),
    "no function": (EXAMPLE + "\nparse = None\n", "no function"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_is_named_and_takes_nothing(install: Install, kind: str) -> None:
    """The service goes on without it: `formats` and `doctor` say why, everything else is read as before."""
    code, why = BROKEN[kind]
    install(code, name="broken")
    install(EXAMPLE.replace(".tasks", ".good").replace("x-tasks", "x-good"), name="good")
    (status,) = [status for status in formats() if status.format == "broken"]
    assert not status.works
    assert why in status.missing
    (check,) = [check for check in doctor_formats() if check.name == "parser broken"]
    assert why in check.message
    assert check.hint
    inline = InlineParser()
    assert inline.submit(ParseRequest(name="a.good", content=TASKS)).result().kind == "tasks"
    assert inline.submit(ParseRequest(name="a.tasks", content=TASKS)).result().kind == "text"


def test_one_that_is_not_there_is_named(install: Install) -> None:
    """An entry point that leads nowhere."""
    install("", name="gone", value="ingestor_brought_nothing.parser")
    (status,) = [status for status in formats() if status.format == "gone"]
    assert "ModuleNotFoundError" in status.missing


def test_of_two_that_claim_the_same_the_first_by_name_takes_it(install: Install) -> None:
    """And the other is named."""
    install(EXAMPLE.replace('kind="tasks"', 'kind="second"'), name="b")
    install(EXAMPLE.replace('kind="tasks"', 'kind="first"'), name="a")
    assert InlineParser().submit(ParseRequest(name="a.tasks", content=TASKS)).result().kind == "first"
    assert [(one.name, one.trouble) for one in installed() if one.name in "ab"] == [
        ("a", ""),
        ("b", "another parser takes .tasks, text/x-tasks already"),
    ]


BODY = EXAMPLE.partition("def parse")[0] + "def parse(request):\n    {}\n"
UNRULY = {
    "raises": ("raise ValueError(request.content)", ParseReason.CORRUPT, "ValueError"),
    "gives nothing": ("return None", ParseReason.CRASHED, "NoneType and no Document"),
    "is empty": ("return Document(text='', elements=(), title='', kind='tasks')", ParseReason.NO_TEXT, "tasks file"),
    "is not canonical": (
        r"return Document(text='a\r\nb', elements=(), title='', kind='tasks')",
        ParseReason.CRASHED,
        "not canonical",
    ),
    "has spans beyond": (
        (
            "made = Assembly(); made.block(ElementKind.CODE, 'words');"
            " return Document(text='w', elements=(*made.elements,), title='', kind='')"
        ),
        ParseReason.CRASHED,
        "spans",
    ),
    "hangs": ("import time; time.sleep(60)", ParseReason.TIMEOUT, "did not end"),
    "dies": ("import os; os._exit(1)", ParseReason.CRASHED, "parser process"),
    "calls home": ("import socket; socket.create_connection(('127.0.0.1', 9))", ParseReason.UNSUPPORTED, "network"),
}


@pytest.mark.parametrize("kind", UNRULY)
def test_an_unruly_one_costs_one_document(install: Install, kind: str) -> None:
    """Each failure has its reason, and no words of the document in its sentence."""
    body, reason, why = UNRULY[kind]
    install(BODY.format(body))
    with pytest.raises(ParseFailure) as caught:
        parsed("a.tasks", seconds=2.0 if kind == "hangs" else 60.0)
    assert caught.value.reason is reason
    assert why in caught.value.message
    assert "flamingos" not in str(caught.value)
    assert caught.value.hint
