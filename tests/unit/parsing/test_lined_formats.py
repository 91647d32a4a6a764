"""Formats whose own text is the canonical text, and notebooks: reST, Org, ipynb."""

from __future__ import annotations

import json

import pytest

from ingestor.model import Document, ParseRequest
from ingestor.parsing.parse import parse

RST = """\
.. _desk:
.. module:: desk
   :synopsis: not shown

=======
Refunds
=======

Refunds take *14* days.

.. toctree::
   :maxdepth: 2

   not/shown

What :ref:`you <x>` need
------------------------

You need:

- a receipt
- the form

  * signed

term
   what it means

.. note:: Mind this
   and that.

   Second part.

.. function:: pay(amount, \\
                  when)
   :async:

   Pays at ``when``.

   .. code-block:: python
      :linenos:

      pay(1)

.. include:: /etc/hostname
.. a comment
   of two lines

=====  =====
Class  Limit
=====  =====
eco    007
=====  =====

.. csv-table:: Fees
   :header: "what", "how much"

   refund, 1.10

.. |name| replace:: value

Example::

    refund --all

Words.

  A quotation stands here.

-a      an option
"""


def parsed(name: str, text: str) -> Document:
    return parse(ParseRequest(name=name, content=text.encode()))


def shapes(document: Document) -> list[tuple[str, str]]:
    return [(e.kind.value, document.text[e.start : e.end]) for e in document.elements]


def test_rst_blocks_stand_where_the_file_has_them() -> None:
    """The canonical text is the file; directives show their content and their words, and none is carried out."""
    document = parsed("a.rst", RST)
    assert document.text == RST
    assert document.has_lines
    assert (document.title, document.kind) == ("Refunds", "rst")
    assert shapes(document) == [
        ("heading", "=======\nRefunds\n======="),
        ("paragraph", "Refunds take *14* days."),
        ("heading", "What :ref:`you <x>` need\n------------------------"),
        ("paragraph", "You need:"),
        ("list_item", "- a receipt"),
        ("list_item", "- the form"),
        ("list_item", "* signed"),
        ("list_item", "term\n   what it means"),
        ("paragraph", ".. note:: Mind this\n   and that."),
        ("paragraph", "Second part."),
        ("paragraph", ".. function:: pay(amount, \\\n                  when)"),
        ("paragraph", "Pays at ``when``."),
        ("code", "pay(1)"),
        ("table", "=====  =====\nClass  Limit\n=====  =====\neco    007\n=====  ====="),
        ("paragraph", ".. csv-table:: Fees"),
        ("table", "refund, 1.10"),
        ("paragraph", "Example::"),
        ("code", "refund --all"),
        ("paragraph", "Words."),
        ("quote", "A quotation stands here."),
        ("list_item", "-a      an option"),
    ]


def test_rst_sections_have_words_levels_and_anchors() -> None:
    """A heading's path has no markup in it; its anchor is the id that docutils gives the section."""
    document = parsed("a.rst", RST)
    assert [(e.section, e.level, e.anchor) for e in document.elements if e.level] == [
        (("Refunds",), 1, "refunds"),
        (("Refunds", "What you need"), 2, "what-ref-you-x-need"),
    ]
    by_text = {document.text[e.start : e.end]: e for e in document.elements}
    assert by_text["- a receipt"].context == "You need:"
    assert by_text["refund, 1.10"].context == '"what", "how much"'
    assert next(e for e in document.elements if e.kind == "table").context == "Class | Limit"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("only words", [("paragraph", "only words")]),
        ("`open ``markup* |x\n", [("paragraph", "`open ``markup* |x")]),
        ("A\n=\n\nB\n-\n\nC\n=\n", [("heading", "A\n="), ("heading", "B\n-"), ("heading", "C\n=")]),
        ("Too short\n====\n\nx\n", [("heading", "Too short\n===="), ("paragraph", "x")]),
        (
            "a\u2028b\x85" + "c" * 99 + "\x0b.\n\nd\n",
            [("paragraph", "a\u2028b\x85" + "c" * 99 + "\x0b."), ("paragraph", "d")],
        ),
        (".. unknown:: x\n\n   inside\n", [("paragraph", ".. unknown:: x"), ("paragraph", "inside")]),
        (".. math:: e = m\n\nx", [("code", ".. math:: e = m"), ("paragraph", "x")]),
        ('.. end of inclusion from "x"\n\nx', [("paragraph", '.. end of inclusion from "x"'), ("paragraph", "x")]),
        ("x\n\n.. raw:: html\n\n   <b>\n", [("paragraph", "x")]),
    ],
)
def test_rst_loses_no_words(text: str, expected: list[tuple[str, str]]) -> None:
    """Broken markup is text, unknown directives show what they hold, odd line ends move no line."""
    assert shapes(parsed("a.rst", text)) == expected


ORG = """\
#+TITLE: Refund policy
#+AUTHOR: not shown
Intro of
two lines.

* TODO [#A] Refunds                        :work:desk:
  SCHEDULED: <2026-01-02 Fri>
:PROPERTIES:
:ID: not-shown
:END:
Refunds take *14* days.

You need:
- a receipt
  goes on
- the form
  1. signed
** What [[https://x.example][you need]]
#+CAPTION: Classes
| Class | Limit |
|-------+-------|
| eco   | 007   |

#+begin_src sh
refund --all
#+end_src
#+BEGIN_QUOTE
quoted words
#+END_QUOTE
# a comment
: fixed width
#+begin_src never closed
after
"""


def test_org_blocks_stand_where_the_file_has_them() -> None:
    """Stars are headings; lists, tables, code and quotes are what they are; keywords and drawers are nothing."""
    document = parsed("a.org", ORG)
    assert document.text == ORG
    assert document.has_lines
    assert (document.title, document.kind) == ("Refund policy", "org")
    assert shapes(document) == [
        ("paragraph", "Intro of\ntwo lines."),
        ("heading", "* TODO [#A] Refunds                        :work:desk:"),
        ("paragraph", "Refunds take *14* days."),
        ("paragraph", "You need:"),
        ("list_item", "- a receipt\n  goes on"),
        ("list_item", "- the form"),
        ("list_item", "1. signed"),
        ("heading", "** What [[https://x.example][you need]]"),
        ("paragraph", "#+CAPTION: Classes"),
        ("table", "| Class | Limit |\n|-------+-------|\n| eco   | 007   |"),
        ("code", "#+begin_src sh\nrefund --all\n#+end_src"),
        ("quote", "quoted words"),
        ("code", ": fixed width"),
        ("paragraph", "#+begin_src never closed\nafter"),
    ]
    assert [e.section for e in document.elements if e.level] == [("Refunds",), ("Refunds", "What you need")]
    assert next(e for e in document.elements if e.kind == "table").context == "| Class | Limit |"
    assert document.elements[4].context == "You need:"


@pytest.mark.parametrize("opening", ["#+begin_src\n", ":drawer:\n", "#+begin_src\n:drawer:\n"])
def test_org_that_only_opens_blocks_is_text(opening: str) -> None:
    """What is never closed is no block, and is looked for once, not once a line."""
    document = parsed("a.org", opening * 20_000 + "* Closed\n:end:\n")
    assert [kind for kind, _ in shapes(document)] == ["paragraph", "heading", "paragraph"]


def notebook(*cells: dict[str, object]) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def test_a_notebook_is_its_cells_in_order() -> None:
    """Markdown cells give the sections, code is code, outputs count where they are text."""
    document = parsed(
        "a.ipynb",
        notebook(
            {"cell_type": "markdown", "source": ["# Refunds\n", "\n", "You need:\n", "\n", "- a receipt\n"]},
            {
                "cell_type": "code",
                "source": "pay(1)",
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["paid\n", "twice\n"]},
                    {"output_type": "execute_result", "data": {"text/plain": "  a\n0 1", "text/html": "<b>"}},
                    {"output_type": "display_data", "data": {"image/png": "aGk="}},
                    {"output_type": "error", "ename": "KeyError", "evalue": "\x1b[31m7\x1b[0m", "traceback": ["long"]},
                ],
            },
            {"cell_type": "markdown", "source": "## Limits\n007"},
            {"cell_type": "raw", "source": "as it is"},
        ),
    )
    assert (document.title, document.kind, document.has_lines) == ("Refunds", "ipynb", False)
    assert shapes(document) == [
        ("heading", "Refunds"),
        ("paragraph", "You need:"),
        ("list_item", "- a receipt"),
        ("code", "pay(1)"),
        ("code", "paid\ntwice"),
        ("code", "  a\n0 1"),
        ("code", "KeyError: 7"),
        ("heading", "Limits"),
        ("paragraph", "007"),
        ("paragraph", "as it is"),
    ]
    assert document.elements[-1].section == ("Refunds", "Limits")
    assert document.elements[2].context == "You need:"


def test_an_old_or_broken_notebook_is_read_as_what_it_is() -> None:
    """Version 3 keeps its cells in worksheets; without cells it is JSON, and without JSON text."""
    old = json.dumps(
        {
            "worksheets": [
                {
                    "cells": [
                        {"cell_type": "heading", "level": 2, "source": ["Old"]},
                        {"cell_type": "code", "input": ["x = 1"], "outputs": [{"output_type": "pyout", "text": "1"}]},
                    ]
                }
            ]
        }
    )
    assert shapes(parsed("a.ipynb", old)) == [("heading", "Old"), ("code", "x = 1"), ("code", "1")]
    assert parsed("a.ipynb", '{"a": 1}').text == "a: 1"
    assert parsed("a.ipynb", "no json").text == "no json"
    assert shapes(parsed("a.ipynb", '{"cells": [7, {"cell_type": "code", "source": ["y", 3]}]}')) == [("code", "y")]
