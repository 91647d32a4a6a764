"""Versions, keys, doubt and the identity of a root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.files.mount import Mount, mount_of, parse_mountinfo
from connectors.files.signature import doubtful, file_key, move_key, root_identity, version

NS = 1_000_000_000
BASE = {
    "mode": 0o100644,
    "ino": 7,
    "dev": 1,
    "nlink": 1,
    "uid": 0,
    "gid": 0,
    "size": 10,
    "atime": 100,
    "mtime": 200 * NS + 5,
    "ctime": 300 * NS + 5,
}


def state(**changes: int) -> os.stat_result:
    v = {**BASE, **changes}
    seconds = (v["mode"], v["ino"], v["dev"], v["nlink"], v["uid"], v["gid"], v["size"], v["atime"], 0, 0)
    return os.stat_result(seconds, {"st_mtime_ns": v["mtime"], "st_ctime_ns": v["ctime"], "st_atime_ns": v["atime"]})


@pytest.mark.parametrize("field", ["size", "mtime", "ctime", "ino"])
def test_a_version_sees_every_change(field: str) -> None:
    """Size, both times to the nanosecond, and inode are in the version."""
    assert version(state(**{field: BASE[field] + 1})) != version(state())


@pytest.mark.parametrize("field", ["atime", "dev", "uid", "mode", "nlink"])
def test_a_version_is_blind_to_the_rest(field: str) -> None:
    """Being read, a reboot that renumbers devices: no change. (Modes show in ctime and in the grant.)"""
    assert version(state(**{field: BASE[field] + 1})) == version(state())


def test_keys_survive_a_rename() -> None:
    """A rename changes ctime, and neither the move key nor the file key."""
    renamed = state(ctime=400 * NS)
    assert move_key(renamed) == move_key(state())
    assert file_key(renamed) == file_key(state())
    assert move_key(state(mtime=1)) != move_key(state())


NOW = 1_000 * NS


@pytest.mark.parametrize(
    ("mtime", "ctime", "local", "expected"),
    [
        (NOW - NS // 1000, NOW - NS // 1000, True, True),
        (NOW - 9_999_999, NOW - 9_999_999, True, True),
        (NOW - 10_000_001, NOW - 10_000_001, True, False),
        (NOW - 10_000_001, NOW - 10_000_001, False, True),
        (NOW - 2 * NS - 1, NOW - 2 * NS - 1, False, False),
        # An old mtime put back on young content shows in ctime.
        (5, NOW - 1, True, True),
        # Set by hand to a far future: a change would replace it.
        (NOW * 2 + 1, NOW - NS - 1, True, False),
        (NOW * 2 + 1, NOW * 2 + 1, False, False),
        # A server whose clock is ahead of ours.
        (NOW + 5 * NS + 1, NOW + 5 * NS + 1, False, True),
        # Times in whole seconds are those of a coarse file system, wherever it is.
        (NOW - NS, NOW - NS, True, True),
        (NOW - 3 * NS, NOW - 3 * NS, True, False),
    ],
)
def test_doubt(mtime: int, ctime: int, local: bool, expected: bool) -> None:
    """A read is doubtful while a later change could still get the timestamps it saw."""
    assert doubtful(state(mtime=mtime, ctime=ctime), NOW, local=local) is expected


EXT4 = Mount(fstype=b"ext4", source=b"/dev/sda1", root=b"/", point=b"/srv")


@pytest.mark.parametrize(
    ("mount", "ino", "path", "marker"),
    [
        (Mount(fstype=b"nfs4", source=b"/dev/sda1", root=b"/", point=b"/srv"), 7, b"/srv/x", None),
        (Mount(fstype=b"ext4", source=b"/dev/sdb1", root=b"/", point=b"/srv"), 7, b"/srv/x", None),
        (Mount(fstype=b"ext4", source=b"/dev/sda1", root=b"/sub", point=b"/srv"), 7, b"/srv/x", None),
        (EXT4, 8, b"/srv/x", None),
        (EXT4, 7, b"/srv/y", None),
        (EXT4, 7, b"/srv/x", b""),
        (EXT4, 7, b"/srv/x", b"marker"),
    ],
)
def test_an_identity_names_the_place(mount: Mount, ino: int, path: bytes, marker: bytes | None) -> None:
    """File system type, mount source, path inside it, inode and marker each make another identity."""
    assert root_identity(state(ino=ino), mount, path, marker) != root_identity(state(), EXT4, b"/srv/x", None)


def test_an_identity_survives_a_reboot() -> None:
    """Another device number and another mount point of the same file system are the same place."""
    elsewhere = Mount(fstype=b"ext4", source=b"/dev/sda1", root=b"/", point=b"/mnt")
    before = root_identity(state(), EXT4, b"/srv/x", None)
    assert root_identity(state(dev=99), elsewhere, b"/mnt/x", None) == before


def test_a_bind_mount_shows_the_same_place() -> None:
    """The path inside the file system counts, not the path it is reached by."""
    bound = Mount(fstype=b"ext4", source=b"/dev/sda1", root=b"/x", point=b"/home/ann/share")
    assert root_identity(state(), bound, b"/home/ann/share", None) == root_identity(state(), EXT4, b"/srv/x", None)


def test_the_mount_table_is_read_with_its_escapes() -> None:
    """Optional fields and escaped spaces are understood; lines without sense are passed over."""
    text = (
        b"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        b"nonsense\n"
        b"36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 shared:2 - nfs4 server:/ex\\040port rw,errors=continue\n"
    )
    mounts = parse_mountinfo(text)
    assert set(mounts) == {22, 36}
    assert mounts[36] == Mount(fstype=b"nfs4", source=b"server:/ex port", root=b"/mnt1", point=b"/mnt two")


@pytest.mark.parametrize(
    ("fstype", "remote", "local"),
    [
        (b"ext4", False, True),
        (b"tmpfs", False, True),
        (b"nfs4", True, False),
        (b"cifs", True, False),
        (b"fuse.sshfs", True, False),
        (b"fuseblk", False, False),
        (b"vfat", False, False),
        (b"ext3", False, False),
    ],
)
def test_kinds_of_file_systems(fstype: bytes, remote: bool, local: bool) -> None:
    """Remote ones have no events, and only the well known local ones have fine timestamps."""
    mount = Mount(fstype=fstype, source=b"x", root=b"/", point=b"/")
    assert (mount.remote, mount.local) == (remote, local)


def test_the_mount_of_an_open_file_is_found(tmp_path: Path) -> None:
    """The kernel's own id leads to the right line of the mount table."""
    for path, fstype in ((Path("/proc"), b"proc"), (tmp_path, None)):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            mount = mount_of(fd)
        finally:
            os.close(fd)
        assert mount.fstype == fstype or fstype is None
        assert os.fsencode(path).startswith(mount.point)
