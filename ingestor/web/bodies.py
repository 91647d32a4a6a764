"""What requests to the HTTP API look like where the socket's own models say too little, and its answers besides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ingestor import wire
from ingestor.search.prompt import CONTEXT_TOP, SMALLEST_BUDGET, merges
from ingestor.web.access import Caller

Text = Annotated[str, Field(max_length=2_000)]
Values = Annotated[tuple[Text, ...], Field(max_length=50)]
Time = Annotated[float, Field(allow_inf_nan=False)]


class Question(wire.Wire):
    """Of several sources, scopes, paths or kinds one is enough, of several tags a document has all, in any case. A path
    is a file or folder, as its source names it, as an absolute path or address, or as the ``uri`` of a hit. ``since``
    and ``until``: when the content changed, in seconds since the epoch. ``as_of``: as it was known then, in seconds
    since the epoch, of what the reader may still see. ``principals`` narrow what the token reads, and never widen it.
    """

    query: Annotated[str, Field(min_length=1, max_length=8_000)]
    mode: Literal["hybrid", "dense", "keyword"] = "hybrid"
    sources: Values = ()
    paths: Values = ()
    kinds: Values = ()
    tags: Values = ()
    scopes: Values = ()
    since: Time | None = None
    until: Time | None = None
    as_of: Time | None = None
    principals: Annotated[tuple[Text, ...], Field(max_length=100)] | None = None
    passage: Annotated[int, Field(ge=1, le=10_000)] | None = None

    def request(self, caller: Caller) -> wire.SearchRequest:
        """What the service is asked, on behalf of this caller."""
        told = {
            name: getattr(self, name) for name in type(self).model_fields if name in wire.SearchRequest.model_fields
        }
        return wire.SearchRequest(**{**told, "principals": caller.reads_as(self.principals), "kept": wire.Kept()})


class SearchBody(Question):
    """``merge``: hits that stand next to each other are one. ``passage``: about so many characters around the nearest
    sentence. ``context``: so many passages before and after each hit."""

    top: Annotated[int, Field(ge=1, le=200)] = 10
    merge: bool = False
    context: Annotated[int, Field(ge=0, le=10)] = 0


class ContextBody(Question):
    """``budget``: tokens that the text may have."""

    budget: Annotated[int, Field(ge=SMALLEST_BUDGET, le=200_000)] = 3_000

    def request(self, caller: Caller) -> wire.SearchRequest:
        asked = super().request(caller)
        merge = asked.passage is None and merges(self.budget)
        return asked.model_copy(update={"top": CONTEXT_TOP, "merge": merge, "kept": wire.Kept(budget=self.budget)})


class Started(wire.Wire):
    """Work that goes on after the answer; ``status`` and ``runs`` show it."""

    state: Literal["running"] = "running"


class Problem(wire.Wire):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    hint: str = ""
