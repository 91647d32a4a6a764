"""What a page shows, as the wiki renders it, and whether that is of today.

A wiki keeps what it rendered and makes it anew some time after a template changed, by jobs that may wait. Text that
is older than what the page transcludes, or may be, is taken as what it is, under a version of its own, and looked at
again.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from connectors.base import ItemRef, Version
from connectors.errors import ItemUnreadable
from connectors.mediawiki.api import Answer
from connectors.mediawiki.pages import Left, Page, seconds
from connectors.web.rendered import document

_MADE = "cachereport-timestamp"
SAVING_S = 10.0
"""A revision bears the time at which its saving began. So long after it others may still be shown what was before."""

_PAUSE_MOST_S = 300.0
_PATIENCE_S = 3600.0  # a template that was only protected makes no page anew
_DOUBT_S = 300.0  # what was rendered while a template was saved is mostly of today
_TOP = re.compile(r"<(/?)h1\b", re.IGNORECASE)


class Rendered:
    """What is known of the times of one wiki's pages. Any number of threads."""

    def __init__(self) -> None:
        self._changed: dict[int, float] = {}
        self._old: dict[int, float] = {}  # page -> when it is to be looked at again, by our clock
        self._lock = threading.Lock()

    def learn(self, found: Mapping[int, Page | None], shown: Mapping[int, float] | None = None) -> None:
        """When what these pages transclude changed last; ``shown`` is what a feed says of it."""
        with self._lock:
            for page_id, page in found.items():
                at = max(page.transcluded_at if page is not None else 0.0, (shown or {}).get(page_id, 0.0))
                if page is None or isinstance(page.text, Left):
                    self._changed.pop(page_id, None)
                    self._old.pop(page_id, None)
                elif at:
                    self._changed[page_id] = max(at, self._changed.get(page_id, 0.0))

    def old(self) -> frozenset[int]:
        """Pages whose text was not of the day when it was read last, and that are due for another look."""
        with self._lock:
            return frozenset(page_id for page_id, due in self._old.items() if due <= time.monotonic())

    def judged(self, page_id: int, ref: ItemRef, answer: Answer) -> ItemRef:
        """The ref of a text, with a version of its own where it is older than what it is made of."""
        with self._lock:
            late = _late(answer, self._changed.get(page_id, 0.0))
            if late is None:
                self._old.pop(page_id, None)
                return ref
            # After as long again as it has taken so far: soon at first, and some twenty times in all.
            self._old[page_id] = time.monotonic() + min(late, _PAUSE_MOST_S)
        return replace(ref, version=Version(f"{ref.version}-old"))


def html_of(answer: Answer, most: int, name: str) -> bytes:
    """A whole document of a page's text. Raises ``ItemUnreadable``."""
    said = answer["parse"]
    text = said.get("text")
    if not isinstance(text, str):
        raise ItemUnreadable("The wiki gives the page without its text.", place=name, hint="The next run tries again.")
    # The title is the page's heading of the first level, whatever its writers used in the text.
    return document(str(said.get("title", "")), _TOP.sub(r"<\1h2", text), most=most, name=name)


def categories_of(answer: Answer) -> tuple[str, ...]:
    """The page's categories but the hidden ones, which are for the wiki's own upkeep."""
    said = answer["parse"].get("categories", [])
    return tuple(str(one["category"]).replace("_", " ") for one in said if "category" in one and not one.get("hidden"))


def _late(answer: Answer, changed: float) -> float | None:
    """For how long a text has been older than what it is made of, in seconds; None where it is not."""
    made = next(
        (str(one.get("0")) for one in answer["parse"].get("limitreportdata", []) if one.get("name") == _MADE), ""
    )
    if not changed or not made:
        return None
    try:
        rendered = datetime.strptime(made, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
        late = max(0.0, seconds(answer["curtimestamp"]) - changed)
    except (ValueError, KeyError):
        return None
    patience = _PATIENCE_S if rendered < changed else _DOUBT_S if rendered <= changed + SAVING_S else 0.0
    return late if late < patience else None
