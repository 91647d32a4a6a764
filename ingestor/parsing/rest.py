"""reStructuredText: its own text is the canonical text; docutils finds the blocks and their lines.

Only the block structure is asked for. Inline markup is left alone, and every directive is one of ours: it shows
the content that stands in the file and does nothing, so none can read another file, and those of Sphinx (or of
anybody) need not be known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.blocks import Block, elements_of, heading
from ingestor.parsing.formats import Format
from ingestor.parsing.keywords import of_rst
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from docutils import nodes

_CODE = frozenset(
    "code code-block sourcecode parsed-literal math doctest testcode testoutput productionlist prompt"
    " graphviz digraph uml mermaid ipython jupyter-execute".split()
)
_TABLES = frozenset({"csv-table", "list-table"})
# Their argument names a file or a class; what they contain is for readers.
_HEADLESS = frozenset({"figure", "container", "only", "tab", "ifconfig"})
# What they hold is for the machine that makes the pages: names of other files, switches, raw output.
_SILENT = frozenset(
    "toctree contents include literalinclude raw meta index highlight role default-role currentmodule module"
    " image moduleauthor sectionauthor codeauthor tabularcolumns sectnum header"
    " footer autosummary date replace unicode title".split()
)
_ADORNED = re.compile(r"([!-/:-@\[-`{-~])\1*\s*$")
_OPTION = re.compile(r":[^:\s][^:]*:(?:\s|$)")
_INLINE = re.compile(r":[\w:.+-]+:(?=`)|[`*|]+|_(?=\s|$)")
# Ends a line for docutils and not for us: line numbers would drift apart.
_LINE_ENDS = dict.fromkeys(map(ord, "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), " ")
_TARGET = re.compile(r"\s*<[^<>`]*>(?=`)")


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where something begins (a line from 0). ``kind`` is None for what is not shown."""

    first: int
    kind: ElementKind | None
    level: int | None = None
    anchor: str | None = None
    context: str = ""


def parse_rst(request: ParseRequest) -> Document:
    """Elements with heading path and the anchors of docutils; ``has_lines`` is true."""
    text = decode(request.content)
    elements = elements_of(text, _blocks(text))
    first = next((e.section[-1] for e in elements if e.level == 1), "")
    return Document(
        text=text,
        elements=elements,
        title=best_title((first,)),
        kind=Format.RST.value,
        has_lines=True,
        tags=of_rst(text),
    )


def _blocks(text: str) -> Iterator[Block]:
    """A block goes on until the next begins: docutils knows where each starts, not where it ends."""
    lines = text.split("\n")
    marks: dict[int, _Mark] = {0: _Mark(0, ElementKind.PARAGRAPH)}
    found: dict[int, _Mark] = {}
    for mark in _marks(_doctree(text), lines):
        found.setdefault(mark.first, mark)  # of an item and its paragraph the item
    ordered = sorted({**marks, **found}.values(), key=lambda mark: mark.first)
    for mark, following in zip(ordered, [*(m.first for m in ordered[1:]), len(lines)], strict=True):
        if mark.kind is None or mark.first >= len(lines):
            continue
        if mark.level is None:
            yield Block(kind=mark.kind, first=mark.first, last=following, context=mark.context)
            continue
        at = mark.first + 1 if _ADORNED.match(lines[mark.first]) else mark.first
        yield heading(mark.first, following, level=mark.level, title=_words(lines[at]), anchor=mark.anchor)


def _marks(doctree: nodes.document, lines: Sequence[str]) -> Iterator[_Mark]:
    from docutils import nodes

    for node in _walk(doctree):
        line = getattr(node, "line", None)
        if line is None or line < 1:
            continue
        first = int(line) - 1
        match node:
            case nodes.title() if isinstance(node.parent, nodes.section):  # its line is that of the underline
                over = first >= 2 and _same(lines[first - 2], lines[first])
                ids = node.parent["ids"]
                yield _Mark(
                    first - (2 if over else 1), ElementKind.HEADING, level=_depth(node), anchor=ids[0] if ids else None
                )
            case nodes.container() if "shown" in node:
                kind = node["shown"]
                yield _Mark(first, ElementKind(kind) if kind else None, context=node["context"])
            case nodes.table():
                yield _Mark(first, ElementKind.TABLE, context=_header(node))
            case nodes.literal_block() | nodes.doctest_block():
                yield _Mark(first, ElementKind.CODE)
            case nodes.list_item() | nodes.definition_list_item() | nodes.field() | nodes.option_list():
                yield _Mark(first, ElementKind.LIST_ITEM)
            case nodes.comment() | nodes.target() | nodes.substitution_definition() | nodes.transition():
                yield _Mark(first, None)
            case nodes.footnote() | nodes.citation() | nodes.line_block():
                yield _Mark(first, ElementKind.PARAGRAPH)
            case nodes.paragraph() if not _opens_its_parent(node):
                yield _Mark(first, _kind_of_text(node.parent))
            case _:
                pass


def _walk(root: nodes.Node) -> Iterator[nodes.Node]:
    """In document order, without the cells of tables and the parser's own messages."""
    from docutils import nodes

    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, nodes.table | nodes.system_message):
            stack.extend(reversed(node.children))


def _opens_its_parent(paragraph: nodes.paragraph) -> bool:
    """A definition belongs to its term, a value to its field, a footnote to its number."""
    from docutils import nodes

    parent = paragraph.parent
    whole = isinstance(parent, nodes.definition | nodes.field_body | nodes.footnote | nodes.citation)
    return whole and not any(isinstance(node, nodes.paragraph) for node in parent.children[: parent.index(paragraph)])


def _kind_of_text(parent: nodes.Node) -> ElementKind:
    from docutils import nodes

    if isinstance(parent, nodes.description):  # what a command's option does
        return ElementKind.LIST_ITEM
    return ElementKind.QUOTE if isinstance(parent, nodes.block_quote) else ElementKind.PARAGRAPH


def _header(table: nodes.table) -> str:
    """The cells of its first head row, as one line."""
    from docutils import nodes

    row = next((row for head in table.findall(nodes.thead) for row in head.findall(nodes.row)), None)
    return "" if row is None else " | ".join(" ".join(entry.astext().split()) for entry in row.children)


def _depth(title: nodes.title) -> int:
    from docutils import nodes

    level, node = 0, title.parent
    while node is not None:
        level += isinstance(node, nodes.section)
        node = node.parent
    return level


def _same(over: str, under: str) -> bool:
    return bool(_ADORNED.match(over)) and over[:1] == under[:1]


def _words(line: str) -> str:
    """A title without its inline markup: ``:ref:`x <y>``` reads x."""
    return " ".join(_INLINE.sub("", _TARGET.sub("", line)).replace("\\", "").split())


def _doctree(text: str) -> nodes.document:
    from docutils.frontend import get_default_settings
    from docutils.parsers.rst import Parser
    from docutils.utils import new_document

    settings = get_default_settings(Parser)
    settings.report_level = settings.halt_level = 5  # what docutils has to say about markup helps no reader
    settings.warning_stream = None
    settings.file_insertion_enabled = settings.raw_enabled = False
    settings.line_length_limit = len(text) + 1  # it refuses the whole document otherwise
    document = new_document("document", settings)
    Parser(inliner=_prepare()).parse(text.translate(_LINE_ENDS), document)
    return document


@cache
def _prepare() -> Any:
    """Once a process: all directives become ours. Returns what stands in for the parser of inline markup."""
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives
    from docutils.parsers.rst.states import Body, Inliner

    class Shown(Directive):  # type: ignore[misc]  # docutils ships no types
        """Says where its parts begin, and has its content parsed."""

        has_content = True

        def run(self) -> list[nodes.Node]:
            content = self.content
            named = self.content_offset < self.lineno  # something stands behind the colons
            if self.name in _SILENT:
                return [_shown(self.lineno, None)]
            options = next((i for i, line in enumerate(content) if not line.strip() or _OPTION.match(line)), None)
            has_options = options is not None and bool(_OPTION.match(content[options]))
            end = next((i for i, line in enumerate(content) if not line.strip()), len(content))
            if not named and not has_options:
                end = 0
            while end < len(content) and not content[end].strip():
                end += 1
            body = self.content_offset + end + 1  # the line, from 1
            more = end < len(content)
            if self.name in _CODE:
                code = _shown(body if more else self.lineno, ElementKind.CODE)
                return [_shown(self.lineno, None), code] if more else [code]
            if self.name in _TABLES:
                header = next((line for line in content[:end] if line.startswith(":header:")), "")
                return [
                    _shown(self.lineno, ElementKind.PARAGRAPH if named else None),
                    *([_shown(self.content_offset + options + 1, None)] if has_options and options else []),
                    _shown(body, ElementKind.TABLE, header.removeprefix(":header:").strip()),
                ]
            result = _shown(self.lineno, ElementKind.PARAGRAPH if named and self.name not in _HEADLESS else None)
            if has_options and options:
                result += _shown(self.content_offset + options + 1, None)
            if more:
                self.state.nested_parse(content[end:], self.content_offset + end, result)
            return [result]

    def _shown(line: int, kind: ElementKind | None, context: str = "") -> nodes.Element:
        node = nodes.container(shown=kind.value if kind else "", context=context)
        node.line = line
        return node

    def comment(body: Body, match: Any) -> Any:
        body.document.include_log.append(("", ()))  # a comment may claim to be the end of an inclusion
        line = body.state_machine.abs_line_number()
        found, finish = without_line(body, match)
        for node in found:
            node.line = line
        return found, finish

    # The two seams; a test fails when one moves. A comment is the one block that docutils gives no line.
    without_line, Body.comment = Body.comment, comment
    directives.directive = lambda *_: (Shown, [])
    inliner = Inliner()
    # Inline markup is most of the work of docutils, and would tell nothing about blocks.
    inliner.parse = lambda text, *_: ([nodes.Text(text)], [])
    return inliner
