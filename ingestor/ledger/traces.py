"""Where a passage came from and what became of it, and what happened to a document: present and past rows.

A reader sees what he may see now and could see then (R7): of what has no place any more, nobody but the owner
of the state folder is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.ledger.database import Database
from ingestor.ledger.packing import Spot, item_uri, shown_title, unpack_layout, unpack_section
from ingestor.ledger.tags import tags_of, unpack_tags
from ingestor.model import ChunkId, DocId, Hit, Reader


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkFacts:
    """One chunk as it was last cited. ``hit`` has the place of its document; its revision is 0, its run and recipe
    are empty where these rows are past retention."""

    hit: Hit
    current: bool
    superseded_at: float | None
    run: str
    recipe: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a document stood, and how it was called there, from ``born`` on until ``died``."""

    item_id: str
    name: str
    title: str
    url: str
    born: float
    died: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cutting:
    """The chunks of one revision, in order: a layout. Two of one revision differ by their recipe. ``shown`` is
    false where the reader could not see it then."""

    revision: int
    born: float
    chunks: tuple[tuple[ChunkId, str], ...]
    shown: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A revision: when it was edited (by the source's clock, where it can be told), committed and searchable.
    ``author`` is empty where nobody is named, or the reader could not see it then."""

    number: int
    run: str
    size: int | None
    edited_at: float | None
    committed_at: float
    searchable_at: float | None
    author: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentPast:
    """All that is kept of a document, each part oldest first. ``cuttings`` reach back as far as retention. ``tags`` are
    those of now."""

    document_id: DocId
    source: str
    places: tuple[Place, ...]
    cuttings: tuple[Cutting, ...]
    revisions: tuple[Observed, ...]
    tags: tuple[str, ...] = ()


class Traces:
    """Reads only; every answer is already what ``reader`` may be told."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def chunk(self, chunk_id: str, reader: Reader) -> ChunkFacts | None:
        rows = self._db.read(
            "SELECT chunk.id, chunk.doc, chunk.text, document.doc_id, source.name, source.removed_at IS NULL,"
            " cut.section, cut.page, cut.died, commits.at FROM chunk"
            " JOIN document ON document.id = chunk.doc JOIN source ON source.id = document.source"
            " JOIN cut ON cut.chunk = chunk.id LEFT JOIN commits ON commits.seq = cut.died"
            " WHERE chunk.chunk_id = ? AND chunk.text != '' ORDER BY cut.id DESC LIMIT 1",
            (chunk_id,),
        )
        if not rows:
            return None
        chunk, doc, text, doc_id, source, has_source, section, page, died, superseded_at = rows[0]
        if not self._may_see(doc, None, reader) or not self._may_see(doc, died, reader):
            return None
        revision, recipe, kind, spot = self._last_layout_of(doc, chunk)
        run = self._db.read(
            "SELECT run, committed_at, pinned_url, author FROM revision WHERE doc = ? AND number = ?", (doc, revision)
        )
        bindings = self._db.read(
            "SELECT item_id, name, title, url, died FROM binding WHERE doc = ? ORDER BY id DESC LIMIT 1", (doc,)
        )
        item_id, name, title, url, left = bindings[0] if bindings else ("", "", "", "", 0)
        current = died is None and left is None and bool(has_source)
        return ChunkFacts(
            hit=Hit(
                chunk_id=ChunkId(chunk_id),
                document_id=DocId(doc_id),
                source=source,
                title=shown_title(title, name),
                uri=item_uri(source, item_id),
                url=url,
                pinned_url=run[0][2] if run else "",
                section=unpack_section(section),
                page=page,
                lines=spot.lines if spot else None,
                span=(spot.start, spot.end) if spot else (0, 0),
                score=0.0,
                text=text,
                revision=revision,
                ingested_at=run[0][1] if run else 0.0,
                kind=kind,
                anchor=spot.anchor if spot else None,
                tags=self._tags(doc),
                author=run[0][3] if run else "",
            ),
            current=current,
            superseded_at=superseded_at,
            run=run[0][0] if run else "",
            recipe=recipe,
        )

    def document(self, doc_id: str, reader: Reader) -> DocumentPast | None:
        rows = self._db.read(
            "SELECT document.id, source.name FROM document JOIN source ON source.id = document.source WHERE doc_id = ?",
            (doc_id,),
        )
        if not rows or not self._may_see(rows[0][0], None, reader):
            return None
        doc, source = rows[0]
        places = self._db.read(
            "SELECT item_id, name, title, url, b.at, d.at, binding.died FROM binding"
            " JOIN commits AS b ON b.seq = binding.born LEFT JOIN commits AS d ON d.seq = binding.died"
            " WHERE doc = ? ORDER BY binding.id",
            (doc,),
        )
        revisions = self._db.read(
            "SELECT number, run, size, edited_at, committed_at, searchable_at, author FROM revision WHERE doc = ?"
            " ORDER BY number",
            (doc,),
        )
        cuttings = self._cuttings(doc, reader)
        seen = {cutting.revision for cutting in cuttings if cutting.shown}
        return DocumentPast(
            document_id=DocId(doc_id),
            source=source,
            places=tuple(
                Place(item_id=item_id, name=name, title=title, url=url, born=born, died=died)
                for item_id, name, title, url, born, died, ended in places
                # A name tells something too: where the reader could not see it then, it stood nowhere.
                if ended is None or self._may_see(doc, ended, reader)
            ),
            cuttings=cuttings,
            tags=self._tags(doc),
            revisions=tuple(
                Observed(
                    number=number,
                    run=run,
                    size=size,
                    edited_at=edited_at,
                    committed_at=committed_at,
                    searchable_at=searchable_at,
                    author=author if reader.principals is None or number in seen else "",
                )
                for number, run, size, edited_at, committed_at, searchable_at, author in revisions
            ),
        )

    def document_at(self, source: str, item_id: str) -> DocId | None:
        """The document that stands at a place of a source, or stood there last."""
        rows = self._db.read(
            "SELECT document.doc_id FROM binding JOIN document ON document.id = binding.doc"
            " JOIN source ON source.id = document.source AND source.removed_at IS NULL AND source.name = ?"
            " WHERE binding.item_id = ? ORDER BY binding.died IS NULL DESC, binding.id DESC LIMIT 1",
            (source, item_id),
        )
        return DocId(rows[0][0]) if rows else None

    # -- helpers -----------------------------------------------------------------------------------

    def _tags(self, doc: int) -> tuple[str, ...]:
        ((tags,),) = self._db.read(f"SELECT {tags_of('?', 'document_tag.died IS NULL')}", (doc,))
        return unpack_tags(tags)

    def _cuttings(self, doc: int, reader: Reader) -> tuple[Cutting, ...]:
        texts = {
            row: (ChunkId(key), text)
            for row, key, text in self._db.read("SELECT id, chunk_id, text FROM chunk WHERE doc = ?", (doc,))
        }
        rows = self._db.read(
            "SELECT revision, commits.at, packed, died FROM layout JOIN commits ON commits.seq = layout.born"
            " WHERE doc = ? ORDER BY layout.id",
            (doc,),
        )
        return tuple(
            Cutting(
                revision=revision,
                born=at,
                chunks=tuple(texts[spot.chunk] for spot in unpack_layout(packed) if spot.chunk in texts),
                shown=self._may_see(doc, died, reader),
            )
            for revision, at, packed, died in rows
        )

    def _last_layout_of(self, doc: int, chunk: int) -> tuple[int, str, str, Spot | None]:
        """Revision, recipe, kind and place of the last layout that holds the chunk; 0 and nothing where it is
        past retention."""
        rows = self._db.read("SELECT revision, recipe, kind, packed FROM layout WHERE doc = ? ORDER BY id DESC", (doc,))
        for revision, recipe, kind, packed in rows:
            for spot in unpack_layout(packed):
                if spot.chunk == chunk:
                    return revision, recipe, kind, spot
        return 0, "", "", None

    def _may_see(self, doc: int, died: int | None, reader: Reader) -> bool:
        """Whether the reader may see the document now (``died`` None), or could in the last moment of something of
        it that died then."""
        if reader.principals is None:
            return True
        names: Sequence[str] = sorted(reader.principals)
        marks = ",".join("?" for _ in names)
        binding, granted = (
            ("binding.died IS NULL", "acl_principal.died IS NULL")
            if died is None
            else (_alive_before("binding"), _alive_before("acl_principal"))
        )
        moments: tuple[object, ...] = () if died is None else (died, died)
        rows = self._db.read(
            "SELECT 1 FROM binding JOIN acl_principal ON acl_principal.acl = binding.acl"
            " JOIN principal ON principal.id = acl_principal.principal"
            " JOIN document ON document.id = binding.doc"
            " JOIN source ON source.id = document.source AND source.removed_at IS NULL"
            f" WHERE principal.name IN ({marks}) AND binding.doc = ? AND {binding} AND {granted} LIMIT 1",
            (*names, doc, *moments, *moments),
        )
        return bool(rows)


def _alive_before(table: str) -> str:
    """In the last moment before a commit: two parameters, both its number."""
    return f"{table}.born < ? AND ({table}.died IS NULL OR {table}.died >= ?)"
