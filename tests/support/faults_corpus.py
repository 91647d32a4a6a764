"""Text for the fault suites: paragraphs with a word each that stands nowhere else."""

from __future__ import annotations

import email
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import default

from ingestor.model import blake

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


def mail(subject: str, numbers: list[int], attachments: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """A message with a body and attachments, the same bytes each time. One called ``*.eml`` is a message itself."""
    message = EmailMessage()
    message["Subject"] = subject
    message.set_content("\n\n".join(map(paragraph, numbers)))
    for name, content in attachments:
        if name.endswith(".eml"):
            message.add_attachment(email.message_from_bytes(content, policy=default))
        else:
            message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    if attachments:
        message.set_boundary(f"={blake(subject.encode(), *(content for _, content in attachments)).hex()}")
    return message.as_bytes()


def markdown(title: str, numbers: list[int]) -> str:
    """A document with a heading for every second paragraph."""
    parts = [f"# {title}"]
    for place, number in enumerate(numbers):
        if place % 2:
            parts.append(f"## Part {number}")
        parts.append(paragraph(number))
    return "\n\n".join(parts) + "\n"
