"""Ids and hashes. ``DocId`` is random, assigned once; ``ChunkId`` is a hash. Hashes are BLAKE2b-160, 20 bytes."""

from __future__ import annotations

import hashlib
from typing import Literal, NewType

DocId = NewType("DocId", str)
ChunkId = NewType("ChunkId", str)
RunId = NewType("RunId", str)
UnitId = NewType("UnitId", int)
GenerationId = NewType("GenerationId", int)
Recipe = NewType("Recipe", str)
ModelId = NewType("ModelId", str)
Hash = NewType("Hash", bytes)

SCOPE = r"^([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?)?$"
"""What a scope is called: it stands in the name of a collection. Empty is none."""

SCOPE_FORM = "small letters, digits and dashes between them, at most 32"

_WHOLE = "-whole"
"""Ends the id of a model that embeds passages whole; that of any other ends with twelve digits of a digest."""


def blake(*parts: bytes) -> Hash:
    """BLAKE2b-160 over the parts, each preceded by its length so that no two lists collide."""
    h = hashlib.blake2b(digest_size=20)
    for part in parts:
        if len(parts) > 1:
            h.update(len(part).to_bytes(8, "little"))
        h.update(part)
    return Hash(h.digest())


def unit_hash(text: str) -> Hash:
    """Over exactly the string that is embedded."""
    return blake(text.encode("utf-8", "surrogatepass"))


def whole_model(model: ModelId) -> ModelId:
    """The model with these files that gives a passage the vector of its text, and not that of its units."""
    return ModelId(model + _WHOLE)


def is_whole(model: ModelId) -> bool:
    return model.endswith(_WHOLE)


def vectors_of(model: ModelId) -> Literal["pooled", "whole"]:
    """As the configuration says it."""
    return "whole" if is_whole(model) else "pooled"


def chunk_id(doc_id: DocId, text_hash: Hash, occurrence: int) -> ChunkId:
    """A chunk's identity: which document, which text, the how-manyeth of equal texts (from 0)."""
    return ChunkId(blake(doc_id.encode(), text_hash, occurrence.to_bytes(4, "little")).hex())
