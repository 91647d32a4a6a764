"""Links that open at the place of a passage. Pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from ingestor.model import Hit

_PAGED = frozenset({"pdf"})


def cite(hit: Hit) -> Hit:
    """The hit with a ``url`` that opens at its place: page, heading anchor, or lines."""
    return replace(hit, url=place_url(hit))


def place_url(hit: Hit) -> str:
    if not hit.url or "#" in hit.url:
        return hit.url
    if hit.page is not None and hit.kind in _PAGED:
        return f"{hit.url}#page={hit.page}"
    if hit.anchor:
        return f"{hit.url}#{quote(hit.anchor, safe='-._~!$&()*+,;=:@/?')}"
    if hit.lines is not None:
        return f"{hit.url}#L{hit.lines[0]}-L{hit.lines[1]}"
    return hit.url
