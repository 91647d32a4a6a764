"""What one commit holds, read from the mirror: files with sizes and times, what changed since another commit.

Times follow the first parents: a file's time is that of the commit with which its present content came onto the
branch, so a page that was written weeks ago and merged today changed today. Who wrote it is who made the last commit
that is no merge.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from connectors.gitwiki.differences import Differences, differences, records
from connectors.gitwiki.git import Git, Running
from connectors.gitwiki.mirror import Tip
from connectors.gitwiki.trouble import Broken

_REGULAR = frozenset({"100644", "100755", "100664"})
_RENAMES_MOST = 1000  # deleted times added paths whose contents git compares; equal contents are always found
_BLOCK = 1024 * 1024
_CAME = ("--first-parent", "--diff-merges=first-parent")
_WRITTEN = ("--no-merges",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file of a commit. ``size`` is in bytes."""

    oid: str
    size: int
    mode: str

    @property
    def regular(self) -> bool:
        """No symbolic link and no submodule."""
        return self.mode in _REGULAR


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """When it was made, by whom, and whether it brings together what others made."""

    at: float
    author: str
    merges: bool


class Snapshot:
    """The commit of a tip, or a folder of it. Raises ``Broken`` when the mirror lacks something."""

    def __init__(self, git: Git, mirror: Path, tip: Tip, folder: str) -> None:
        self.commit = tip.commit
        self.branch = tip.branch
        self._git = git
        self._mirror = mirror
        self._within = ("--", folder) if folder else ()
        self._times: dict[bytes, float] = {}
        self._authors: dict[bytes, str] = {}

    @cached_property
    def root(self) -> str:
        """The first commit of the history that led here: what tells this repository from any other."""
        out = self._run("rev-list", "--first-parent", "--max-parents=0", self.commit)
        return out.decode("ascii").split()[-1]

    @cached_property
    def entries(self) -> dict[bytes, Entry]:
        """Every file, submodules included, by its path in the repository."""
        found = {}
        for line in _fields(self._run("ls-tree", "-r", "-l", "-z", "--full-tree", self.commit, *self._within)):
            facts, _, path = line.partition(b"\t")
            mode, _kind, oid, size = facts.decode("ascii").split()
            found[path] = Entry(oid=oid, size=0 if size == "-" else int(size), mode=mode)
        return found

    def has_folder(self, folder: str) -> bool:
        """Whether there is such a folder."""
        line = self._run("ls-tree", "-d", "-z", "--full-tree", self.commit, "--", folder)
        return b" tree " in line

    def follows(self, commit: str) -> bool:
        """Whether ``commit`` is known here and this one was made on top of it."""
        known = self._git.local(self._mirror, "cat-file", "-e", f"{commit}^{{commit}}", fine=(0, 1, 128))
        if known.code != 0:
            return False
        answer = self._git.local(self._mirror, "merge-base", "--is-ancestor", commit, self.commit, fine=(0, 1))
        return answer.code == 0

    def since(self, commit: str) -> Differences:
        """What changed from ``commit`` to this one, by git's own comparison with renames."""
        options = ("-r", "-z", "-M", f"-l{_RENAMES_MOST}", "--no-rename-empty", "--raw", "--no-abbrev", "--no-ext-diff")
        fields = _fields(self._run("diff-tree", *options, commit, self.commit, *self._within))
        return differences(records(fields), {path: entry.size for path, entry in self.entries.items()})

    def learn_times(self, since: str | None = None) -> None:
        """Read the times and authors of all files by one walk, or two where merges brought some; back to ``since`` or
        until each file was met."""
        span, merged = f"{since}..{self.commit}" if since else self.commit, set[bytes]()
        for path, commit in self._walk(_CAME, span, self.entries.keys() - self._times.keys()):
            self._learn(path, commit)
            if commit.merges:
                merged.add(path)
        for path, commit in self._walk(_WRITTEN, span, merged):
            self._authors[path] = commit.author

    def time(self, path: bytes) -> float | None:
        """Seconds since the epoch at which the file came to be what it is."""
        self._know(path)
        return self._times.get(path)

    def author(self, path: bytes) -> str | None:
        """Who wrote what it is."""
        self._know(path)
        return self._authors.get(path) or None

    def _know(self, path: bytes) -> None:
        if path not in self._times and (commit := self._last(_CAME, path)) is not None:
            self._learn(path, commit)
            if commit.merges and (written := self._last(_WRITTEN, path)) is not None:
                self._authors[path] = written.author

    def _learn(self, path: bytes, commit: Commit) -> None:
        self._times[path], self._authors[path] = commit.at, commit.author

    def _walk(self, which: Sequence[str], span: str, wanted: AbstractSet[bytes]) -> Iterator[tuple[bytes, Commit]]:
        """Each of the files once, with the last commit that touched it."""
        left = set(wanted)
        if not left:
            return
        with self._git.conversation(self._mirror, *self._log(which), span, *self._within) as log:
            for path, commit in _touched(log):
                if path in left:
                    left.discard(path)
                    yield path, commit
                    if not left:
                        return
            if log.process.wait() != 0:
                raise Broken("the history cannot be read")

    def _last(self, which: Sequence[str], path: bytes) -> Commit | None:
        name = path.decode("utf-8", "surrogateescape")
        out = self._run(*self._log(which), "--max-count=1", self.commit, "--", name)
        head = next(_fields(out), b"")
        return _commit(head) if head else None

    @staticmethod
    def _log(which: Sequence[str]) -> tuple[str, ...]:
        form = "--format=%ct%x09%p%x09%an"
        return ("log", *which, "--no-renames", "--raw", "--no-abbrev", "-z", form)

    def _run(self, *arguments: str) -> bytes:
        return self._git.local(self._mirror, *arguments).out


class Blobs:
    """Contents by their object ids. Any thread; holds one process until closed."""

    def __init__(self, git: Git, mirror: Path) -> None:
        self._git = git
        self._mirror = mirror
        self._open = contextlib.ExitStack()
        self._running: Running | None = None
        self._lock = threading.Lock()

    def read(self, oid: str) -> bytes:
        """The whole content. Raises ``Broken``."""
        with self._lock:
            content = self._read(oid)
            if content is None:
                # It may be the process that died, or the mirror that was replaced beneath it: asked anew once.
                self._restart()
                content = self._read(oid)
            if content is None:
                raise Broken(f"{oid} cannot be read")
            return content

    def _read(self, oid: str) -> bytes | None:
        if self._running is None:
            self._running = self._open.enter_context(self._git.conversation(self._mirror, "cat-file", "--batch"))
        stdin, stdout = self._running.stdin, self._running.stdout
        try:
            stdin.write(oid.encode("ascii") + b"\n")
            stdin.flush()
            head = stdout.readline().split()
            if len(head) != 3 or head[0] != oid.encode("ascii") or head[1] != b"blob":
                return None
            size = int(head[2])
            content = stdout.read(size + 1)
        except (OSError, ValueError):
            return None
        return content[:size] if len(content) == size + 1 else None

    def _restart(self) -> None:
        self._open.close()
        self._running = None

    def close(self) -> None:
        """End the process; the next read starts another."""
        with self._lock:
            self._restart()


# -- helpers ---------------------------------------------------------------------------------------


def _fields(out: bytes) -> Iterator[bytes]:
    """What NULs end."""
    return iter(out.split(b"\0")[:-1] if out else ())


def _touched(log: Running) -> Iterator[tuple[bytes, Commit]]:
    """(path, commit) of each path that each commit touched, newest first."""
    commit, is_path, rest = Commit(at=0.0, author="", merges=False), False, b""
    while block := log.stdout.read1(_BLOCK):
        *fields, rest = (rest + block).split(b"\0")
        for field in fields:
            if is_path:
                yield field, commit
                is_path = False
            elif (head := field.lstrip(b"\n")).startswith(b":"):
                is_path = True
            elif head:
                commit = _commit(head)


def _commit(head: bytes) -> Commit:
    at, parents, author = head.lstrip(b"\n").split(b"\t", 2)
    return Commit(at=float(at), author=author.decode("utf-8", "replace"), merges=b" " in parents)
