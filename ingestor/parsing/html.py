"""HTML: what the page says, without what the site says around it.

The tree is cleaned, then ``html_blocks`` walks it: navigation and scripts go, layout tables become their content.
unstructured's own walk drops formulas, and takes ten times as long. Formats that convert to HTML end here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestor.model import Document, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html_blocks import HEADINGS, add_blocks
from ingestor.parsing.keywords import listed
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_DROPPED = {"script", "style", "noscript", "template", "nav", "svg", "canvas", "iframe", "object", "dialog", "select"}
_PAGE_FURNITURE = {"header", "footer", "aside"}
_CONTENT = {"main", "article", "section"}
_TABLE_PARTS = {"table", "thead", "tbody", "tfoot", "tr", "td", "th"}
_ROLES = {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "doc-toc"}
# What wikis and sites put around a page, where they do not say so by tag or role.
_IDS = frozenset(
    "toc mw-navigation mw-head mw-panel mw-page-base mw-head-base siteSub contentSub jump-to-nav footer site-footer"
    " colophon dokuwiki__header dokuwiki__aside dokuwiki__footer dokuwiki__usertools dokuwiki__sitetools"
    " dokuwiki__pagetools breadcrumb-section".split()
)
# Marks of the common generators: heading links, edit links, tables of contents, skip links.
_CLASSES = re.compile(
    r"(?:^|\s)(?:headerlink|anchor-link|mw-editsection|mw-jump-link|toc|printfooter|catlinks|navbox"
    r"|noprint|skip-link|sr-only|breadcrumbs?|sphinxsidebar|secedit)(?:\s|$)"
)


def parse_html(request: ParseRequest) -> Document:
    """Sections from headings, tables by rows, code kept; ``anchor`` is the id of its heading."""
    markup = decode(request.content, declared_charset(request.content))
    assembly = Assembly()
    page = add_html(assembly, markup)
    document = assembly.document(
        title=best_title((page.heading, page.title, assembly.first_heading())),
        kind=Format.HTML.value,
        language=page.language,
        tags=page.keywords,
    )
    return replace(document, named=page.named and not page.heading)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageWords:
    """What a page says of itself: its ``<title>``, its only ``<h1>``, its language, its keywords. ``named``: a
    connector wrote ``<title data-named>``, for the title is the name of the page in its source."""

    title: str = ""
    named: bool = False
    heading: str = ""
    language: str | None = None
    keywords: tuple[str, ...] = ()


def add_html(assembly: Assembly, markup: str) -> PageWords:
    """Append the content of an HTML page to ``assembly``."""
    root = _tree(markup)
    if root is None:
        return PageWords()
    titles = [(" ".join(node.itertext()), "data-named" in node.attrib) for node in root.iter("title")]
    language = (root.get("lang") or "").split("-")[0].lower()
    metas = ((node.get("name") or "", node.get("content") or "") for node in root.iter("meta"))
    keywords = [content for name, content in metas if name.lower() == "keywords"]
    before = len(assembly.elements)
    clean(root)
    headings = add_blocks(assembly, root)
    if len(assembly.elements) == before and (whole := _tree(markup)) is not None:
        # A page that is nothing but furniture is a page all the same.
        clean(whole, furniture=False)
        headings = add_blocks(assembly, whole)
    tops = [text for level, text in headings if level == 1]
    return PageWords(
        title=titles[0][0] if titles else "",
        named=titles[0][1] if titles else False,
        heading=tops[0] if len(tops) == 1 else "",
        language=language if language.isalpha() else None,
        keywords=tuple(tag for words in keywords for tag in listed(words)),
    )


def declared_charset(content: bytes) -> str | None:
    """The charset that a page names in its first kilobyte."""
    match = _CHARSET.search(content[:2048]) or _XML_CHARSET.match(content[:200])
    return match[1].decode("ascii", "replace") if match else None


def clean(root: HtmlElement, *, furniture: bool = True) -> None:
    """Drop what is not content (``furniture`` False: scripts only); tables that only place things become blocks."""
    h1_elsewhere = any(_inside(h1, _PAGE_FURNITURE) is None for h1 in root.iter("h1"))
    for node in list(root.iter()):
        if not isinstance(node.tag, str):
            continue
        if node.tag in {"html", "body"}:
            continue
        if node.getparent() is None:  # went with a parent
            continue
        dropped = node.tag in _DROPPED and (furniture or node.tag != "nav")
        if dropped or (furniture and _is_furniture(node, h1_elsewhere=h1_elsewhere)):
            node.drop_tree()
    for caption in list(root.iter("caption")):
        _put_before_table(caption)
    # Innermost first, so that a table of tables ends as the content of its cells.
    for table in reversed(list(root.iter("table"))):
        if _is_layout(table):
            _dissolve(table)


def _tree(markup: str) -> HtmlElement | None:
    from lxml import etree, html

    # A str with an XML declaration is refused by lxml; bytes in a known charset never are.
    content = _DECLARATION.sub("", markup).encode("utf-8", "replace")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return html.document_fromstring(content, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):  # no element at all
        return None


def _is_furniture(node: HtmlElement, *, h1_elsewhere: bool) -> bool:
    if node.get("aria-hidden") == "true" or node.get("hidden") is not None:
        return node.tag not in HEADINGS
    if node.get("role") in _ROLES or node.get("id") in _IDS or _CLASSES.search(node.get("class") or ""):
        return True
    if node.tag in _PAGE_FURNITURE and _inside(node.getparent(), _CONTENT) is None:
        # Some sites put the only title of the page into its header.
        return h1_elsewhere or next(node.iter("h1"), None) is None
    return False


def _inside(node: HtmlElement | None, tags: set[str]) -> HtmlElement | None:
    while node is not None and node.tag not in tags:
        node = node.getparent()
    return node


def _put_before_table(caption: HtmlElement) -> None:
    """A table's caption is no cell."""
    table = _inside(caption, {"table"})
    caption.tag = "div"
    if table is not None and table.getparent() is not None:
        caption.tail = None
        table.addprevious(caption)


def _is_layout(table: HtmlElement) -> bool:
    """A table that places things on a page: it holds blocks of prose, or has one column."""
    if next(table.iter(*HEADINGS, "ul", "ol", "pre", "blockquote"), None) is not None:
        return True
    if any(node is not table for node in table.iter("table")):
        return True
    return all(sum(1 for _ in row.iterchildren("td", "th")) <= 1 for row in table.iter("tr"))


def _dissolve(table: HtmlElement) -> None:
    parts = [node for node in table.iter(*_TABLE_PARTS) if _inside(node, {"table"}) is table]
    for node in parts:
        if node is not table:
            node.tag = "div"
    table.tag = "div"
