"""AsciiDoc: its own text is the canonical text; structure is told by how lines begin."""

from __future__ import annotations

import time

import pytest

from ingestor.model import Document, ParseRequest
from ingestor.parsing.parse import parse

GUIDE = """\
= Refund _policy_
Ann Author <ann@example.org>
v1.2, 2026-01-01
:toc: left
:product: Desk

Refunds take *14* days
after the goods came back.

// a comment
[[who]]
== Who gets one ==

.What you need
* a receipt
  of the shop
** signed
. the form
term:: what it means

NOTE: Mind this.

[TIP]
====
And *that*.

Second part.
====

[source,python]
----
== not a heading
pay(1)

pay(2)
----

[#limits]
=== Limits https://x.example[by class]

[cols="1,1"]
|===
|Class |Limit

|eco |007
|business |1000
|===

////
hidden
////

include::/etc/hostname[]
ifdef::product[]
image::flow.png[The flow of a refund]
image::line.png[]
endif::[]

____
A quotation stands here.
____

Old style
~~~~~~~~~

 literal text

....
as it is
....

Last words. See <<who,the part above>>.
"""


def parsed(text: str, name: str = "a.adoc") -> Document:
    return parse(ParseRequest(name=name, content=text.encode()))


def shapes(document: Document) -> list[tuple[str, str]]:
    return [(e.kind.value, document.text[e.start : e.end]) for e in document.elements]


def test_blocks_stand_where_the_file_has_them() -> None:
    """The canonical text is the file; attributes, comments, directives and delimiters are no elements."""
    document = parsed(GUIDE)
    assert document.text == GUIDE
    assert document.has_lines
    assert (document.title, document.kind) == ("Refund policy", "asciidoc")
    assert shapes(document) == [
        ("heading", "= Refund _policy_"),
        ("paragraph", "Refunds take *14* days\nafter the goods came back."),
        ("heading", "== Who gets one =="),
        ("paragraph", ".What you need"),
        ("list_item", "* a receipt\n  of the shop"),
        ("list_item", "** signed"),
        ("list_item", ". the form"),
        ("list_item", "term:: what it means"),
        ("paragraph", "NOTE: Mind this."),
        ("paragraph", "And *that*."),
        ("paragraph", "Second part."),
        ("code", "----\n== not a heading\npay(1)\n\npay(2)\n----"),
        ("heading", "=== Limits https://x.example[by class]"),
        ("table", "|Class |Limit\n\n|eco |007\n|business |1000"),
        ("paragraph", "image::flow.png[The flow of a refund]"),
        ("quote", "A quotation stands here."),
        ("heading", "Old style\n~~~~~~~~~"),
        ("code", "literal text"),
        ("code", "....\nas it is\n...."),
        ("paragraph", "Last words. See <<who,the part above>>."),
    ]


def test_headings_make_the_path_and_the_anchor() -> None:
    """A section is cited under its titles in plain words, at the id that it was given, else at the one that the front
    end makes of its title."""
    places = {
        document_text: (e.section, e.anchor)
        for document in [parsed(GUIDE)]
        for e in document.elements
        if (document_text := document.text[e.start : e.end])
    }
    assert places["NOTE: Mind this."] == (("Refund policy", "Who gets one"), "who")
    assert places["|Class |Limit\n\n|eco |007\n|business |1000"] == (
        ("Refund policy", "Who gets one", "Limits by class"),
        "limits",
    )
    assert places["literal text"] == (("Refund policy", "Who gets one", "Old style"), "old-style")
    assert places["Refunds take *14* days\nafter the goods came back."] == (("Refund policy",), "refund-policy")


def test_the_header_of_a_table_goes_with_its_rows() -> None:
    """The first row is the header when an empty line follows it or the attributes say so."""
    (table,) = [e for e in parsed(GUIDE).elements if e.kind.value == "table"]
    assert table.context == "|Class |Limit"
    (said,) = parsed('[options="header"]\n|===\n|a |b\n|1 |2\n|===\n').elements
    assert said.context == "|a |b"
    (none,) = parsed("|===\n|a |b\n|1 |2\n|===\n").elements
    assert none.context == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("----\nnever closed\n", [("code", "----\nnever closed")]),
        ("|===\n|never closed\n", [("table", "|never closed")]),
        ("====\nnever closed\n", [("paragraph", "never closed")]),
        ("text\n== no heading in a paragraph\n", [("paragraph", "text\n== no heading in a paragraph")]),
        (
            "A long paragraph of text\n----\ncode\n----\n",
            [("paragraph", "A long paragraph of text"), ("code", "----\ncode\n----")],
        ),
        ("== Only a section\n", [("heading", "== Only a section")]),
        ("", []),
        ("\n\n:only: attributes\n", []),
    ],
)
def test_what_is_not_well_formed_is_read_all_the_same(text: str, expected: list[tuple[str, str]]) -> None:
    """A block that is never closed goes to the end; what only looks like a title is text."""
    assert shapes(parsed(text)) == expected


@pytest.mark.parametrize("start", ["= ", "image::", "<<", "*", "a::", "[", "[["])
@pytest.mark.parametrize("repeated", ["[", "<<", "a::", " ", "*_"])
def test_a_hostile_line_costs_no_more_than_others(start: str, repeated: str) -> None:
    """No pattern goes over a long line again and again: one costs less than twenty plain ones."""
    line = start + repeated * (100_000 // len(repeated)) + "x"
    assert _seconds(line) < _seconds("some plain words. " * (20 * len(line) // 18)) + 0.5


def _seconds(text: str) -> float:
    began = time.process_time()
    parsed(text)
    return time.process_time() - began


def test_elements_are_in_order_and_apart() -> None:
    """Whatever stands in the file, elements do not overlap and cover no more than it holds."""
    document = parsed(GUIDE * 3)
    ends = 0
    for element in document.elements:
        assert element.start >= ends
        ends = element.end
    assert ends <= len(document.text)
