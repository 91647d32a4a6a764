"""The copy of one branch that a source reads: asked for its state, fetched when that changed, replaced when damaged.

A copy is made under another name and renamed when it is whole; a fetch adds packs and moves one reference last.
So whatever is killed leaves either the state before or the state after, and perhaps litter, which the next fetch
removes. Fetches of several processes take turns by a lock; reading needs none.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import SourceUnavailable
from connectors.gitwiki.config import GitConfig
from connectors.gitwiki.git import Git
from connectors.gitwiki.trouble import Broken

_TIP = "refs/ingestor/tip"
_DAMAGED = "damaged"
_LOCK_S = 30.0
_PACKS_MOST = 50  # each fetch adds one; reading slows down with their number
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """What a branch holds now. ``branch`` is its name, ``HEAD`` where the repository names none."""

    commit: str
    branch: str


class Mirror:
    """One branch of one repository, in a folder of ours. One thread at a time, but for ``git``."""

    def __init__(self, config: GitConfig, git: Git, folder: Path) -> None:
        self._config = config
        self._git = git
        self._folder = folder
        # Of another address or branch nothing is of use; it is removed when the first copy of this one is made.
        named = f"{config.url}\0{config.branch}".encode()
        self.path = folder / f"mirror-{hashlib.blake2b(named, digest_size=8).hexdigest()}.git"

    def ask(self) -> Tip:
        """The branch as it is now, here as well when this returns: one question, and a fetch if it changed.
        Raises ``SourceUnavailable``."""
        try:
            self._git.prepare()
            tip = self._asked()
            if self._here() != tip.commit:
                with self._turn():
                    commit = self._here()
                    if commit != tip.commit:
                        commit = self._fetched(tip)
                    tip = Tip(commit=commit, branch=tip.branch)
        except OSError as error:
            raise SourceUnavailable(
                f"The mirror of the repository cannot be written: {error.strerror or error}.",
                place=str(self._folder),
                hint="Check the disk and the permissions of the state folder.",
            ) from error
        return tip

    def replace(self) -> None:
        """The copy turned out to be damaged: the next ``ask`` makes a new one in its place."""
        with contextlib.suppress(OSError):
            (self.path / _DAMAGED).touch()

    # -- the server --------------------------------------------------------------------------------

    def _asked(self) -> Tip:
        wanted = f"refs/heads/{self._config.branch}" if self._config.branch else "HEAD"
        try:
            out = self._git.remote("ls-remote", "--symref", "--", self._config.url, wanted)
        except Broken as error:
            raise SourceUnavailable(
                "The repository is damaged at its server.", place=self._config.url, hint="Tell its owner: git fsck."
            ) from error
        branch, commit = self._config.branch, ""
        for line in out.decode("utf-8", "surrogateescape").splitlines():
            value, _, name = line.partition("\t")
            if name != wanted:
                continue
            if value.startswith("ref: "):
                branch = value.removeprefix("ref: ").removeprefix("refs/heads/")
            elif _OID.fullmatch(value):
                commit = value
        if not commit:
            what = f"no branch {self._config.branch}" if self._config.branch else "no branch that it serves by itself"
            raise SourceUnavailable(
                f"The repository is empty, or has {what}.",
                place=self._config.url,
                hint="Nothing was deleted. Correct branch, or wait for the repository's first page.",
            )
        return Tip(commit=commit, branch=branch or "HEAD")

    # -- the copy ----------------------------------------------------------------------------------

    def _here(self) -> str:
        """The commit that was fetched last and is whole, else nothing."""
        if not self.path.is_dir() or (self.path / _DAMAGED).exists():
            return ""
        try:
            answer = self._git.local(
                self.path, "rev-parse", "--verify", "--quiet", f"{_TIP}^{{commit}}", fine=(0, 1, 128)
            )
        except Broken:
            return ""
        found = answer.out.decode("ascii", "replace").strip()
        return found if answer.code == 0 and _OID.fullmatch(found) else ""

    def _fetched(self, tip: Tip) -> str:
        """Fetch, into the copy that is here or a new one; the commit that is here now."""
        if self._here():
            try:
                self._sweep()
                self._fetch(self.path, tip)
                if commit := self._here():
                    self._tidy()
                    return commit
            except Broken:
                pass  # what is here keeps standing until the new one is whole
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self._folder))
        try:
            kind = "sha1" if len(tip.commit) == 40 else "sha256"
            self._git.local(fresh, "init", "--quiet", "--bare", "--template=", f"--object-format={kind}")
            self._fetch(fresh, tip)
            commit = self._git.local(fresh, "rev-parse", "--verify", f"{_TIP}^{{commit}}").out.decode("ascii").strip()
            self._put(fresh)
        except Broken as error:
            raise SourceUnavailable(
                "What the repository's server sent is not whole.",
                place=self._config.url,
                hint="It is fetched again at the next run; if that does not help, its owner can check it: git fsck.",
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return commit

    def _fetch(self, repository: Path, tip: Tip) -> None:
        wanted = "HEAD" if tip.branch == "HEAD" and not self._config.branch else f"refs/heads/{tip.branch}"
        options = ("--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        self._git.remote(
            *("fetch", *options, "--no-recurse-submodules", "--", self._config.url, f"+{wanted}:{_TIP}"),
            repository=repository,
            fetching=True,
        )

    def _put(self, fresh: Path) -> None:
        """Let a whole copy take the place of whatever is here, and remove what is of no use any more."""
        for old in self._folder.iterdir():
            if old.name.startswith("mirror-"):
                old.rename(self._folder / f"old-{os.getpid()}-{time.monotonic_ns()}")
        fresh.rename(self.path)
        self._remove_litter()

    def _remove_litter(self) -> None:
        for old in self._folder.iterdir():
            if old.name.startswith(("old-", "new-")):
                shutil.rmtree(old, ignore_errors=True)

    def _sweep(self) -> None:
        """What a killed fetch left: locks would refuse every later one, half a pack would lie there for ever."""
        self._remove_litter()
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.endswith(".lock") or name.startswith(("tmp_", ".tmp-")):
                    (Path(folder) / name).unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Now and then: one pack of many, without what a rewritten history left behind."""
        if len(list((self.path / "objects" / "pack").glob("*.pack"))) > _PACKS_MOST:
            with contextlib.suppress(Broken, SourceUnavailable):  # a full disk, say: it reads as well with many
                self._git.local(self.path, "gc", "--quiet", "--prune=now")

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time fetches. Raises ``SourceUnavailable`` when another takes long."""
        with (self._folder / "lock").open("wb") as lock:
            deadline = time.monotonic() + _LOCK_S
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise SourceUnavailable(
                            "Another process is fetching the repository.",
                            place=self._config.url,
                            hint="Ask again when it is done: ingestor status.",
                        ) from None
                    time.sleep(0.05)
            yield
