"""One entry of a folder to one item: the rules asked, links resolved, the reference made.

A link to a file inside the root is an item of its own, like a copy: it is how mounted configuration and
"latest" pointers look. It has the state of its target and the permissions of both ways, and what the
target's own place excludes (``exclude``, ``.ingestignore``) stays out through a link as well. A link to
a folder is never followed, so no listing can run in a circle; a link out of the root neither.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.base import ItemId, ItemRef
from connectors.files.grants import Gate, Grants, gate_of
from connectors.files.mount import real_path
from connectors.files.rules import IgnoreFile, Rules, load_ignore
from connectors.files.signature import file_key, move_key, version
from connectors.files.tree import GONE, Tree
from connectors.paths import display, file_url, item_id, join, parent_of
from connectors.patterns import display_text, text_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """What a folder passes on to its entries. ``text`` is its matched form, with its slash."""

    path: bytes
    folder_id: ItemId
    text: str
    gates: frozenset[Gate]
    ignores: tuple[IgnoreFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a link inside the root leads: a file, its state, and the folders on the way to it."""

    path: bytes
    state: os.stat_result
    gates: frozenset[Gate]


class View:
    """How one source looks at its entries. The folders are opened by the caller's tree."""

    def __init__(self, rules: Rules, grants: Grants, root: str) -> None:
        self._rules = rules
        self._grants = grants
        self._url = file_url(os.fsencode(root).rstrip(b"/"))

    @property
    def grants_of_the_tree(self) -> bool:
        """Whether the permissions of the folders on the way decide who may read."""
        return self._grants.of_the_tree

    def root(self, tree: Tree) -> Folder:
        """Raises ``OSError`` when the root's ignore file cannot be read."""
        return self._folder(b"", tree.fd, frozenset(), ())

    def below(self, tree: Tree, folder: Folder, name: bytes) -> Folder:
        """Open a folder in a folder. Raises ``OSError``, also when its ignore file cannot be read."""
        path = join(folder.path, name)
        return self._folder(path, tree.folder(path), folder.gates, folder.ignores)

    def descend(self, tree: Tree, path: bytes, *, through_link: bool = False) -> Folder | str:
        """The folder that holds ``path``, or the sentence of the rule that excludes a folder on the way.
        Raises ``OSError``."""
        folder = self.root(tree)
        above = parent_of(path)
        for name in above.split(b"/") if above else []:
            reason = self.excluded(folder, name, is_dir=True, through_link=through_link)
            if reason is not None:
                return reason
            folder = self.below(tree, folder, name)
        return folder

    def excluded(self, folder: Folder, name: bytes, *, is_dir: bool, through_link: bool = False) -> str | None:
        """What the rules on names say of an entry."""
        text = text_of(name)
        return self._rules.by_name(
            folder.text + text, text, is_dir=is_dir, ignores=folder.ignores, through_link=through_link
        )

    def item(self, tree: Tree, folder: Folder, name: bytes, state: os.stat_result) -> ItemRef | str:
        """The item that an entry (no folder, name not excluded, ``state`` by lstat) is, or the sentence
        that says why it is none. Raises ``OSError`` when a link's target cannot be looked at."""
        if not stat.S_ISLNK(state.st_mode):
            reason = self._rules.by_state(folder.text + text_of(name), state)
            return reason or self.reference(folder, name, state)
        target = self.follow(tree, folder, name)
        if isinstance(target, str):
            return target
        reason = self._rules.by_state(folder.text + text_of(name), target.state)
        return reason or self.reference(folder, name, target.state, link=state, through=target.gates)

    def reference(
        self,
        folder: Folder,
        name: bytes,
        state: os.stat_result,
        *,
        link: os.stat_result | None = None,
        through: Iterable[Gate] = (),
    ) -> ItemRef:
        """``link`` is the lstat of a link, whose own inode says whether it was renamed."""
        item = item_id(join(folder.path, name))
        return ItemRef(
            item_id=item,
            name=display(name),
            version=version(state),
            size=state.st_size,
            modified_at=state.st_mtime_ns / 1e9,
            file_key=file_key(state) if link is None else f"link.{file_key(link)}",
            move_key=move_key(state),
            url=f"{self._url}/{item}",
            parent=folder.folder_id or None,
            grant=self._grants.grant(folder.folder_id, folder.gates.union(through), gate_of(state)),
        )

    def follow(self, tree: Tree, folder: Folder, name: bytes) -> Target | str:
        """Where a link leads, or the sentence that says why it is not followed. Raises ``OSError``."""
        shown = f'"{display_text(folder.text + text_of(name))}"'
        try:
            # The kernel resolves; O_PATH opens nothing, so a device or a pipe at the end is not touched.
            fd = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=tree.folder(folder.path))
        except OSError as error:
            if error.errno in GONE:
                return f"{shown} is a link that leads nowhere."
            raise
        try:
            state, real = os.fstat(fd), real_path(fd)
        finally:
            os.close(fd)
        root = real_path(tree.fd).rstrip(b"/") + b"/"
        if not real.startswith(root):
            return f"{shown} is a link that leads out of the source."
        if stat.S_ISDIR(state.st_mode):
            return f"{shown} is a link to a folder; folders are read where they stand."
        path = real[len(root) :]
        aside = tree.twin()
        try:
            holder = self.descend(aside, path, through_link=True)
        finally:
            aside.close()
        if isinstance(holder, str):
            return f"{shown} is a link, and {holder}"
        reason = self.excluded(holder, path.rpartition(b"/")[2], is_dir=False, through_link=True)
        if reason is not None:
            return f"{shown} is a link, and {reason}"
        return Target(path=path, state=state, gates=holder.gates)

    def _folder(self, path: bytes, fd: int, gates: frozenset[Gate], ignores: tuple[IgnoreFile, ...]) -> Folder:
        gate = gate_of(os.fstat(fd))
        ignore = load_ignore(path, fd) if self._rules.heeds_ignore_files else None
        return Folder(
            path=path,
            folder_id=item_id(path),
            text=text_of(path) + "/" if path else "",
            # Folders of one owner and mode are one gate, however many there are: the set stays small.
            gates=gates if gate in gates else gates | {gate},
            ignores=ignores if ignore is None else (*ignores, ignore),
        )
