"""A path is bytes; an ``ItemId`` is those bytes percent-encoded. Nothing is normalised or case-folded.

Paths are relative to the source's root, without a leading or trailing slash; ``b""`` is the root. The
encoding is one to one, so two files never share an id, whatever their names hold (NFC and NFD twins,
bytes that are no UTF-8, newlines). What people see is ``display``: lossy, and never a lone surrogate.
"""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes

from connectors.base import ItemId

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "\ufffd")


def item_id(path: bytes) -> ItemId:
    return ItemId(quote_from_bytes(path, safe="/"))


def path_of(item: str) -> bytes | None:
    """The path of an id; None when no path has this id (it leaves the root, or is not our encoding)."""
    path = unquote_to_bytes(item)
    if quote_from_bytes(path, safe="/") != item or b"\0" in path:
        return None
    if path and any(part in {b"", b".", b".."} for part in path.split(b"/")):
        return None
    return path


def display(path: bytes) -> str:
    """For people: undecodable bytes and control characters become U+FFFD."""
    return path.decode("utf-8", "replace").translate(_CONTROL)


def file_url(path: bytes) -> str:
    """The ``file:`` URL of an absolute path."""
    return "file://" + quote_from_bytes(path, safe="/")


def parent_of(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
