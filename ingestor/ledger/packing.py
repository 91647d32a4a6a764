"""How the ledger packs a cut's units and a revision's layout into blobs, and digests a wanted state and a vector. Pure.

Packings are deterministic: equal values give equal bytes, so an unchanged row is found by comparing blobs.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.model import DocId, Hash, ModelId, UnitId, blake, is_whole
from ingestor.naming import name_title

POOLING = b"length-weighted mean of unit vectors, 1"
"""Names how a chunk's vector is made of its units'; part of every wanted state."""

_UNIT = struct.Struct("<Qi")


CALLED = "\x1f"
"""What the line of a context begins with that is a document's name: no unit, for a rename changes it."""


def pack_context(called: str, context: Sequence[str]) -> str:
    """What a chunk is found by besides its text, a line each; no unit begins with white space."""
    return "\n".join([CALLED + called, *context] if called else context)


def pack_units(units: Sequence[tuple[UnitId, int]], context: Sequence[UnitId] = ()) -> bytes:
    """(unit, weight) in order, 12 bytes each; behind them the context, the nearest last and heaviest (``pooling``)."""
    beside = [(unit, -place) for place, unit in enumerate(context, 1)]
    return b"".join(_UNIT.pack(unit, weight) for unit, weight in (*units, *beside))


def unpack_units(blob: bytes) -> tuple[tuple[UnitId, int], ...]:
    return tuple(_UNIT.iter_unpack(blob))  # pairs as they are: a search unpacks a hundred thousand


def vector_sum(unit: int, v: bytes) -> int:
    """A checksum of a unit's stored vector: of its number as well, so that the vector of another unit is found. Four
    bytes, signed as SQLite packs them best."""
    crc = zlib.crc32(v, zlib.crc32(unit.to_bytes(8, "little", signed=True)))
    return crc - (1 << 32) if crc >> 31 else crc


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Where one chunk stands in one revision: span, lines (where the format has them), anchor."""

    chunk: int
    start: int
    end: int
    lines: tuple[int, int] | None = None
    anchor: str | None = None


def pack_layout(spots: Sequence[Spot]) -> bytes:
    columns = {
        "c": [spot.chunk for spot in spots],
        "s": [spot.start for spot in spots],
        "e": [spot.end for spot in spots],
        "l": [spot.lines for spot in spots],
        "a": [spot.anchor for spot in spots],
    }
    return zlib.compress(json.dumps(columns, separators=(",", ":"), ensure_ascii=True).encode(), 6)


def unpack_layout(blob: bytes) -> tuple[Spot, ...]:
    columns = json.loads(zlib.decompress(blob))
    return tuple(
        Spot(chunk=chunk, start=start, end=end, lines=(lines[0], lines[1]) if lines else None, anchor=anchor)
        for chunk, start, end, lines, anchor in zip(
            columns["c"], columns["s"], columns["e"], columns["l"], columns["a"], strict=True
        )
    )


def unpack_order(blob: bytes) -> list[int]:
    """The chunk rows of a layout, in order, and nothing else of it."""
    found: list[int] = json.loads(zlib.decompress(blob))["c"]
    return found


def pack_section(section: Sequence[str]) -> str:
    return json.dumps(list(section), separators=(",", ":"), ensure_ascii=False)


def unpack_section(packed: str) -> tuple[str, ...]:
    return tuple(json.loads(packed))


def item_uri(source: str, item_id: str) -> str:
    """The item's name across sources; ASCII because both parts are."""
    return f"ingestor:{source}/{item_id}"


def shown_title(title: str, name: str) -> str:
    """A document without a title of its own is called by its file's name."""
    return title or name_title(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentFacts:
    """Of a document what its rows in a vector index carry."""

    doc_id: DocId
    source: str
    item_id: str
    name: str
    title: str
    url: str
    acl: int
    kind: str


def metadata(facts: DocumentFacts, section: str, page: int | None) -> dict[str, str | int]:
    """A row's metadata: always the same keys, only what stays put (R10). Page 0 means none."""
    return {
        "document_id": facts.doc_id,
        "source": facts.source,
        "title": shown_title(facts.title, facts.name),
        "uri": item_uri(facts.source, facts.item_id),
        "url": facts.url,
        "section": " > ".join(unpack_section(section)),
        "page": page or 0,
        "acl": facts.acl,
        "kind": facts.kind,
    }


def wanted(model: ModelId, units: bytes, row_metadata: dict[str, str | int]) -> Hash:
    """Digest of everything a row of a vector index should hold; its text is fixed by the chunk id, and with it the
    vector that a model makes of the whole text."""
    made_of = b"" if is_whole(model) else units
    return blake(POOLING, model.encode(), made_of, json.dumps(row_metadata, sort_keys=True).encode())
