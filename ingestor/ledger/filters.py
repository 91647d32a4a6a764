"""Who asks and which documents the search is about, as conditions of SQL over rows of ``binding``, ``document`` and
``source``. Pure.

A path names a file or a folder with all beneath it, in one of three ways: as its source names it (``hr/leave.md``), by
an absolute path or an address (``/srv/handbook/hr``, ``https://wiki.example.org/HR``), or by the ``uri`` of a hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import quote

from ingestor.model import Filters, Reader

Values: TypeAlias = dict[str, object]

_URI = "ingestor:"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def visible(reader: Reader, filters: Filters, *, walk: bool = False) -> tuple[str, Values]:
    """A condition and its parameters; empty where nothing is left out. To ``walk`` all that is visible starts at the
    grants; otherwise it is asked of each row."""
    terms: list[str] = []
    values: Values = {}
    if filters:
        for term, more in _filtered(filters):
            terms.append(term)
            values |= more
    if reader.principals is not None:
        names = sorted(reader.principals)
        values |= {f"principal{n}": name for n, name in enumerate(names)}
        granted = (
            "FROM acl_principal JOIN principal ON principal.id = acl_principal.principal"
            f" WHERE acl_principal.died IS NULL AND principal.name IN ({_marks('principal', len(names))})"
        )
        terms.append(
            f"binding.acl IN (SELECT acl_principal.acl {granted})"
            if walk
            else f"EXISTS (SELECT 1 {granted} AND acl_principal.acl = binding.acl)"
        )
    return " AND ".join(terms), values


def _filtered(filters: Filters) -> Iterator[tuple[str, Values]]:
    if filters.sources:
        yield (
            f"source.name IN ({_marks('source', len(filters.sources))})",
            {f"source{n}": name for n, name in enumerate(filters.sources)},
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
            _now(f"layout.kind IN ({_marks('kind', len(filters.kinds))})"),
            {f"kind{n}": kind for n, kind in enumerate(filters.kinds)},
        )
    changed = "coalesce(revision.modified_at, revision.committed_at)"
    if filters.since is not None:
        yield _now(f"{changed} >= :since"), {"since": filters.since}
    if filters.until is not None:
        yield _now(f"{changed} <= :until"), {"until": filters.until}


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


def _now(condition: str) -> str:
    """Of the document's present content."""
    return (
        "EXISTS (SELECT 1 FROM layout JOIN revision ON revision.doc = layout.doc AND revision.number = layout.revision"
        f" WHERE layout.doc = document.id AND layout.died IS NULL AND {condition})"
    )


def _marks(name: str, count: int) -> str:
    return ",".join(f":{name}{n}" for n in range(count))
