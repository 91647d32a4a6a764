"""A document that no parser took: how often it is tried, and when again. Pure but for the clock."""

from __future__ import annotations

import time

from connectors.base import ItemRef
from ingestor.errors import ParseFailure
from ingestor.model import Hash, KnownItem, PutFailure, Recipe

TRIES = 3
RETRY_AFTER_S = (60.0, 600.0)
"""After the first and the second failure that may pass."""


def put_failure(
    failure: ParseFailure,
    *,
    ref: ItemRef,
    doc: int | None,
    known: KnownItem | None,
    content_hash: Hash,
    recipe: Recipe,
    seen_at: float,
    doubtful: bool = False,
) -> PutFailure:
    """Counted by content and recipe: new content or a new parser begins anew."""
    same = known is not None and known.failed and (known.content_hash, known.recipe) == (content_hash, recipe)
    attempts = known.attempts + 1 if known is not None and same else 1
    retry = failure.transient and attempts < TRIES
    return PutFailure(
        ref=ref,
        doc=doc,
        content_hash=content_hash,
        recipe=recipe,
        reason=failure.reason.value,
        message=failure.message,
        hint=failure.hint,
        attempts=attempts,
        retry_at=time.time() + RETRY_AFTER_S[attempts - 1] if retry else None,
        seen_at=seen_at,
        doubtful=doubtful,
    )


def is_ignored(known: KnownItem | None, content_hash: Hash) -> bool:
    """Whether a person wants to hear no more of it."""
    return known is not None and known.ignored and known.content_hash == content_hash
