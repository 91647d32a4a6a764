"""A real bare repository and the hands that change it: each change is a commit, made without a work tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from connectors.paths import path_of

AUTHOR = "A. Writer <writer@wiki.example>"
BRANCH = "main"
_BEGAN = 1_700_000_000


def git(*arguments: str, cwd: Path | None = None, given: bytes | None = None) -> bytes:
    """git with nothing of the user's own settings."""
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
    fixed = {"HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env={**kept, **fixed}, input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout


class Wiki:
    """One branch of a bare repository. Items are named by their ids; every commit is a minute later."""

    def __init__(self, path: Path, *, branch: str = BRANCH) -> None:
        self.path = path
        self.branch = branch
        self.count = 0
        git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(path))

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def commit(
        self,
        *,
        put: Mapping[str, bytes] | None = None,
        remove: tuple[str, ...] = (),
        move: Mapping[str, str] | None = None,
        modes: Mapping[str, str] | None = None,
        onto: str | None = "",
        author: str = AUTHOR,
    ) -> str:
        """One commit; its id. ``onto`` is the commit before it: empty for the branch, None for none at all. ``modes``
        are those of ``put``; with 160000 the content is the commit of a submodule."""
        self.count += 1
        before = self.tip()
        base = before if onto == "" else onto
        ref = f"refs/heads/{self.branch}"
        lines = [b"feature done\ncommit " + ref.encode() + b"\n"]
        when = f"{_BEGAN + 60 * self.count} +0000"
        lines.append(f"author {author} {when}\ncommitter {AUTHOR} {when}\ndata 2\nx\n".encode())
        if base:
            lines.append(f"from {base}\n".encode())
        lines += [b"D " + _quoted(item) + b"\n" for item in remove]
        lines += [b"R " + _quoted(old) + b" " + _quoted(new) + b"\n" for old, new in (move or {}).items()]
        for item, content in (put or {}).items():
            mode = (modes or {}).get(item, "100644")
            if mode == "160000":
                lines.append(f"M {mode} ".encode() + content + b" " + _quoted(item) + b"\n")
                continue
            lines.append(f"M {mode} inline ".encode() + _quoted(item) + f"\ndata {len(content)}\n".encode())
            lines.append(content + b"\n")
        lines.append(b"done\n")
        if base != before and before:
            self.drop_branch()
        git("fast-import", "--quiet", "--force", cwd=self.path, given=b"".join(lines))
        return self.tip()

    def put(self, item: str, content: bytes) -> None:
        self.commit(put={item: content})

    def remove(self, item: str) -> None:
        """A file, or a folder with what is in it."""
        self.commit(remove=(item,))

    def move(self, old: str, new: str) -> None:
        self.commit(move={old: new})

    def tip(self) -> str:
        """The branch's commit; empty where there is none."""
        return (
            git("for-each-ref", "--format=%(objectname)", f"refs/heads/{self.branch}", cwd=self.path).decode().strip()
        )

    def merge(self, other: str) -> str:
        """Merge a commit that touched other files, as a host does on a click; the merge's id."""
        self.count += 1
        tree = git("merge-tree", "--write-tree", self.tip(), other, cwd=self.path).decode().split()[0]
        when = f"{_BEGAN + 60 * self.count} +0000"
        head = f"tree {tree}\nparent {self.tip()}\nparent {other}\nauthor {AUTHOR} {when}\ncommitter {AUTHOR} {when}"
        made = git("hash-object", "-t", "commit", "-w", "--stdin", cwd=self.path, given=f"{head}\n\nx\n".encode())
        self.reset(made.decode().strip())
        return self.tip()

    def time(self, commit: str) -> float:
        return float(git("show", "-s", "--format=%ct", commit, cwd=self.path))

    def reset(self, commit: str) -> None:
        """What a forced push of an older or other state does."""
        git("update-ref", f"refs/heads/{self.branch}", commit, cwd=self.path)

    def drop_branch(self) -> None:
        git("update-ref", "-d", f"refs/heads/{self.branch}", cwd=self.path)

    def files(self) -> dict[str, bytes]:
        """Id and content of everything on the branch."""
        from connectors.paths import item_id

        found = {}
        for line in git("ls-tree", "-r", "-z", self.branch, cwd=self.path).split(b"\0")[:-1]:
            facts, _, path = line.partition(b"\t")
            mode, kind, oid = facts.decode().split()
            if kind == "blob" and mode != "120000":
                found[item_id(path)] = git("cat-file", "blob", oid, cwd=self.path)
        return found


def _quoted(item: str) -> bytes:
    path = path_of(item)
    assert path is not None
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
