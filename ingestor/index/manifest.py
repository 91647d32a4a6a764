"""What a store's folder looked like when it was closed: enough to tell that nobody has touched it since."""

from __future__ import annotations

import json
import os
from pathlib import Path


def folder_manifest(folder: Path) -> str:
    """The files beneath ``folder``, sorted, as JSON.

    Equal manifests mean that the store is as it was left at a clean close, and needs no probe. Raises
    ``FileNotFoundError`` when the folder is gone.
    """
    return json.dumps(folder_files(folder), separators=(",", ":"))


def folder_files(folder: Path) -> list[tuple[str, int, int]]:
    """Relative path, size and mtime in nanoseconds of every file beneath ``folder``, sorted."""
    files: list[tuple[str, int, int]] = []
    pending = [os.fspath(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    stat = entry.stat(follow_symlinks=False)
                    files.append((os.path.relpath(entry.path, folder), stat.st_size, stat.st_mtime_ns))
    return sorted(files)
