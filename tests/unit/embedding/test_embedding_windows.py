"""Long texts are cut into windows that a model reads whole."""

import pytest

from ingestor.embedding.windows import readable, windows


def count_words(texts):
    return [len(text.split()) for text in texts]


def count_characters(texts):
    return [len(text) for text in texts]


def test_a_text_that_fits_is_one_window():
    """What the model reads whole is given to it as it is, and an empty text too."""
    cut = windows(["one two three", ""], count_words, 3)
    assert [(window.place, window.text, window.tokens) for window in cut] == [(0, "one two three", 3), (1, "", 0)]


@pytest.mark.parametrize("length", [11, 25, 100, 1_001])
def test_windows_hold_every_word_once_in_order_and_fit(length):
    """No word is lost, none is doubled, and no window is longer than the limit."""
    words = [f"word{number}" for number in range(length)]
    cut = windows([" ".join(words)], count_words, 10)
    assert " ".join(window.text for window in cut).split() == words
    assert max(window.tokens for window in cut) <= 10


def test_windows_are_of_like_length():
    """Just over the limit gives two like halves, not one full window and a crumb."""
    cut = windows(["word " * 11], count_words, 10)
    assert sorted(window.tokens for window in cut) == [5, 6]


def test_several_texts_keep_their_places():
    """Windows come in the order of the texts, whichever of them are long."""
    texts = ["a b", "word " * 25, "c"]
    cut = windows(texts, count_words, 10)
    assert [window.place for window in cut] == sorted(window.place for window in cut)
    assert {window.place for window in cut} == {0, 1, 2}


def test_text_without_spaces_is_cut_where_it_must_be():
    """Nothing is lost where there is no white space to cut at."""
    text = "abcdefghij" * 30
    cut = windows([text], count_characters, 64)
    assert "".join(window.text for window in cut) == text
    assert max(window.tokens for window in cut) <= 64


def test_a_tokenizer_that_never_fits_comes_to_an_end():
    """A single character is a window, however many tokens it has."""
    cut = windows(["abc"], lambda texts: [1_000 for _ in texts], 10)
    assert [window.text for window in cut] == ["a", "b", "c"]


def test_unbroken_runs_are_broken():
    """A run that a WordPiece tokenizer would take as one unknown word is made readable."""
    assert max(len(word) for word in readable("ก" * 500).split()) <= 90
    assert readable("x" * 250).replace(" ", "") == "x" * 250
    assert readable("an ordinary sentence, as it stands") == "an ordinary sentence, as it stands"


def test_lone_surrogates_are_replaced():
    """Text that is no valid Unicode does not stop the tokenizer."""
    assert readable("caf\udce9") == "caf?"
