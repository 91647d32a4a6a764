"""What of a repository is left out, and the sentence that says why. Asked from the root down, as in ``files``."""

from __future__ import annotations

import functools
import os

from connectors.gitwiki.config import GitConfig
from connectors.gitwiki.snapshot import Entry
from connectors.patterns import compile_lines, decide, shown, text_of

_POINTER_LEAST, _POINTER_MOST = 100, 1024  # bytes; by its definition a pointer is smaller than that
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")


class Rules:
    """The rules of one source. Every method gives None, or the sentence of the rule that excludes."""

    def __init__(self, config: GitConfig) -> None:
        self._hidden = config.hidden
        self._max_size = config.max_size
        self._folder = os.fsencode(config.folder)
        self._exclude = compile_lines(config.exclude)
        self._include = None if config.include == ("**/*",) else compile_lines(config.include)
        self._of_folder = functools.lru_cache(maxsize=65_536)(self._folder_rule)

    def by_path(self, path: bytes) -> str | None:
        """What the names say, those of the folders on the way first."""
        inside = self._inside(path)
        if inside is None:
            return f"{shown(text_of(path))} lies outside the folder {shown(text_of(self._folder))} (folder)."
        above, _, name = inside.rpartition(b"/")
        reason = self._of_folder(above) if above else None
        if reason is not None:
            return reason
        text = text_of(inside)
        reason = self._own_rule(text, name, is_dir=False)
        if reason is not None:
            return reason
        if self._include is not None:
            line = decide(self._include, text, is_dir=False)
            if line is None or not line.excludes:
                return f"{shown(text)} matches none of the include patterns."
        return None

    def by_entry(self, path: bytes, entry: Entry) -> str | None:
        """What its kind and size say."""
        text = shown(text_of(path))
        if not entry.regular:
            what = "a submodule" if entry.mode == "160000" else "a symbolic link"
            return f"{text} is {what}; what it leads to is read where it stands."
        if entry.size > self._max_size:
            return f"{text} has {entry.size:,} bytes; the limit is {self._max_size:,} (max_size)."
        return None

    def _inside(self, path: bytes) -> bytes | None:
        if not self._folder:
            return path
        return path[len(self._folder) + 1 :] if path.startswith(self._folder + b"/") else None

    def _folder_rule(self, folder: bytes) -> str | None:
        above, _, name = folder.rpartition(b"/")
        reason = self._of_folder(above) if above else None
        if reason is not None:
            return reason
        return self._own_rule(text_of(folder), name, is_dir=True)

    def _own_rule(self, text: str, name: bytes, *, is_dir: bool) -> str | None:
        """What a file or folder is left out for by itself, whatever stands above it."""
        if name.startswith(b".") and not self._hidden:
            return f"{shown(text)} is hidden: its name begins with a dot (hidden = false)."
        line = decide(self._exclude, text, is_dir=is_dir)
        if line is not None and line.excludes:
            return f'{shown(text)} matches the exclude pattern "{line.text}".'
        return None


def may_be_pointer(entry: Entry) -> bool:
    """Whether its size allows it to be a pointer of Git LFS."""
    return _POINTER_LEAST <= entry.size < _POINTER_MOST


def is_pointer(content: bytes) -> bool:
    return content.startswith(_POINTERS) and b"\noid sha256:" in content
