"""Who asks and which documents the search is about, as conditions of SQL over rows of ``binding``, ``document`` and
``source``. Pure.

A path names a file or a folder with all beneath it, in one of three ways: as its source names it (``hr/leave.md``), by
an absolute path or an address (``/srv/handbook/hr``, ``https://wiki.example.org/HR``), or by the ``uri`` of a hit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import quote

from ingestor.model import Filters, Reader
from ingestor.model.tags import fold

Values: TypeAlias = dict[str, object]

Valid: TypeAlias = Callable[[str], str]
"""``lives`` or ``lived``."""

_URI = "ingestor:"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def lives(table: str) -> str:
    """The condition of the rows of ``table`` that are valid now."""
    return f"{table}.died IS NULL"


def lived(table: str) -> str:
    """The condition of those that were valid as of commit ``:seq``."""
    return f"{table}.born <= :seq AND ({table}.died IS NULL OR {table}.died > :seq)"


def visible(reader: Reader, filters: Filters, *, walk: bool = False) -> tuple[str, Values]:
    """A condition and its parameters; empty where nothing is left out. To ``walk`` all that is visible starts at the
    grants; otherwise it is asked of each row."""
    terms, values = _all_of(filters, lives)
    if reader.principals is not None:
        granted, more = _granted(reader.principals, lives)
        values |= more
        terms.append(
            f"binding.acl IN (SELECT acl_principal.acl {granted})"
            if walk
            else f"EXISTS (SELECT 1 {granted} AND acl_principal.acl = binding.acl)"
        )
    return " AND ".join(terms), values


def visible_then(reader: Reader, filters: Filters) -> tuple[str, Values]:
    """The same as of commit ``:seq``, for rows of ``binding`` that were valid then: who may see the document now as
    well (R7), so that a narrowing, and a deletion, also hide the past from readers."""
    terms, values = _all_of(filters, lived)
    if reader.principals is not None:
        then, more = _granted(reader.principals, lived)
        now, _ = _granted(reader.principals, lives)
        values |= more
        terms.append(f"EXISTS (SELECT 1 {then} AND acl_principal.acl = binding.acl)")
        terms.append(
            "EXISTS (SELECT 1 FROM binding AS present WHERE present.doc = document.id AND present.died IS NULL"
            f" AND EXISTS (SELECT 1 {now} AND acl_principal.acl = present.acl))"
        )
    return " AND ".join(terms), values


def _granted(principals: frozenset[str], valid: Valid) -> tuple[str, Values]:
    names = sorted(principals)
    rows = (
        "FROM acl_principal JOIN principal ON principal.id = acl_principal.principal"
        f" WHERE {valid('acl_principal')} AND principal.name IN ({_marks('principal', len(names))})"
    )
    return rows, {f"principal{n}": name for n, name in enumerate(names)}


def _all_of(filters: Filters, valid: Valid) -> tuple[list[str], Values]:
    terms, values = list[str](), Values()
    if filters:
        for term, more in _filtered(filters, valid):
            terms.append(term)
            values |= more
    return terms, values


def _filtered(filters: Filters, valid: Valid) -> Iterator[tuple[str, Values]]:
    if filters.sources:
        yield (
            f"source.name IN ({_marks('source', len(filters.sources))})",
            {f"source{n}": name for n, name in enumerate(filters.sources)},
        )
    if filters.scopes:
        yield (
            f"source.scope IN ({_marks('scope', len(filters.scopes))})",
            {f"scope{n}": name for n, name in enumerate(filters.scopes)},
        )
    if filters.paths:
        terms, values = [], Values()
        for n, path in enumerate(filters.paths):
            term, more = _beneath(path, n)
            terms.append(term)
            values |= more
        yield f"({' OR '.join(terms)})", values
    if filters.kinds:
        yield (
            _content(f"layout.kind IN ({_marks('kind', len(filters.kinds))})", valid),
            {f"kind{n}": kind for n, kind in enumerate(filters.kinds)},
        )
    for n, tag in enumerate(filters.tags):
        rows = f"SELECT doc FROM document_tag WHERE document_tag.folded = :tag{n} AND {valid('document_tag')}"
        yield f"document.id IN ({rows})", {f"tag{n}": fold(tag)}
    changed = "coalesce(revision.modified_at, revision.committed_at)"
    if filters.since is not None:
        yield _content(f"{changed} >= :since", valid), {"since": filters.since}
    if filters.until is not None:
        yield _content(f"{changed} <= :until", valid), {"until": filters.until}


def _beneath(path: str, n: int) -> tuple[str, Values]:
    """At that path, in that folder, or (an attachment) in that file."""
    column, values = "binding.item_id", Values()
    term = ""
    if path.startswith(_URI):
        source, _, path = path.removeprefix(_URI).partition("/")
        term, values[f"within{n}"] = f"source.name = :within{n} AND ", source
    elif _ADDRESS.match(path):
        column = "binding.url"
    elif path.startswith("/"):
        column, path = "binding.url", f"file://{_quoted(path)}"
    else:
        path = _quoted(path.removeprefix("./"))
    values[f"path{n}"] = path.rstrip("/")
    begins = f"substr({column}, 1, length(:path{n})) = :path{n}"
    ends = f"substr({column}, length(:path{n}) + 1, 1) IN ('', '/', '#')"
    return f"({term}(:path{n} = '' OR {begins} AND {ends}))", values


def _quoted(path: str) -> str:
    """As ``connectors.paths`` writes the ids and addresses of files."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _content(condition: str, valid: Valid) -> str:
    """Of the document's content at that time."""
    return (
        "EXISTS (SELECT 1 FROM layout JOIN revision ON revision.doc = layout.doc AND revision.number = layout.revision"
        f" WHERE layout.doc = document.id AND {valid('layout')} AND {condition})"
    )


def _marks(name: str, count: int) -> str:
    return ",".join(f":{name}{n}" for n in range(count))
