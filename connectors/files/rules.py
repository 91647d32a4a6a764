"""What is left out, and the sentence that says why.

Four kinds of rule, asked in this order on the way from the root down; what leaves out a folder leaves
out everything below it: names (hidden files, ignore files, the marker, owner files of office programs),
``exclude``, the ``.ingestignore`` files (the deepest that has an opinion decides, its last matching
line first), and for files ``include``. Then the state: no regular file, or too large.

Patterns are those of ``connectors.patterns``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.files.config import FilesConfig
from connectors.patterns import Line, compile_lines, decide, display_text, shown, text_of

IGNORE_NAME = b".ingestignore"
_IGNORE_LIMIT = 1024 * 1024
_OWNER_FILE = "~$"


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoreFile:
    """The ``.ingestignore`` of one folder; ``prefix`` is the folder's matched text with its slash."""

    prefix: str
    lines: tuple[Line, ...]


def load_ignore(folder: bytes, fd: int) -> IgnoreFile | None:
    """Read the ignore file of an open folder, if there is one. An ``OSError`` (also for a link, a
    folder or a huge file of that name) means that the folder's rules are not known: then nothing in it
    may be listed, because something in it may be meant to stay out."""
    try:
        file = os.open(IGNORE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, "its .ingestignore is a symbolic link") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "its .ingestignore is not a file")
        with os.fdopen(file, "rb", closefd=False) as stream:
            content = stream.read(_IGNORE_LIMIT + 1)
    finally:
        os.close(file)
    if len(content) > _IGNORE_LIMIT:
        raise OSError(errno.EFBIG, "its .ingestignore is too large")
    lines = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).replace("\r\n", "\n").split("\n")
    prefix = text_of(folder) + "/" if folder else ""
    return IgnoreFile(prefix=prefix, lines=compile_lines(lines))


class Rules:
    """The rules of one source. Every method gives None, or the sentence of the rule that excludes."""

    def __init__(self, config: FilesConfig) -> None:
        self._hidden = config.hidden
        self._max_size = config.max_size
        self._marker = text_of(os.fsencode(config.marker)) if config.marker else None
        self._exclude = compile_lines(config.exclude)
        # The default matches everything: not asking it halves the cost of an entry.
        self._include = None if config.include == ("**/*",) else compile_lines(config.include)
        self.heeds_ignore_files = config.ignore_files

    def by_name(
        self, path: str, name: str, *, is_dir: bool, ignores: Sequence[IgnoreFile], through_link: bool = False
    ) -> str | None:
        """What the name of one entry says, its folders having passed. ``through_link`` is for what a
        link leads to: it may be hidden and need not be included, since the link was asked for that."""
        if name.startswith("."):
            if name == ".ingestignore" and not is_dir:
                return f"{shown(path)} holds rules, not content."
            if not self._hidden and not through_link:
                return f"{shown(path)} is hidden: its name begins with a dot (hidden = false)."
        if path == self._marker:
            return f"{shown(path)} is the source's marker file."
        if name.startswith(_OWNER_FILE) and not is_dir:
            return f"{shown(path)} is the note an office program keeps beside an open document."
        line = decide(self._exclude, path, is_dir=is_dir)
        if line is not None and line.excludes:
            return f'{shown(path)} matches the exclude pattern "{line.text}".'
        for ignore in reversed(ignores):
            line = decide(ignore.lines, path[len(ignore.prefix) :], is_dir=is_dir)
            if line is not None:
                if line.excludes:
                    where = shown(ignore.prefix + ".ingestignore")
                    return f'{shown(path)} matches line {line.number}, "{display_text(line.text)}", of {where}.'
                break
        if self._include is not None and not is_dir and not through_link:
            line = decide(self._include, path, is_dir=False)
            if line is None or not line.excludes:
                return f"{shown(path)} matches none of the include patterns."
        return None

    def by_state(self, path: str, state: os.stat_result) -> str | None:
        """What the state of an entry that is no folder says."""
        if not stat.S_ISREG(state.st_mode):
            return f"{shown(path)} is not a regular file."
        if state.st_size > self._max_size:
            return f"{shown(path)} has {state.st_size:,} bytes; the limit is {self._max_size:,} (max_size)."
        return None
