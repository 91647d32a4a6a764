"""The state folder: where it is, who holds it, and where its socket lies.

One process at a time may write the ledger or open Chroma: the one that holds ``STATE/lock``. The lock
is an ``flock`` and ends with its process, so nothing is ever cleaned up after a crash; the file itself
is never removed, because two processes could then hold two files of the same name. Its text (process id,
socket) is for those who want to talk to the holder, and means something only while the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ingestor.errors import UserError

SOCKET_PATH_LIMIT = 100
"""Bytes. The kernel takes 107; the rest is room for a temporary name beside it."""

_NOT_OURS_TO_JUDGE = frozenset({"lost+found"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The process that holds a state folder, and the socket that it serves or will serve."""

    pid: int
    socket_path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFolder:
    """A state folder, which need not exist yet. Reading its fields touches nothing."""

    root: Path
    socket_path: Path

    @property
    def lock_path(self) -> Path:
        return self.root / "lock"

    def prepare(self) -> None:
        """Make the folder, for its owner only. Raises ``UserError`` where it cannot be ours.

        A folder of ours that others may read is narrowed, but only when it is empty or already holds a
        ledger's lock: a mistyped ``--state-dir`` must not take a shared folder from its other users."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = self.root.stat()
            if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) & 0o077:
                strangers = {entry.name for entry in os.scandir(self.root)} - _NOT_OURS_TO_JUDGE
                if strangers and self.lock_path.name not in strangers:
                    raise UserError(
                        f"{self.root} holds other things and others may read it, so it cannot be the state folder.",
                        hint="Name an empty or a new folder with --state-dir.",
                    )
                self.root.chmod(0o700)
            if self.socket_path.parent != self.root:
                private_folder(self.socket_path.parent)
        except OSError as error:
            raise UserError(
                f"The state folder {self.root} cannot be used: {error.strerror}.",
                hint="Name another one with --state-dir or INGESTOR_STATE_DIR.",
            ) from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise UserError(
                f"The state folder {self.root} belongs to another user and cannot be written.",
                hint="Run the command as its owner, or name another one with --state-dir.",
            )

    def try_lock(self) -> StateLock | None:
        """Take the lock without waiting; None while another process (or this one already) holds it."""
        self.prepare()
        handle = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        text = f"{os.getpid()}\n{self.socket_path}\n".encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):  # a full disk: the lock holds, and who asks finds the usual socket
            os.ftruncate(handle, 0)
            os.pwrite(handle, text, 0)
        return StateLock(handle)

    def holder(self) -> Holder | None:
        """Who holds the lock now; None when nobody does. Writes nothing, needs no folder."""
        try:
            handle = os.open(self.lock_path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise UserError(
                f"The state folder {self.root} belongs to another user.", hint="Run the command as its owner."
            ) from error
        try:
            # A shared lock is enough to ask, and two who ask do not see each other.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read_holder(os.pread(handle, 4096, 0))
        else:
            return None
        finally:
            os.close(handle)

    def _read_holder(self, text: bytes) -> Holder:
        """What the lock file says; it is empty for the instant between locking and writing."""
        lines = text.decode("utf-8", "surrogateescape").splitlines()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
        return Holder(pid=pid, socket_path=Path(lines[1]) if len(lines) > 1 else self.socket_path)


class StateLock:
    """The held lock. Lives until ``release`` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        _held.add(self)

    def release(self) -> None:
        """Let others in; safe to call twice."""
        if self._handle is not None:
            # Unlocked by name, not only closed: a forked child may still have the file open.
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            _held.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


_held: weakref.WeakSet[StateLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked worker that outlives a killed parent must not keep the folder locked."""
    for lock in list(_held):
        lock._close()  # noqa: SLF001 (same module; closing leaves the parent's lock in place)


os.register_at_fork(after_in_child=_forget_in_child)


def resolve(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> StateFolder:
    """The state folder by CONTRACTS: the flag, ``INGESTOR_STATE_DIR``, ``STATE_DIRECTORY`` (systemd; the
    first of several), else the user's state folder. Touches nothing."""
    env = os.environ if environ is None else environ
    root = _root(explicit, env)
    return StateFolder(root=root, socket_path=_socket_path(root, env))


def _root(explicit: Path | None, env: Mapping[str, str]) -> Path:
    given = str(explicit) if explicit is not None else env.get("INGESTOR_STATE_DIR", "")
    given = given or env.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return _absolute(given, env)
    # The specification asks that a relative XDG value be ignored.
    base = env.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else _absolute("~/.local/state", env)) / "ingestor"


def _absolute(text: str, env: Mapping[str, str]) -> Path:
    if text == "~" or text.startswith("~/"):
        home = env.get("HOME", "") or _home_of_user()
        text = home + text[1:]
    return Path(os.path.normpath(Path.cwd() / text))


def _home_of_user() -> str:
    import pwd

    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_dir
    raise UserError("This user has no home folder, so there is no default place for state.", hint="Use --state-dir.")


def _socket_path(root: Path, env: Mapping[str, str]) -> Path:
    """``ROOT/socket``, or a place in the runtime folder where that would be too long for a socket."""
    key = hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()
    runtime = env.get("XDG_RUNTIME_DIR", "") or f"/run/user/{os.getuid()}"
    choices = [root / "socket"]
    if _is_private(Path(runtime)):
        choices.append(Path(runtime) / f"ingestor-{key}.socket")
    short = Path("/tmp") / f"ingestor-{os.getuid()}-{key}" / "socket"  # noqa: S108 (checked by private_folder)
    return next((path for path in choices if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT), short)


def private_folder(path: Path) -> None:
    """Make sure that ``path`` is a folder of this user alone: made if it is not there, refused if it is a
    link, somebody else's or open to others. For places in ``/tmp``, where anybody can be first."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if not _is_private(path):
        raise UserError(
            f"{path} exists and is not a folder of this user alone, so no socket can be put there.",
            hint="Remove it, or use a state folder with a shorter path.",
        )


def _is_private(path: Path) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not stat.S_IMODE(facts.st_mode) & 0o077
