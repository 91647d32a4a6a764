"""Fragment ids of headings that were given none."""

from __future__ import annotations

import re

_NOT_SLUG = re.compile(r"[^\w\- ]")


class Anchors:
    """Those of one document, as GitHub and its likes make them: numbered where a heading repeats."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def of(self, title: str) -> str:
        slug = _NOT_SLUG.sub("", title.strip().lower()).replace(" ", "-")
        seen = self._seen.get(slug, 0)
        self._seen[slug] = seen + 1
        return f"{slug}-{seen}" if seen else slug
