"""Line breaks that are meant, and those that only wrap."""

import pytest

from ingestor.chunking.lines import lines


def split(text: str) -> list[str]:
    return [text[start:end] for start, end, _ in lines(text, 0, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        "This paragraph is wrapped by its writer at about seventy columns, as\nmany people do who write in an editor, and it goes on for a while.",
        "The first line of this paragraph ends just before a name, which is\nHamburg, and the rest of it follows on the second line of it.",
    ],
)
def test_wrapped_prose_is_one(text: str) -> None:
    """A break that only keeps the line short ends nothing."""
    assert split(text) == [text]


@pytest.mark.parametrize(
    "parts",
    [
        ["- apples", "- pears"],
        ["1. Open it and look", "2. Close it"],
        ["Anna: Where were you?", "Bob Miller: At home."],
        ["12:31 bob: hello there", "12:32 amy: hi"],
        ["Name | Price", "Apple | 3"],
        ["You need the following:", "a spoon"],
        ["2024-03-01 08:15:02 INFO the service has started and waits for requests", "2024-03-01 08:15:09 INFO ready"],
        ["Acme Corporation", "12 Main Street", "Springfield"],
        ["> quoted mail of somebody that goes on", "the answer to the mail of somebody"],
    ],
)
def test_meant_breaks(parts: list[str]) -> None:
    """Items, turns, rows, records and short lines stand for themselves."""
    assert split("\n".join(parts)) == parts


def test_one_paragraph_a_line() -> None:
    """A line longer than writers wrap is a paragraph of its own."""
    long = "This is a long line that nobody wrapped. " * 5
    assert split(f"{long.strip()}\nThe next one.") == [long.strip(), "The next one."]


def test_blank_lines_are_told() -> None:
    """A part after a blank line says so."""
    assert [blank for _, _, blank in lines("One\n\nTwo\nThree", 0, 14)] == [False, True, False]
