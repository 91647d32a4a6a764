"""What a wiki renders of a page, as a whole HTML document."""

from __future__ import annotations

import html
import re

from connectors.errors import ItemUnreadable

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def document(title: str, body: str, *, most: int, name: str) -> bytes:
    """``title`` is the page's name in its wiki, and not its text; ``most`` is in bytes. Raises ``ItemUnreadable``."""
    head = f'<head><meta charset="utf-8"><title data-named>{html.escape(title)}</title></head>'
    body = _COMMENT.sub("", body)
    content = f"<!DOCTYPE html>\n<html>{head}\n<body>{body}</body></html>\n".encode("utf-8", "replace")
    if len(content) > most:
        raise ItemUnreadable("The page is larger than max_size.", place=name, hint="Raise max_size.")
    return content
