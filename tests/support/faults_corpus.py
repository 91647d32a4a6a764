"""Text for the fault suites: paragraphs with a word each that stands nowhere else."""

from __future__ import annotations

PLACES = ["harbour", "orchard", "foundry", "library", "quarry", "station", "lighthouse", "brewery", "hangar", "mill"]
DOINGS = [
    "keeps its ledgers in the back room",
    "closes an hour before the tide turns",
    "counts every crate twice before it leaves",
    "has no key to the northern gate",
    "lends its scales to whoever asks in writing",
    "was painted in the year of the long frost",
]


def word(number: int) -> str:
    """A word of its own for each number, which the stemmer leaves alone."""
    letters = "bdfghklmnprstvz"
    return "zq" + "".join(letters[(number // len(letters) ** place) % len(letters)] + "o" for place in range(4)) + "x"


def paragraph(number: int, sentences: int = 3) -> str:
    """``sentences`` sentences; the first holds ``word(number)``. Equal numbers give equal text."""
    lines = [f"The {PLACES[number % 10]} {word(number)} {DOINGS[number % 6]}."]
    lines += [
        f"Its {place} neighbour {DOINGS[(number + place) % 6]}, as rule {number * 7 + place} says."
        for place in range(1, sentences)
    ]
    return " ".join(lines)


def markdown(title: str, numbers: list[int]) -> str:
    """A document with a heading for every second paragraph."""
    parts = [f"# {title}"]
    for place, number in enumerate(numbers):
        if place % 2:
            parts.append(f"## Part {number}")
        parts.append(paragraph(number))
    return "\n\n".join(parts) + "\n"
