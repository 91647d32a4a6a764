"""A folder as a ``Source``: opens its root anew for each question, so that what it says is of now."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator

from connectors.base import Change, Checkpoint, Fetched, ItemId, ItemRef, Scope, Watcher
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable
from connectors.files.config import FilesConfig
from connectors.files.grants import Grants
from connectors.files.mount import Mount, mount_of, real_path
from connectors.files.rules import Rules
from connectors.files.scan import Scan, reason
from connectors.files.signature import doubtful, root_identity, version
from connectors.files.tree import AWAY, GONE, Tree, opened, unavailable
from connectors.files.view import View
from connectors.paths import display, parent_of, path_of

_READS = 3  # of a file that changes while it is read
_PAUSE_S = 0.05
_BLOCK = 1024 * 1024
_MARKER_LIMIT = 64 * 1024


class FilesSource:
    """One folder. Holds no handle between calls; ``fetch`` may run in several threads."""

    def __init__(self, config: FilesConfig) -> None:
        self._config = config
        self._rules = Rules(config)
        self._root = os.fsencode(config.path)

    @property
    def name(self) -> str:
        return self._config.name

    def identity(self) -> str:
        with opened(self._config.path) as tree:
            try:
                state, mount, path = os.fstat(tree.fd), mount_of(tree.fd), real_path(tree.fd)
            except OSError as error:
                raise unavailable(self._root, error) from error
            return root_identity(state, mount, path, self._marker(tree))

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:  # noqa: ARG002 - a folder keeps no journal
        yield from Scan(view=self._view(), root=self._config.path).run(scope)

    def fetch(self, ref: ItemRef) -> Fetched:
        path = self._path(ref.item_id)
        if path is None:
            raise ItemVanished("No file can have this id.", place=ref.item_id)
        for attempt in range(_READS):
            if attempt:
                time.sleep(_PAUSE_S)
            fetched = self._attempt(path)
            if fetched is not None:
                return fetched
        raise ItemUnreadable(
            "The file was changing while it was read.",
            place=display(path),
            hint="It is read again at the next run, when nobody writes to it.",
        )

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        found = self._look(item_id)
        return found if isinstance(found, ItemRef) else None

    def explain(self, item_id: ItemId) -> str | None:
        found = self._look(item_id)
        return found if isinstance(found, str) else None

    def watcher(self) -> Watcher | None:
        try:
            if self._mount().remote:
                return None
        except SourceUnavailable:
            pass  # said by start(), to whoever wants to hear it
        from connectors.files.watch import FilesWatcher

        return FilesWatcher(self._config.path, self._rules)

    def close(self) -> None:
        """Nothing is held."""

    # -- one item ----------------------------------------------------------------------------------

    def _path(self, item_id: ItemId) -> bytes | None:
        return path_of(item_id) or None

    def _view(self) -> View:
        return View(self._rules, Grants(self._config.permissions), self._config.path)

    def _mount(self) -> Mount:
        with opened(self._config.path) as tree:
            try:
                return mount_of(tree.fd)
            except OSError as error:
                raise unavailable(self._root, error) from error

    def _look(self, item_id: ItemId) -> ItemRef | str:
        """The item of an id, or the sentence that says why there is none."""
        path = self._path(item_id)
        if path is None:
            return "No file can have this id."
        with opened(self._config.path) as tree:
            view = self._view()
            try:
                folder = view.descend(tree, path)
                if isinstance(folder, str):
                    return folder
                name = path.rpartition(b"/")[2]
                state = os.stat(name, dir_fd=tree.folder(folder.path), follow_symlinks=False)
                is_dir = stat.S_ISDIR(state.st_mode)
                excluded = view.excluded(folder, name, is_dir=is_dir)
                if excluded is not None:
                    return excluded
                if is_dir:
                    return f'"{display(path)}" is a folder.'
                return view.item(tree, folder, name, state)
            except OSError as error:
                if error.errno in GONE:
                    return f'There is no file "{display(path)}".'
                raise self._failure(path, error) from error

    def _attempt(self, path: bytes) -> Fetched | None:
        """Read a file once; None when it changed meanwhile."""
        with opened(self._config.path) as tree:
            view = self._view()
            name = path.rpartition(b"/")[2]
            try:
                folder = view.descend(tree, path)
                excluded = folder if isinstance(folder, str) else view.excluded(folder, name, is_dir=False)
                if isinstance(folder, str) or excluded is not None:
                    raise ItemVanished(f"The file is excluded now: {excluded}", place=display(path))
                holder, entry = tree.folder(folder.path), name
                state = link = os.stat(name, dir_fd=holder, follow_symlinks=False)
                through = None
                if stat.S_ISLNK(link.st_mode):
                    target = view.follow(tree, folder, name)
                    if isinstance(target, str):
                        raise ItemVanished(f"The link is no item now: {target}", place=display(path))
                    holder, entry = tree.folder(parent_of(target.path)), target.path.rpartition(b"/")[2]
                    state, through = target.state, target.gates
                if not stat.S_ISREG(state.st_mode):
                    # Opening a device or a pipe can have effects, so it is not even opened.
                    raise ItemVanished("What was a file is none any more.", place=display(path))
                fd = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=holder)
            except OSError as error:
                raise self._failure(path, error) from error
            try:
                local = mount_of(fd).local
                read_at = time.time_ns()
                before = os.fstat(fd)
                content = self._read(fd, path, before)
                after = os.fstat(fd)
            except OSError as error:
                raise self._failure(path, error) from error
            finally:
                os.close(fd)
            if version(before) != version(after) or len(content) != after.st_size:
                return None
            ref = view.reference(folder, name, after, link=link if through is not None else None, through=through or ())
            return Fetched(ref=ref, content=content, doubtful=doubtful(after, read_at, local=local))

    def _read(self, fd: int, path: bytes, state: os.stat_result) -> bytes:
        limit = self._config.max_size
        blocks: list[bytes] = []
        size = 0
        if stat.S_ISREG(state.st_mode) and state.st_size <= limit:
            while block := os.read(fd, _BLOCK):
                blocks.append(block)
                size += len(block)
                if size > limit:
                    break
            else:
                return b"".join(blocks)
        raise ItemUnreadable(
            f"The file has grown above the limit of {limit:,} bytes.", place=display(path), hint="Raise max_size."
        )

    def _failure(self, path: bytes, error: OSError) -> Exception:
        """What an error on the way to a file means for the file, or for the whole source."""
        place = display(path)
        if error.errno in AWAY:
            return unavailable(self._root, error)
        if error.errno in GONE:
            return ItemVanished("The file was gone when it was read.", place=place)
        hint = "Give this service's account read access." if error.errno in {errno.EACCES, errno.EPERM} else ""
        return ItemUnreadable(f"The file cannot be read: {reason(error)}.", place=place, hint=hint)

    def _marker(self, tree: Tree) -> bytes | None:
        """The marker's content; its absence means that this is not the folder that was meant."""
        if not self._config.marker:
            return None
        path = os.fsencode(self._config.marker)
        try:
            fd = os.open(
                path.rpartition(b"/")[2],
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                dir_fd=tree.folder(parent_of(path)),
            )
            with os.fdopen(fd, "rb") as stream:
                return stream.read(_MARKER_LIMIT)
        except OSError as error:
            raise SourceUnavailable(
                f"The marker file {self._config.marker} cannot be read: {reason(error)}.",
                place=display(self._root),
                hint="Mount the right folder, or place the marker again.",
            ) from error
