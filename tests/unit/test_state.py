"""The state folder: where it is, that it is private, and that one process at a time holds it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingestor.errors import UserError
from ingestor.state import SOCKET_PATH_LIMIT, StateFolder, private_folder, resolve


@pytest.mark.parametrize(
    ("explicit", "environ", "expected"),
    [
        (Path("/x/state"), {"INGESTOR_STATE_DIR": "/env", "HOME": "/home/ana"}, "/x/state"),
        (None, {"INGESTOR_STATE_DIR": "/env", "STATE_DIRECTORY": "/sys", "HOME": "/home/ana"}, "/env"),
        (None, {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two", "HOME": "/home/ana"}, "/var/lib/one"),
        (None, {"XDG_STATE_HOME": "/xdg", "HOME": "/home/ana"}, "/xdg/ingestor"),
        (None, {"XDG_STATE_HOME": "relative", "HOME": "/home/ana"}, "/home/ana/.local/state/ingestor"),
        (None, {"INGESTOR_STATE_DIR": "", "HOME": "/home/ana"}, "/home/ana/.local/state/ingestor"),
        (None, {"INGESTOR_STATE_DIR": "~/st", "HOME": "/home/ana"}, "/home/ana/st"),
    ],
)
def test_the_state_folder_is_found_by_the_order_of_the_contract(
    explicit: Path | None, environ: dict[str, str], expected: str
) -> None:
    """Flag, own variable, systemd's variable, then the user's state folder; nothing is made on the way."""
    assert resolve(explicit, environ).root == Path(expected)


def test_a_relative_state_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder stays the same when the process changes its working directory later."""
    monkeypatch.chdir(tmp_path)
    assert resolve(Path("st"), {}).root == tmp_path / "st"


def test_asking_about_a_folder_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    """Commands that only read leave no trace."""
    state = resolve(tmp_path / "none", {})
    assert state.holder() is None
    assert not state.root.exists()


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0700 whatever the umask, and narrowed where a service manager made it wider."""
    made, given = resolve(tmp_path / "a" / "state", {}), resolve(tmp_path / "given", {})
    given.root.mkdir(mode=0o755)
    given.root.chmod(0o755)
    for state in (made, given):
        state.prepare()
        assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_a_shared_folder_is_not_taken_from_its_other_users(tmp_path: Path) -> None:
    """A folder with other things in it that others may read is refused and stays as it was."""
    tmp_path.chmod(0o755)
    (tmp_path / "budget.xlsx").touch()
    with pytest.raises(UserError, match="others may read it"):
        resolve(tmp_path, {}).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_is_no_state_folder(tmp_path: Path) -> None:
    """A path that is a file ends in a sentence, not in a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used"):
        resolve(tmp_path / "file", {}).prepare()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """While the lock is held nobody else gets it, and everybody can see who holds it."""
    state = resolve(tmp_path / "state", {})
    lock = state.try_lock()
    assert lock is not None
    assert state.try_lock() is None
    holder = state.holder()
    assert holder is not None
    assert (holder.pid, holder.socket_path) == (os.getpid(), state.socket_path)
    lock.release()
    lock.release()
    assert state.holder() is None
    assert state.lock_path.exists()
    with state.try_lock() or pytest.fail("the lock is free"):
        assert state.try_lock() is None
    assert state.holder() is None


_HOLD = """
import os, sys, time
from pathlib import Path
from ingestor.state import resolve
lock = resolve(Path(sys.argv[1]), {}).try_lock()
assert lock is not None
if os.fork() == 0:
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_killed_holder_holds_nothing_though_its_child_lives(tmp_path: Path) -> None:
    """After kill -9 the lock is free at once, even where a forked worker of the dead process lives on."""
    state = resolve(tmp_path / "state", {})
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(state.root)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        try:
            holder = state.holder()
            assert holder is not None
            assert holder.pid == pid
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            # The worker gives up its copy of the lock as its first act; it may not have had its turn yet.
            lock = next((lock for _ in range(500) if (lock := state.try_lock() or time.sleep(0.01))), None)
            assert lock is not None
            lock.release()
        finally:
            os.killpg(pid, signal.SIGKILL)


def test_a_long_path_has_its_socket_in_the_runtime_folder(tmp_path: Path) -> None:
    """Where the socket's path would be too long for the kernel it stands in the user's runtime folder."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    short, long = Path("/s"), tmp_path / ("x" * 120)
    environ = {"XDG_RUNTIME_DIR": str(runtime)}
    assert resolve(short, environ).socket_path == short / "socket"
    if len(str(runtime)) < 60:
        assert resolve(long, environ).socket_path.parent == runtime


def test_without_a_runtime_folder_the_socket_stands_in_a_private_one(tmp_path: Path) -> None:
    """A runtime folder that others can write is not used; each state folder has a socket of its own."""
    tmp_path.chmod(0o755)
    first = resolve(tmp_path / ("x" * 120), {"XDG_RUNTIME_DIR": str(tmp_path)})
    second = resolve(tmp_path / ("y" * 120), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert first.socket_path != second.socket_path
    for state in (first, second):
        assert tmp_path not in state.socket_path.parents
        assert len(os.fsencode(state.socket_path)) <= SOCKET_PATH_LIMIT


def test_a_foreign_folder_is_never_used_for_the_socket(tmp_path: Path) -> None:
    """A link, or a folder open to others, that waits under the predictable name is refused."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("link", "open"):
        with pytest.raises(UserError, match="not a folder of this user alone"):
            private_folder(tmp_path / name)
    private_folder(tmp_path / "real")
    private_folder(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_an_unreadable_lock_file_still_names_a_holder(tmp_path: Path) -> None:
    """In the instant between locking and writing, the file is empty: somebody holds it, unnamed."""
    root = tmp_path / "state"
    state = StateFolder(root=root, socket_path=root / "socket")
    with state.try_lock() or pytest.fail("the lock is free"):
        os.truncate(state.lock_path, 0)
        holder = state.holder()
        assert holder is not None
        assert (holder.pid, holder.socket_path) == (0, state.socket_path)
