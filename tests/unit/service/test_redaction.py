"""What leaves the machine in a support bundle: the program's own words and no name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors
import ingestor
from ingestor.service.redaction import HIDDEN, Redactor, words_of

WORDS = words_of(Path(str(package.__path__[0])) for package in (ingestor, connectors))


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("1 document could not be taken in.", "1 document could not be taken in."),
        ("Could not look into /srv/Board minutes/2026 now", "Could not look into (hidden) now"),
        ("There is no source named 'reading list'.", "There is no source named (hidden)."),
        (
            "The file falcon-plan.md cannot be read: Permission denied",
            "The file (hidden) cannot be read: Permission denied",
        ),
        ("Ask ana@example.org or https://wiki.example/Falcon?x=1 now", "Ask (hidden) or (hidden) now"),
        ("Schema 6, version 1.5.9 of 3.40.1", "Schema 6, version 1.5.9 of 3.40.1"),
        ("Größe of Мария", "(hidden) of (hidden)"),
    ],
)
def test_of_a_sentence_only_the_programs_words_are_left(said: str, left: str) -> None:
    """Whatever is quoted, a path, an address, or has an ending is a name; so is any word that the program never says."""
    assert Redactor(WORDS).sentence(said) == left


def test_a_known_name_is_hidden_whatever_words_it_is_made_of() -> None:
    """A source may be called like anything."""
    assert (
        Redactor(WORDS, ["reading list", "list"]).sentence("The reading list is listed.") == "The (hidden) is listed."
    )


def test_a_hash_is_the_same_within_a_bundle_and_another_in_the_next() -> None:
    """So that things can be told apart, and nobody can try out names."""
    first, second = Redactor(WORDS), Redactor(WORDS)
    assert first.name("Falcon plan.PDF") == first.name("Falcon plan.PDF") != first.name("Falcon plan.md")
    assert re.fullmatch(r"name-[0-9a-f]{10}\.pdf", first.name("Falcon plan.PDF"))
    assert first.name("Falcon plan.PDF") != second.name("Falcon plan.PDF")
    assert first.name("") == ""


def test_values_go_by_their_keys() -> None:
    """Names become hashes, closed lists and numbers stay, everything else is a sentence."""
    redactor = Redactor(WORDS)
    assert redactor.value(
        {"source": "Falcon", "state": "offline", "documents": 7, "note": "Falcon is not there.", "x": ["Falcon"]}
    ) == {
        "source": redactor.name("Falcon"),
        "state": "offline",
        "documents": 7,
        "note": f"{HIDDEN} is not there.",
        "x": [HIDDEN],
    }


def test_the_page_of_monitoring_loses_its_sources_alone() -> None:
    """Quotes in a name included."""
    redactor, page = Redactor(WORDS), 'ingestor_chunks{source="Fal\\"con"} 7.0\ningestor_live 1.0\n'
    told = redactor.metrics(page)
    assert "con" not in told.replace("second", "")
    assert told.endswith("} 7.0\ningestor_live 1.0\n")


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=40))
def test_no_word_that_the_program_does_not_say_comes_through(name: str) -> None:
    """Wherever in a sentence it stands."""
    told = Redactor(WORDS).sentence(f"Could not look into {name}: it is not there.")
    for word in re.findall(r"[^\W\d_]+", told):
        assert word.lower() in WORDS | {"hidden"}


def test_names_are_kept_where_that_was_asked_for() -> None:
    """For a person whom they may be shown."""
    redactor = Redactor(WORDS, keep=True)
    assert redactor.value({"source": "Falcon", "note": "Falcon is away."}) == {
        "source": "Falcon",
        "note": "Falcon is away.",
    }
