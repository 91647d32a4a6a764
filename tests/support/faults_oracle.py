"""What a state holds, and what it should hold, as multisets that can be compared.

``held`` reads a ledger with SQL of its own and none of the program's queries. ``wanted`` is f(source): it
lists, fetches, parses, takes out attachments and cuts, and has neither a ledger nor a past.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from connectors.base import WHOLE, ItemRef, Source, Upserted
from ingestor.errors import ParseFailure
from ingestor.ledger.packing import item_uri, shown_title, unpack_layout
from ingestor.model import ChunkId, ParseRequest
from ingestor.pooling import CONTEXT_SHARE
from ingestor.ports import Cutter, Parser
from tests.support.memory_index import Row
from tests.support.stub_embedder import StubEmbedder

Read = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs one query and gives its rows."""


class Passage(NamedTuple):
    """One live chunk, without any id that a run makes up."""

    source: str
    item: str
    text: str
    span: tuple[int, int]
    section: tuple[str, ...]
    page: int | None
    principals: frozenset[str]


NOWHERE = (-1, -1)
"""The span of a live chunk that its document's layout does not name, or of a spot without a live chunk."""

_LIVE = """
SELECT source.name, binding.item_id, chunk.id, chunk.text, cut.section, cut.page, binding.acl, document.id
FROM cut
JOIN chunk ON chunk.id = cut.chunk
JOIN document ON document.id = chunk.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
LEFT JOIN binding ON binding.doc = document.id AND binding.died IS NULL
WHERE cut.died IS NULL
"""


def held(read: Read) -> Counter[Passage]:
    """Every live chunk of a ledger; what contradicts itself there comes out as a passage that no source has."""
    principals: defaultdict[int, set[str]] = defaultdict(set)
    for acl, name in read(
        "SELECT acl, name FROM acl_principal JOIN principal ON principal.id = principal WHERE died IS NULL"
    ):
        principals[acl].add(name)
    spots: dict[int, dict[int, tuple[int, int]]] = {}
    for doc, packed in read("SELECT doc, packed FROM layout WHERE died IS NULL"):
        spots[doc] = {spot.chunk: (spot.start, spot.end) for spot in unpack_layout(packed)}
    found: Counter[Passage] = Counter()
    for source, item, chunk, text, section, page, acl, doc in read(_LIVE):
        found[
            Passage(
                source=source,
                item=item or "",
                text=text,
                span=spots.get(doc, {}).pop(chunk, NOWHERE),
                section=tuple(json.loads(section)),
                page=page,
                principals=frozenset(principals[acl]),
            )
        ] += 1
    for left in spots.values():
        for chunk in left:
            found[Passage("", f"a layout names the dead chunk {chunk}", "", NOWHERE, (), None, frozenset())] += 1
    return found


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """f(source). ``rows`` are those of a vector index: what identifies a row, to the vectors it may have."""

    passages: Counter[Passage]
    rows: Mapping[tuple[object, ...], Sequence[NDArray[np.float32]]]
    items: frozenset[str]
    listed: int
    """How many of ``items`` the source itself lists; the others are attached to them."""


_DEPTH = 3
"""So deep mails are taken out of mails."""


def wanted(source: Source, parser: Parser, cutter: Cutter) -> Wanted:
    """What a corpus equal to ``source`` holds now. Nothing may change while this looks."""
    passages: Counter[Passage] = Counter()
    rows: defaultdict[tuple[object, ...], list[NDArray[np.float32]]] = defaultdict(list)
    items: set[str] = set()
    listed = 0
    embedder = StubEmbedder()
    waiting: list[tuple[ItemRef, str, ParseRequest, int]] = []
    for change in source.list(WHOLE, None):
        if isinstance(change, Upserted):
            listed += 1
            fetched = source.fetch(change.ref)
            request = ParseRequest(name=fetched.ref.name, content=fetched.content)
            waiting.append((fetched.ref, fetched.ref.item_id, request, 0))
    while waiting:
        ref, item, request, depth = waiting.pop()
        items.add(item)
        if depth > _DEPTH:
            continue
        try:
            document = parser.submit(request).result()
        except ParseFailure:
            continue
        names: Counter[str] = Counter()
        for part in document.attachments:
            names[part.name] += 1
            below = f"{item}#attachment={quote(part.name, safe='')}"
            below += f";{names[part.name]}" if names[part.name] > 1 else ""
            content = ParseRequest(name=part.name, content=part.content or b"", media_type=part.media_type)
            waiting.append((ref, below, content, depth + 1))
        for cut in cutter.cut(document):
            passages[
                Passage(
                    source=source.name,
                    item=item,
                    text=cut.text,
                    span=(cut.start, cut.end),
                    section=cut.section,
                    page=cut.page,
                    principals=ref.grant.principals,
                )
            ] += 1
            units = np.stack([embedder.embed_query(unit.text) for unit in cut.units]).astype(np.float16)
            weights = np.array([max(1, unit.weight) for unit in cut.units], dtype=np.float32)
            mean = (units.astype(np.float32) * weights[:, None]).sum(axis=0)
            if cut.context:
                above = np.stack([embedder.embed_query(text) for text in cut.context]).astype(np.float16)
                path = (above.astype(np.float32) * np.arange(1, len(above) + 1)[:, None]).sum(axis=0)
                mean = mean / np.linalg.norm(mean) + CONTEXT_SHARE * path / np.linalg.norm(path)
            key = (
                cut.text,
                item_uri(source.name, item),
                shown_title(document.title, request.name),
                ref.url,
                " > ".join(cut.section),
                cut.page or 0,
                document.kind,
            )
            rows[key].append(mean / np.linalg.norm(mean))
    return Wanted(passages=passages, rows=dict(rows), items=frozenset(items), listed=listed)


def row_differences(rows: Mapping[ChunkId, Row], wanted_rows: Wanted) -> list[str]:
    """What is wrong with the rows of a vector index, in sentences; empty when they are f(source)."""
    left = {key: list(vectors) for key, vectors in wanted_rows.rows.items()}
    wrong = []
    for chunk_id, (vector, text, values) in rows.items():
        key = (text, *(values[name] for name in ("uri", "title", "url", "section", "page", "kind")))
        near = [place for place, one in enumerate(left.get(key, ())) if float(np.abs(one - vector).max()) < 2e-3]
        if near:
            left[key].pop(near[0])
        else:
            wrong.append(f"the index holds {chunk_id} with {key}, which the source does not")
    return wrong + [f"the index lacks {len(vectors)} row(s) with {key}" for key, vectors in left.items() if vectors]


def difference(found: Counter[Passage], expected: Counter[Passage]) -> str:
    """The first few passages that only one side has, for a person; empty when they are equal."""
    lines = [f"only held:   {passage!r} x{count}" for passage, count in (found - expected).most_common(4)]
    lines += [f"only wanted: {passage!r} x{count}" for passage, count in (expected - found).most_common(4)]
    return "\n".join(lines)
