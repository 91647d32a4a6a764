"""Many changed paths to few scopes. Pure.

Looking at a folder costs about as much as looking at a few hundred of its files one by one, and a
consumer that gets 50,000 hints is slower than one that gets one. Widening a scope is always right: a
hint says only where to look (R6).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from connectors.paths import parent_of

MANY_PATHS = 200
MANY_FOLDERS = 50


def collapse(changed: Mapping[bytes, bool]) -> tuple[bytes, ...]:
    """The scopes, as paths in order, for changed paths (True: a folder). None lies within another;
    ``b""`` is the whole source."""
    scopes = outermost(changed)
    if len(scopes) > MANY_PATHS:
        scopes = outermost(path if changed[path] else parent_of(path) for path in scopes)
        if len(scopes) > MANY_FOLDERS:
            return (common_folder(scopes),)
    return scopes


def outermost(paths: Iterable[bytes]) -> tuple[bytes, ...]:
    """Without those that lie within another."""
    distinct = set(paths)
    return tuple(sorted(path for path in distinct if not any(above in distinct for above in folders_above(path))))


def folders_above(path: bytes) -> Iterable[bytes]:
    """Every folder that holds the path, the innermost first, the root last; nothing for the root."""
    while path:
        path = parent_of(path)
        yield path


def common_folder(paths: Iterable[bytes]) -> bytes:
    """The innermost folder that holds, or is, every one of the paths."""
    return os.path.commonpath([b"/" + path for path in paths])[1:]
