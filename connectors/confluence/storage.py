"""Confluence's storage format as HTML that can be read: macros become what they show, or go. Pure.

The format is XHTML with elements of two name spaces: ``ac:`` for macros, links, images, tasks and layouts, ``ri:`` for
what these point to. What a macro is not known keeps its text. Headings get the ids that the wiki's own pages have, so
that a link opens there, and go down by one: the title of a page is its heading of the first level.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.entities import html5

from lxml import etree

_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_NOT_XML = {one: None for one in range(32) if one not in {9, 10, 13}}
_NAMES = "".join(f' xmlns:{name}="{name}"' for name in ("ac", "ri", "at"))
_DEEPEST = 150
_KEPT_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_VOID = frozenset({"br", "hr", "img", "col"})
_NAMED = ("content-title", "filename", "space-key", "value")
_HEADING = re.compile(r"h([1-6])")

_DROPPED = frozenset(
    {"emoticon", "placeholder", "parameter", "default-parameter", "task-id", "task-uuid", "adf-attribute"}
)
_LISTS = frozenset(
    "toc children pagetree pagetreesearch recently-updated contentbylabel attachments gallery livesearch navmap"
    " blog-posts contributors contributors-summary change-history search favpages spaces global-reports popular-labels"
    " recently-used-labels related-labels listlabels network userlister pageindex index create-from-template"
    " tasks-report-macro roadmap style html rss chart".split()
)
"""Macros that list what stands elsewhere, or show no words."""

_PANELS = frozenset({"panel", "info", "note", "warning", "tip", "expand", "details", "ui-expand"})
_PLAIN = frozenset({"code", "noformat"})
_INCLUDES = frozenset({"include", "excerpt-include"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a page includes: the page of this title, of its own space where none is named; only its ``excerpt`` (the one
    of this name, or the first)."""

    space: str
    title: str
    excerpt: bool = False
    name: str = ""


class TooDeep(ValueError):
    """Elements in elements, thousands of them."""


Included = Callable[[Target], str | None]
"""The storage format of a page; None where there is none that may be shown."""

Anchor = Callable[[str], str]
"""The id of a heading with this text."""


def html_of(storage: str, *, own: tuple[str, str], anchor: Anchor, included: Included) -> str:
    """The HTML of a text; ``own`` is its space and title. Raises ``TooDeep``."""
    writer = _Writer(own=own, anchor=anchor, included=included)
    writer.inside(_tree(storage))
    return "".join(writer.out)


def targets_of(storage: str) -> Iterator[Target]:
    """What a text includes, in order."""
    for node in _tree(storage).iter("{ac}structured-macro", "{ac}macro"):
        if node.get("{ac}name") in _INCLUDES and (target := _target(node)) is not None:
            yield target


def anchors(title: str, *, cloud: bool) -> Anchor:
    """How the ids of headings are made: in the Cloud of the heading alone, in Data Center of the page's title as well;
    what is there already is counted."""
    seen: dict[str, int] = {}
    head = "" if cloud else f"{''.join(title.split())}-"

    def anchor(text: str) -> str:
        made = head + ("-" if cloud else "").join(text.split())
        count = seen.get(made, 0)
        seen[made] = count + 1
        return f"{made}.{count}" if count else made

    return anchor


# -- reading ---------------------------------------------------------------------------------------


def _tree(storage: str) -> etree._Element:
    """The text as a tree, whatever is wrong with it. It has no document type, and so no entities of its own."""
    parts = _CDATA.split(storage.translate(_NOT_XML))
    # XML knows five entities; storage has all those of HTML.
    fixed = (part if part.startswith("<![CDATA[") else _ENTITY.sub(_character, part) for part in parts)
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    root = etree.fromstring(f"<body{_NAMES}>{''.join(fixed)}</body>".encode("utf-8", "replace"), parser)
    if any("depth" in one.message for one in parser.error_log):
        raise TooDeep  # it was read no further
    return root if root is not None else etree.Element("body")


def _character(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name in _KEPT_ENTITIES else html5.get(f"{name};", html.escape(match[0]))


def _target(macro: etree._Element) -> Target | None:
    """The page that an include names: in a link, or in older texts by ``SPACE:Title``."""
    excerpt = macro.get("{ac}name") == "excerpt-include"
    name = _parameter(macro, "name")
    for node in macro:
        if _tag(node) not in {"parameter", "default-parameter"} or node.get("{ac}name", "") not in {"", "0"}:
            continue
        page = next(node.iter("{ri}page", "{ri}blog-post"), None)
        if page is not None:
            space, title = page.get("{ri}space-key", ""), page.get("{ri}content-title", "")
        else:
            space, _, title = "".join(node.itertext()).strip().rpartition(":")
        return Target(space=space, title=title, excerpt=excerpt, name=name) if title else None
    return None


def _parameter(macro: etree._Element, name: str) -> str:
    for node in macro:
        if _tag(node) == "parameter" and node.get("{ac}name") == name:
            return "".join(node.itertext()).strip()
    return ""


def _tag(node: etree._Element) -> str:
    """A tag without its name space; empty of a comment."""
    return node.tag.rpartition("}")[2].rpartition(":")[2] if isinstance(node.tag, str) else ""


def _child(node: etree._Element, *tags: str) -> etree._Element | None:
    return next((one for one in node if _tag(one) in tags), None)


# -- writing ---------------------------------------------------------------------------------------


class _Writer:
    """``out`` is the HTML so far. ``within`` are the pages that are being included: none is included in itself."""

    def __init__(self, *, own: tuple[str, str], anchor: Anchor, included: Included) -> None:
        self.out: list[str] = []
        self._anchor = anchor
        self._included = included
        self._within = [own]
        self._depth = 0

    def inside(self, node: etree._Element) -> None:
        """What stands in an element."""
        self._text(node.text)
        for child in node:
            self._node(child)
            self._text(child.tail)

    def _node(self, node: etree._Element) -> None:
        tag = _tag(node)
        if not tag:
            return
        if self._depth >= _DEEPEST:
            self._text(" ".join(node.itertext()))
            return
        self._depth += 1
        if node.tag.startswith(("{ac}", "{ri}", "{at}", "ac:", "ri:", "at:")):
            self._own(node, tag)
        elif match := _HEADING.fullmatch(tag):
            self._heading(node, int(match[1]))
        elif tag == "time" and not node.text:
            self._text(node.get("datetime"))
        elif tag in _VOID:
            self.out.append(f"<{tag}>")
            self.inside(node)  # of what was not closed
        else:
            kept = "".join(f' {key}="{html.escape(node.get(key))}"' for key in ("colspan", "rowspan") if node.get(key))
            self._wrapped(tag + kept, node)
        self._depth -= 1

    def _own(self, node: etree._Element, tag: str) -> None:
        """An element of Confluence."""
        match tag:
            case "structured-macro" | "macro":
                self._macro(node, node.get("{ac}name", ""))
            case "link":
                self._link(node)
            case "image":
                self._image(node)
            case "task-list":
                self._wrapped("ul", node)
            case "task":
                self._task(node)
            case "adf-extension":
                self._adf(node)
            case "layout" | "layout-section" | "layout-cell":
                self._wrapped("div", node)
            case _ if tag in _DROPPED:
                pass
            case _:
                self.inside(node)

    def _heading(self, node: etree._Element, level: int) -> None:
        words = _words(node)
        self.out.append(f'<h{min(level + 1, 6)} id="{html.escape(self._anchor(words))}">')
        self.inside(node)
        self.out.append(f"</h{min(level + 1, 6)}>")

    def _macro(self, node: etree._Element, name: str) -> None:
        rich, plain = _child(node, "rich-text-body"), _child(node, "plain-text-body")
        if name in _INCLUDES:
            self._include(node)
        elif name in _LISTS:
            pass
        elif name == "status":
            self._text(f" {_parameter(node, 'title')} ")
        elif name == "jira":
            self._text(f" {_parameter(node, 'key')} ")
        elif name == "anchor":
            self.out.append(f'<a id="{html.escape(_parameter(node, ""))}"></a>')
        elif name in _PLAIN or (plain is not None and rich is None):
            self._code(node, plain)
        elif name == "excerpt" and _parameter(node, "hidden") == "true":
            pass  # shown where it is included only
        elif rich is not None and (name in _PANELS or _parameter(node, "title")):
            self.out.append("<div>")
            if title := _parameter(node, "title"):
                self.out.append(f"<p><strong>{html.escape(title)}</strong></p>")
            self.inside(rich)
            self.out.append("</div>")
        elif rich is not None:
            self._wrapped("span" if _is_inline(rich) else "div", rich)

    def _code(self, node: etree._Element, body: etree._Element | None) -> None:
        text = "".join(body.itertext()) if body is not None else ""
        if title := _parameter(node, "title"):
            self.out.append(f"<p>{html.escape(title)}</p>")
        language = _parameter(node, "language")
        kind = f' class="language-{html.escape(language)}"' if language else ""
        # The first newline of a <pre> is not shown.
        self.out.append(f"<pre><code{kind}>\n{html.escape(text)}</code></pre>")

    def _include(self, node: etree._Element) -> None:
        named = _target(node)
        if named is None:
            return
        target = replace(named, space=named.space or self._within[-1][0])
        if (target.space, target.title) in self._within:
            return
        storage = self._included(target)
        if storage is None:
            return
        root = _tree(storage)
        shown = _excerpt(root, target.name) if target.excerpt else root
        if shown is None:
            return
        self._within.append((target.space, target.title))
        self._wrapped("div", shown)
        self._within.pop()

    def _link(self, node: etree._Element) -> None:
        """Its words: its own, or the name of what it points to."""
        body = _child(node, "link-body", "plain-text-link-body")
        self.out.append("<a>")
        if body is not None and (_words(body) or next(body.iter("{ac}image"), None) is not None):
            self.inside(body)
        else:
            points = next((one for one in node if one is not body), None)
            named = [points.get(f"{{ri}}{key}") for key in _NAMED] if points is not None else []
            self._text(next(filter(None, named), node.get("{ac}anchor")))
        self.out.append("</a>")

    def _image(self, node: etree._Element) -> None:
        words = node.get("{ac}alt") or node.get("{ac}title") or ""
        caption = _child(node, "caption")
        if words:
            self.out.append(f'<img alt="{html.escape(words)}">')
        if caption is not None:
            self._wrapped("div", caption)

    def _task(self, node: etree._Element) -> None:
        done = _child(node, "task-status")
        body = _child(node, "task-body")
        if body is not None:
            self.out.append("<li>")
            self._text("[x] " if done is not None and (done.text or "").strip() == "complete" else "[ ] ")
            self.inside(body)
            self.out.append("</li>")

    def _adf(self, node: etree._Element) -> None:
        """What the new editor writes beside the format: its content, else what it falls back to; never both."""
        content = next(node.iter("{ac}adf-content"), None)
        shown = content if content is not None else _child(node, "adf-fallback")
        if shown is not None:
            self._wrapped("div", shown)

    def _wrapped(self, opening: str, node: etree._Element) -> None:
        self.out.append(f"<{opening}>")
        self.inside(node)
        self.out.append(f"</{opening.partition(' ')[0]}>")

    def _text(self, text: str | None) -> None:
        if text:
            self.out.append(html.escape(text, quote=False))


# -- helpers ---------------------------------------------------------------------------------------


def _excerpt(root: etree._Element, name: str) -> etree._Element | None:
    """The body of a page's excerpt: of the one of this name, or of the first."""
    for node in root.iter("{ac}structured-macro", "{ac}macro"):
        if node.get("{ac}name") == "excerpt" and (not name or _parameter(node, "name") == name):
            return _child(node, "rich-text-body")
    return None


def _words(node: etree._Element) -> str:
    return " ".join("".join(node.itertext()).split())


def _is_inline(node: etree._Element) -> bool:
    return all(_tag(one) in {"", "span", "strong", "em", "a", "code", "u", "br", "link", "emoticon"} for one in node)
