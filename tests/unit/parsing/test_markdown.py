from __future__ import annotations

import parsing_samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.markdown import parse_markdown


def parse(text: str, name: str = "note.md") -> Document:
    return parse_markdown(ParseRequest(name=name, content=text.encode()))


def shapes(document: Document) -> list[tuple[str, str]]:
    return [(e.kind.value, document.text[e.start : e.end]) for e in document.elements]


def test_elements_stand_in_the_files_own_text() -> None:
    """The decoded file is the canonical text, markup kept, and every element is a slice of it."""
    document = parse(parsing_samples.MARKDOWN.decode())
    assert document.text == parsing_samples.MARKDOWN.decode()
    assert document.has_lines
    assert shapes(document) == [
        ("heading", "# Refunds"),
        ("paragraph", "Refunds take 14 days."),
        ("heading", "## What you need"),
        ("paragraph", "You need:"),
        ("list_item", "- a receipt"),
        ("list_item", "- the form"),
        ("table", "| Class | Limit |\n|-------|-------|\n| eco   | 007   |"),
        ("code", "```sh\nrefund --all\n```"),
        ("quote", "> quoted words"),
    ]


def test_front_matter_gives_the_title_and_no_element() -> None:
    """A title line in front matter wins over the first heading; a thematic break is no front matter."""
    assert parse(parsing_samples.MARKDOWN.decode()).title == "Refund policy"
    assert parse("---\nauthor: x\n---\n# Heading\n").title == "Heading"
    assert shapes(parse("---\n\nwords\n\n---\n")) == [("paragraph", "words")]
    assert parse("---\ntitle: only this\n---\n").elements == ()


def test_sections_levels_and_anchors_follow_the_headings() -> None:
    """A heading's own path includes itself; equal headings get numbered anchors; markup leaves titles."""
    document = parse("# A *b* `c`\n\n## Q & A\n\nx\n\n## Q & A\n\nSetext [link](u)\n===\n\ny\n\n### Own {#mine}\n")
    found = [(e.level, e.section, e.anchor) for e in document.elements if e.level]
    assert found == [
        (1, ("A b c",), "a-b-c"),
        (2, ("A b c", "Q & A"), "q--a"),
        (2, ("A b c", "Q & A"), "q--a-1"),
        (1, ("Setext link",), "setext-link"),
        (3, ("Setext link", "Own"), "mine"),
    ]
    assert next(e for e in document.elements if document.text[e.start : e.end] == "y").section == ("Setext link",)


def test_lists_are_items_with_their_lead_in() -> None:
    """Each item is an element of its own text; a paragraph that ends in a colon introduces them."""
    document = parse("You need:\n\n- one\n  more\n- two\n  1. nested\n\nEnd.\n\n- free\n")
    assert shapes(document)[1:4] == [("list_item", "- one\n  more"), ("list_item", "- two"), ("list_item", "1. nested")]
    assert [e.context for e in document.elements] == ["", "You need:", "You need:", "You need:", "", ""]


def test_a_table_carries_its_header_as_context() -> None:
    """The header row belongs to every part of the table."""
    table = next(e for e in parse("| a | b |\n|---|---|\n| 1 | 2 |\n").elements)
    assert (table.kind, table.context) == (ElementKind.TABLE, "| a | b |")


def test_headings_inside_lists_and_quotes_open_no_section() -> None:
    """Only headings of the document itself make its outline."""
    document = parse("# Top\n\n- # in item\n\n> # in quote\n\nend\n")
    assert [e.section for e in document.elements] == [("Top",)] * 4


@pytest.mark.parametrize("text", ["> " * 100 + "deep words", "- " * 300 + "deep words", "<div>\ndeep words\n</div>"])
def test_no_words_are_lost_to_nesting(text: str) -> None:
    """What the block parser gives up on is still an element."""
    assert any("deep words" in words for _, words in shapes(parse(text)))


def test_crlf_files_have_the_same_spans_as_lf_files() -> None:
    """Newlines are normalised before anything is counted."""
    assert parse("# A\r\n\r\ntext\r\n") == parse("# A\n\ntext\n")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "# h\n",
                "- i\n",
                "  - j\n",
                "> q\n",
                "\n",
                "text\n",
                "| a | b |\n|---|---|\n",
                "```\n",
                "    c\n",
                "<b>\n",
                "===\n",
                "---\n",
                "[r]: u\n",
                "1. n\n",
                "\t\n",
                "t: u\n",
            ]
        ),
        max_size=14,
    )
)
def test_spans_are_valid_for_any_document(lines: list[str]) -> None:
    """In order, disjoint, not empty, deterministic, and every word stands in an element or in markup."""
    document = parse("".join(lines))
    position = 0
    for element in document.elements:
        assert position <= element.start < element.end <= len(document.text)
        assert document.text[element.start : element.end].strip()
        position = element.end
    assert document == parse("".join(lines))
    covered = "".join(document.text[e.start : e.end] for e in document.elements)
    assert covered.count("text") == document.text.count("text") or document.text.startswith("---")
