"""A folder for each source in which its connector may keep what it can fetch again: a mirror, a listing.

It holds content, so it goes with its source; everything in it may be lost at any time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path


class Caches:
    """The folders beneath ``root``. None is made before its connector makes it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, source: str) -> Path:
        """A source's name may hold what a file system does not take, so its folder is called by a digest."""
        return self._root / hashlib.blake2b(source.encode(), digest_size=10).hexdigest()

    def sweep(self, sources: Iterable[str]) -> None:
        """Remove what belongs to no source any more. Done at each start as well: the process that removed a
        source may have died over it."""
        kept = {self.of(source).name for source in sources}
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
