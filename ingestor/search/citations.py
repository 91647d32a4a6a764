"""Links that open at the place of a passage. Pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from ingestor.model import ATTACHED, Hit

_PAGED = frozenset({"pdf"})
_BROWSED = frozenset({"html"})
# The ids of their headings are those of our conversion, which no program that opens them knows.
_CONVERTED = frozenset({"epub", "odt", "rtf"})
# So many words find the place; more of them would run over the end of a short block.
_FRAGMENT_WORDS = 8


def cite(hit: Hit) -> Hit:
    """The hit with links that open at its place: page, heading anchor, lines, or words."""
    return replace(hit, url=place_url(hit), pinned_url=place_url(replace(hit, url=hit.pinned_url)))


def place_url(hit: Hit) -> str:
    if not hit.url or "#" in hit.url or ATTACHED in hit.uri:
        return hit.url  # of an attachment it opens the mail, where the attachment's pages mean nothing
    if hit.page is not None and hit.kind in _PAGED:
        return f"{hit.url}#page={hit.page}"
    if hit.lines is not None and hit.url.startswith("file:"):
        return _lines_url(hit.url, hit.lines)  # a text as it lies there; a wiki shows headings and no lines
    if hit.anchor and hit.kind not in _CONVERTED:
        return f"{hit.url}#{quote(hit.anchor, safe='-._~!$&()*+,;=:@/?')}"
    if hit.lines is not None:
        return _lines_url(hit.url, hit.lines)
    if hit.kind in _BROWSED and (words := _first_words(hit.text)):
        return f"{hit.url}#:~:text={words}"
    return hit.url


def _lines_url(url: str, lines: tuple[int, int]) -> str:
    return f"{url}#L{lines[0]}-L{lines[1]}"


def _first_words(text: str) -> str:
    """A text fragment: the browser looks for these words, inside one block of the page. The signs that mean
    something in a fragment are escaped, the hyphen among them."""
    line = next((line for line in text.splitlines() if any(c.isalnum() for c in line)), "")
    cell = next((cell for cell in line.split(" | ") if any(c.isalnum() for c in cell)), "")
    return quote(" ".join(cell.split()[:_FRAGMENT_WORDS]), safe="").replace("-", "%2D")
