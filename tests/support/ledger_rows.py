"""Documents of one chunk or a few, put straight into a ledger."""

from __future__ import annotations

from connectors.base import Grant, ItemId, ItemRef, Scope, Version
from ingestor.ledger.ledger import Ledger
from ingestor.model import Applied, Hash, Passage, PutRevision, Recipe, RunId, Unit

RUN = RunId("r")


def put(
    ledger: Ledger,
    item: str,
    *texts: str,
    source: str = "s",
    readers: tuple[str, ...] = ("public",),
    kind: str = "text",
    url: str = "",
    modified_at: float | None = None,
    section: tuple[str, ...] = (),
    tags: tuple[str, ...] | None = None,
    says: tuple[str, ...] = (),
    author: str | None = None,
    doc: int | None = None,
) -> Applied:
    """``texts`` are its passages; ``section`` is the path above them, and their context; ``tags`` are the source's, ``says`` the content's.
    ``doc`` returns there, where nothing stands."""
    text = "".join(texts)
    grant = Grant(place=f"place of {item}", principals=frozenset(readers))
    known = ledger.sync.known(source, Scope("")).get(ItemId(item))
    op = PutRevision(
        ref=ItemRef(
            item_id=ItemId(item),
            name=item,
            version=Version(text),
            grant=grant,
            url=url,
            modified_at=modified_at,
            tags=tags,
            author=author,
        ),
        doc=known.doc if known else doc,
        content_hash=Hash(text.encode()),
        recipe=Recipe("r"),
        title="",
        kind=kind,
        passages=tuple(_passage(len("".join(texts[:place])), one, section) for place, one in enumerate(texts)),
        has_lines=False,
        tags=says,
        seen_at=0.0,
    )
    return ledger.sync.apply(source, RUN, [op])


def _passage(start: int, text: str, section: tuple[str, ...]) -> Passage:
    size, end = len(text), start + len(text)
    unit = Unit(text=text, start=start, end=end, weight=size)
    return Passage(start=start, end=end, text=text, units=(unit,), length=size, section=section, context=section)
