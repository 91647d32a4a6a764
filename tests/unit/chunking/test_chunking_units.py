"""Units: what is embedded, and where it stands."""

from chunking_docs import code, document, heading, item, paragraph, table

from ingestor.chunking.length import length
from ingestor.chunking.units import MOST, Joint, Lead, pieces
from ingestor.model import Document, Element, ElementKind, ParseRequest
from ingestor.parsing.pool import InlineParser


def texts(*blocks) -> list[str]:
    return [piece.unit.text for piece in pieces(document(*blocks))]


def test_each_kind_gives_its_units() -> None:
    """Headings, sentences, items, rows and code are units of their own."""
    assert texts(
        heading("## Refunds"),
        paragraph("A refund takes five working days. It goes to the card that paid."),
        item("- Bring the receipt and the goods."),
        item("- Ask at the desk on the first floor."),
        table("Country of delivery | Days it takes\nGermany and Austria | 5 working days"),
        code("def refund(order):\n    return order.price"),
    ) == [
        "Refunds",
        "A refund takes five working days.",
        "It goes to the card that paid.",
        "Bring the receipt and the goods.",
        "Ask at the desk on the first floor.",
        "Country of delivery | Days it takes",
        "Germany and Austria | 5 working days",
        "def refund(order): return order.price",
    ]


def test_markup_without_meaning_is_not_embedded() -> None:
    """Item numbers, check boxes, link targets, cell borders, rules, fences and quote marks stay out."""
    assert texts(
        item('3. [x] Read the [travel policy](https://x.example/a_(b) "title") before you book.'),
        table("| Name of the tool | Version of it |\n|---|:--:|\n| Ingestor of things | 3.2.1 or later |"),
        code("```python\nprint('a line that is long enough')\n```"),
        (ElementKind.QUOTE, "> Quoted text of somebody\n> over two lines of it."),
    ) == [
        "Read the travel policy before you book.",
        "Name of the tool | Version of it",
        "Ingestor of things | 3.2.1 or later",
        "print('a line that is long enough')",
        "Quoted text of somebody over two lines of it.",
    ]


def test_wrapping_anew_changes_no_string() -> None:
    """The strings to embed do not depend on where a paragraph's lines are broken."""
    text = (
        "The quick brown fox jumps over the lazy dog that sleeps. Then the fox goes home and sleeps, too, until noon."
    )
    wrapped = text.replace("lazy ", "lazy\n").replace("goes ", "goes\n   ")
    assert texts(paragraph(text)) == texts(paragraph(wrapped))


def test_renumbering_a_list_changes_no_string() -> None:
    """An item keeps its string when another one is put before it."""
    one = texts(item("1. Open the upper lid of it."), item("2. Take out the paper tray."))
    two = texts(
        item("1. Switch off the printer."), item("2. Open the upper lid of it."), item("3. Take out the paper tray.")
    )
    assert two[1:] == one


def test_spans_are_of_the_raw_text() -> None:
    """A unit's span covers its text as it stands, markup included."""
    doc = document(heading("# Title of it"), item("- the one and only item here"))
    assert [doc.text[p.unit.start : p.unit.end] for p in pieces(doc)] == [
        "# Title of it",
        "- the one and only item here",
    ]


def test_long_sentences_are_split() -> None:
    """No unit is longer than the bound; the rest of a sentence is joined to it by a clause."""
    doc = document(paragraph("This clause goes on and on, " * 40 + "and ends."))
    found = pieces(doc)
    assert all(length(p.unit.text) <= MOST for p in found)
    assert [p.joint for p in found][1:] == [Joint.CLAUSE] * (len(found) - 1)


def test_tiny_neighbours_are_one_unit() -> None:
    """A tiny sentence joins the next one, tiny items and paragraphs each other, none a longer paragraph."""
    assert texts(paragraph("Why? Because the office is closed on public holidays.")) == [
        "Why? Because the office is closed on public holidays."
    ]
    assert texts(paragraph("The office is closed on public holidays. Sorry.")) == [
        "The office is closed on public holidays. Sorry."
    ]
    assert len(texts(*(item(f"- fruit {i}") for i in range(40)))) < 20
    assert len(texts(*(paragraph(f"Cell {i}") for i in range(40)))) < 20
    assert texts(paragraph("Yes."), paragraph("That is the end of the whole story.")) == [
        "Yes.",
        "That is the end of the whole story.",
    ]


def test_what_leads_to_the_next() -> None:
    """Headings, titles without markup and lead-ins are told; a full sentence is none."""
    found = pieces(
        document(
            heading("# Guide"),
            paragraph("Opening hours of the desk"),
            paragraph("The desk is open from nine to five on every working day."),
            paragraph("You need the following:"),
            item("- a passport or an identity card"),
        )
    )
    assert [p.lead for p in found] == [Lead.HEADING, Lead.TITLE, Lead.NONE, Lead.INTRODUCES, Lead.NONE]


def test_joints() -> None:
    """Between units stand sentences, lines, paragraphs, pages and headings; a PDF page is a paragraph's end, unless it
    is as short as a slide."""
    blocks = [
        (ElementKind.PARAGRAPH, "The first sentence is here. The second one follows it.", 1),
        (ElementKind.PARAGRAPH, "A paragraph of its own is this.", 1),
        (ElementKind.PARAGRAPH, "And this is on another page.", 2),
        (ElementKind.HEADING, "# Section", 2),
    ]
    slides = pieces(document(*blocks, kind="pptx", pages=True))
    assert [p.joint for p in slides] == [Joint.PARAGRAPH, Joint.SENTENCE, Joint.PARAGRAPH, Joint.PAGE, Joint.HEADING]
    printed = pieces(document(*blocks, kind="pdf", pages=True))
    assert printed[3].joint is Joint.SHORT_PAGE
    full = (ElementKind.PARAGRAPH, "A page of prose has many such sentences on it. " * 20, 1)
    paper = pieces(document(full, *blocks[2:], kind="pdf", pages=True))
    assert paper[-2].joint is Joint.PARAGRAPH


def test_blank_and_empty_elements_give_nothing() -> None:
    """White space is no unit, and a document without elements has none."""
    doc = Document(
        text="  \n  x", title="", kind="text", elements=(Element(kind=ElementKind.PARAGRAPH, start=0, end=4),)
    )
    assert pieces(doc) == []
    assert pieces(Document(text="", title="", kind="text", elements=())) == []


def test_no_string_is_empty() -> None:
    """Where only markup stands, the markup is the string."""
    assert texts(item("-"), paragraph("---"), table("|---|---|")) == ["-", "---", "|---|---|"]


THREAD = """From: Ana Ruiz <ana@marram.example>
To: Jon Berg <jon@marram.example>
Subject: Re: Pump 7 trips at low tide
Content-Type: text/plain; charset="utf-8"

The float switch is the culprit. Raise it by 15 cm and the pump will
stop tripping.

On Mon, 2 Mar 2026 at 17:40, Jon Berg <jon@marram.example> wrote:

> Pump 7 tripped three times last night, each time within an hour of
> low tide.
>
> On Sun, 1 Mar 2026 at 08:01, Operations wrote:
>
>> Please look at pump 7 before the spring tide.
>
> Shall I replace the pump?
"""

TALK = """[09:02] ana: the gateway in Orrin Bay has been silent since six
[09:03] jon: power or radio?
[09:03] ana: radio. the battery reports 12.6 V, and the last packet had a bad checksum
[09:05] mira: that is E-42. open the case and look at the O-ring
"""


def test_what_each_wrote_in_a_thread_stands_for_itself() -> None:
    """No unit holds words of two; who is quoted leads to what he wrote, and empty quoted lines are no units."""
    found = pieces(InlineParser().submit(ParseRequest(name="re.eml", content=THREAD.encode())).result())
    said = [piece.unit.text for piece in found if piece.kind is not ElementKind.HEADING][2:]
    assert said == [
        "The float switch is the culprit.",
        "Raise it by 15 cm and the pump will stop tripping.",
        "On Mon, 2 Mar 2026 at 17:40, Jon Berg <jon@marram.example> wrote:",
        "Pump 7 tripped three times last night, each time within an hour of low tide.",
        "On Sun, 1 Mar 2026 at 08:01, Operations wrote:",
        "Please look at pump 7 before the spring tide.",
        "Shall I replace the pump?",
    ]
    leading = [piece.unit.text for piece in found if piece.lead is Lead.INTRODUCES]
    assert [text.split()[0:2] for text in leading] == [["On", "Mon,"], ["On", "Sun,"]]


def test_each_turn_of_a_talk_stands_for_itself() -> None:
    """One line a turn, without blank lines between."""
    found = pieces(InlineParser().submit(ParseRequest(name="talk.txt", content=TALK.encode())).result())
    turns = [piece.unit.text for piece in found if piece.joint in (Joint.LINE, Joint.PARAGRAPH)]
    assert turns == TALK.splitlines()
