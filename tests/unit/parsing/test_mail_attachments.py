"""What parsers take out of mails, under which names, and how it crosses the pipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.message import EmailMessage

import ole_samples
import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Attachment, Document
from ingestor.parsing import attachments, ocr, reply
from ingestor.parsing.attachments import MOST, Attachments, clean_name

Parsed = Callable[[str, bytes], Document]


def taken(document: Document) -> list[tuple[str, bytes | None]]:
    return [(one.name, one.content) for one in document.attachments]


def message(subject: str = "Offer", html: str = "") -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = subject
    made.set_content("Body words.")
    if html:
        made.add_alternative(html, subtype="html")
    return made


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\plan.pdf", "plan.pdf"),
        ("/", "unnamed"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("\x00\x1b[2J", "[2J"),
        ("Übersicht 日本.docx", "Übersicht 日本.docx"),
        ("half \ud800 of it.txt", "half of it.txt"),
        ("a" * 300 + ".pdf", "a" * 196 + ".pdf"),
    ],
)
def test_a_name_is_one_line_without_folders(name: str, shown: str) -> None:
    """Whatever a sender writes there, people see a name and nobody a path."""
    assert clean_name(name) == shown


def test_a_mail_hands_out_what_is_attached(parsed: Parsed) -> None:
    """Files with and without a name, in order, in whatever encoding the name is; signatures are none."""
    mail = message()
    mail.add_attachment(b"one", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    mail.add_attachment(b"two", maintype="application", subtype="octet-stream")
    mail.add_attachment("three", filename="../three.txt")
    mail.add_attachment(b"sig", maintype="application", subtype="pgp-signature", filename="signature.asc")
    document = parsed("m.eml", mail.as_bytes())
    assert taken(document) == [("Übersicht.pdf", b"one"), ("unnamed", b"two"), ("three.txt", b"three\n")]
    assert document.attachments[0].media_type == "application/pdf"
    assert document.text.endswith("Attachments: Übersicht.pdf, unnamed, three.txt")


def test_a_message_in_a_message_is_a_message(parsed: Parsed) -> None:
    """Called by its subject, read as a mail whatever it is called, and the same bytes each time."""
    inner = message("Re: budget.pdf")
    inner.add_attachment(b"deep", maintype="application", subtype="pdf", filename="deep.pdf")
    outer = message("Forward")
    outer.add_attachment(inner)
    content = outer.as_bytes()
    (forwarded,) = parsed("m.eml", content).attachments
    assert parsed("m.eml", content).attachments == (forwarded,)
    assert forwarded.name == "Re: budget.pdf.eml"
    assert forwarded.content is not None
    below = parsed(forwarded.name, forwarded.content)
    assert below.text.startswith("Re: budget.pdf\n")
    assert taken(below) == [("deep.pdf", b"deep")]


def test_a_picture_in_the_text_is_part_of_the_text(parsed: Parsed) -> None:
    """One that is attached is a file like others."""
    mail = message(html='<p>See <img src="cid:plan@x"> and <img src="cid:logo@x"></p>')
    html = mail.get_body()
    assert html is not None
    for cid in ("plan@x", "logo@x"):
        html.add_related(b"picture", maintype="image", subtype="png", cid=f"<{cid}>", filename=f"{cid[:4]}.png")
    mail.add_attachment(b"photo", maintype="image", subtype="png", filename="photo.png")
    assert taken(parsed("m.eml", mail.as_bytes())) == [("photo.png", b"photo")]


@pytest.mark.parametrize(
    ("reads", "size", "is_taken"), [(True, 20_000, True), (True, 100, False), (False, 20_000, False)]
)
def test_a_picture_in_the_text_is_read_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, reads: bool, size: int, is_taken: bool
) -> None:
    """Where something here reads pictures and it is large enough to hold words: a logo is not."""
    monkeypatch.setattr(ocr, "reads", lambda: reads)
    found = Attachments()
    found.add("plan.png", bytes(size), "image/png", inline=True)
    assert (len(found.taken), len(found.names)) == (is_taken, is_taken)


def test_too_much_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in bytes; the text of the mail names what it may."""
    found = Attachments()
    for number in range(MOST + 3):
        found.add(f"{number}.txt", b"x", None)
    assert len(found.taken) == MOST + 1
    assert found.taken[-1] == Attachment(name="3 more attachments", content=None)
    monkeypatch.setattr(attachments, "MOST_BYTES", 10)
    found = Attachments()
    for content in (b"1234567", b"12345", b"123"):
        found.add("a", content, None)
    assert [one.content for one in found.taken] == [b"1234567", None, b"123"]


def test_an_outlook_message_hands_out_what_is_attached(parsed: Parsed) -> None:
    """Files, messages within it as mails, and of a link that it has one."""
    inner = ole_samples.attached_message(
        "Inner ä",
        "Inner words.",
        ole_samples.attached_file("deep.txt", b"deep"),
        ole_samples.attached_message("Innermost", "Last words."),
    )
    content = ole_samples.msg(
        html='<p>Hello <img src="cid:logo"></p>',
        attachments=[
            ole_samples.attached_file("..\\plan ü.csv", b"a,b", media_type="text/csv"),
            ole_samples.attached_file("logo.png", b"logo", content_id="logo"),
            inner,
        ],
    )
    document = parsed("a.msg", content)
    assert taken(document)[:2] == [("receipt.pdf", None), ("plan ü.csv", b"a,b")]
    assert document.attachments[1].media_type == "text/csv"
    assert document.text.endswith("Attachments: receipt.pdf, plan ü.csv, Inner ä.eml")
    forwarded = document.attachments[2]
    assert forwarded == parsed("a.msg", content).attachments[2]
    assert forwarded.content is not None
    below = parsed(forwarded.name, forwarded.content)
    assert (below.title, below.kind) == ("Inner ä", "email")
    assert "<bob@corp.example>" in below.text
    assert "Inner words." in below.text
    assert [name for name, _ in taken(below)] == ["deep.txt", "Innermost.eml"]
    assert below.attachments[0].content == b"deep"
    assert "Last words." in parsed("i.eml", below.attachments[1].content or b"").text


# -- the pipe ---------------------------------------------------------------------------------------

DOCUMENT = Document(
    text="",
    elements=(),
    title="",
    kind="email",
    attachments=(
        Attachment(name="ä.bin", content=bytes(range(256)), media_type="image/png"),
        Attachment(name="left out", content=None),
        Attachment(name="empty", content=b""),
    ),
)


def test_attachments_survive_the_way_from_the_worker() -> None:
    """Any bytes, none, and those that were left out."""
    assert reply.decode(reply.encode_document(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize(
    ("heads", "contents"),
    [
        ([["a", None, 4]], b"abc"),
        ([["a", None, 2]], b"abc"),
        ([["a", None, -1], ["b", None, 4]], b"abc"),
        ([["a", None, 3.0]], b"abc"),
        ([["a", 7, 3]], b"abc"),
        ([[None, None, 3]], b"abc"),
        ([["a", None, 0]] * (MOST + 2), b""),
        ("abc", b""),
        (None, b""),
    ],
)
def test_attachments_that_cannot_be_are_a_crash(heads: object, contents: bytes) -> None:
    """More than there are, more than may be, or no numbers at all: a worker that was taken over is not believed."""
    head, _, _ = reply.encode_document(DOCUMENT).partition(b"\n")
    answer = json.dumps({**json.loads(head), "attachments": heads}).encode() + b"\n" + contents
    with pytest.raises(ParseFailure) as caught:
        reply.decode(answer)
    assert caught.value.reason is ParseReason.CRASHED


def test_a_name_from_a_worker_is_cleaned_again() -> None:
    """The parent relies on nobody for that."""
    head, _, _ = reply.encode_document(DOCUMENT).partition(b"\n")
    values = {**json.loads(head), "attachments": [["../../x\u0000.txt", None, 1]]}
    (one,) = reply.decode(json.dumps(values).encode() + b"\nx").attachments
    assert one == Attachment(name="x .txt", content=b"x")
