from __future__ import annotations

import pytest

from ingestor.parsing import recipe as recipes
from ingestor.parsing.formats import EXTENSIONS, Format
from ingestor.parsing.recipe import recipe


def test_the_recipe_names_adapter_and_libraries() -> None:
    """A fingerprint can be read: format with its number, libraries with their versions."""
    assert recipe("a.md", None).split()[1] == "markdown.2"
    assert "lxml-" in recipe("page", "text/html; charset=utf-8")
    assert "unstructured-0." in recipe("deck.pptx", None)
    assert "none" not in "".join(
        recipe(f"a{extensions[0]}", None).replace("soffice-none", "").replace("tesseract-none", "")
        for extensions in EXTENSIONS.values()
    )


def test_the_recipe_depends_on_name_and_media_type_alone() -> None:
    """Equal names give equal recipes; case of the extension and folders do not matter."""
    assert recipe("x/A.MD", None) == recipe("b.md", "text/html")
    assert recipe("a.txt", None) != recipe("a.md", None)


def test_an_unknown_name_may_be_anything() -> None:
    """Where the name tells nothing every adapter counts, so none can change unnoticed."""
    unknown = recipe("README", None)
    assert all(f"{fmt.value}." in unknown for fmt in Format)


def test_a_new_number_changes_the_recipe_of_its_format_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising an adapter's number asks for its own documents again, and for no other."""
    before = {name: recipe(name, None) for name in ("a.pdf", "a.md", "README")}
    monkeypatch.setitem(recipes._ADAPTERS, Format.PDF, (99, ("pypdfium2",)))
    recipes._fingerprint.cache_clear()
    after = {name: recipe(name, None) for name in before}
    recipes._fingerprint.cache_clear()
    assert after["a.pdf"] != before["a.pdf"]
    assert after["README"] != before["README"]
    assert after["a.md"] == before["a.md"]
