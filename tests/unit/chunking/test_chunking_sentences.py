"""Sentence boundaries by rules, in eight languages."""

import pytest

from ingestor.chunking.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text, 0, len(text))]


@pytest.mark.parametrize(
    "parts",
    [
        # English
        ["Dr. Smith paid $3.50 for v2.1.3 at https://x.example/a.html.", "He left.", '"Stop!" she said.'],
        ["Then (see Fig. 3) it ended...", "Really?", "Yes!"],
        ["In the U.S. Army it is so.", "He lives in the U.S.", "The weather is nice."],
        ["J. R. R. Tolkien wrote it.", "Acme Inc. announced it at 5 p.m. on Monday."],
        ["Write to jane.doe@example.com.", "Version 3.2 is out."],
        ["He said no.", "See no. 5 for more.", "It was 1999.", "Then came 2000."],
        ["1. Open the lid.", "2. Close it."],
        ["It is known.[3][12]", "It is said to be old."],
        ["... and then it rained.", "Wait…", "What?!", "Nothing."],
        # German
        ["Am 3. Oktober kam er an.", "Das kostet z. B. 5 Euro.", "Siehe Abs. 4.", "Die GmbH ist neu."],
        ["Er sagte: „Komm her.“", "Sie ging, d. h. sie lief.", "Am 12. Mai usw. geht es weiter."],
        # French
        ["M. Dupont est là.", "Il dit : « Bonjour. »", "Elle répond…", "Oui !", "C'est p. ex. ici."],
        # Spanish
        ["¿Qué tal?", "¡Bien!", "El Sr. García vive en EE.UU. desde 1990.", "Ud. sabe."],
        # Arabic
        ["مرحبا بك.", "كيف حالك؟", "أنا بخير."],
        # Hindi
        ["यह पहला वाक्य है।", "क्या आप ठीक हैं?", "हाँ।"],
        # text without capitals
        ["as of december 31, 2017, we had $20 million.", "a tax asset of no. 5 exists.", "see note 3."],
    ],
)
def test_spaced_scripts(parts: list[str]) -> None:
    """Sentences end at their stops; abbreviations, numbers, initials, addresses and ordinals end none."""
    assert split(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["他来了。", "价格是3.5元。", "好吗？", "好！"],
        ["她说：“你好！”", "然后走了。"],
        ["「行きます。」と言った。", "明日は雨です。", "本当？", "はい。"],
    ],
)
def test_scripts_without_spaces(parts: list[str]) -> None:
    """Chinese and Japanese stops end a sentence without white space; closing brackets belong to it."""
    assert split("".join(parts)) == parts


def test_small_letters_go_on() -> None:
    """Where capitals are used, nothing ends before a small letter."""
    text = "The price was approx. half of it. Then he asked what? and left."
    assert split(text) == ["The price was approx. half of it.", "Then he asked what? and left."]


def test_escaped_line_breaks() -> None:
    r"""In JSON and logs a written-out \n stands for white space, and stays with the sentence before it."""
    assert split(r"Is it on?\nTurn it on.\n\nThen go.") == [r"Is it on?\n", r"Turn it on.\n\n", "Then go."]


def test_spans_are_trimmed_and_inside() -> None:
    """Spans lie inside the range asked for and begin and end with text."""
    text = "   One. \n  Two.   Three"
    assert [text[a:b] for a, b in sentences(text, 2, len(text))] == ["One.", "Two.", "Three"]
    assert list(sentences("  \n ", 0, 4)) == []
