"""Where an open folder is mounted, from /proc: the part of a root's identity that survives a reboot.

A device number is assigned at each boot, and the path of a mount point says nothing about what is
mounted there; the kernel's mount table says both.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(rb"\\([0-7]{3})")

LOCAL = frozenset(
    {b"ext4", b"xfs", b"btrfs", b"zfs", b"f2fs", b"bcachefs", b"tmpfs", b"ramfs", b"overlay", b"squashfs", b"erofs"}
)
"""File systems whose timestamps are finer than a scheduler tick. Everything else counts as coarse."""

_REMOTE = frozenset(
    {b"nfs", b"nfs4", b"cifs", b"smb3", b"smbfs", b"9p", b"virtiofs", b"afs", b"ceph", b"coda", b"lustre", b"ncpfs"}
    | {b"gfs", b"gfs2", b"ocfs2", b"orangefs", b"davfs", b"vboxsf", b"vmhgfs", b"prl_fs", b"gpfs", b"beegfs", b"fuse"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """``source`` is what is mounted, ``root`` the path inside it that ``point`` shows."""

    fstype: bytes
    source: bytes
    root: bytes
    point: bytes

    @property
    def remote(self) -> bool:
        """Whether others may change files without this kernel noticing: inotify is deaf there."""
        return self.fstype in _REMOTE or self.fstype.startswith(b"fuse.")

    @property
    def local(self) -> bool:
        return self.fstype in LOCAL

    def inner(self, path: bytes) -> bytes:
        """The path inside the file system of an absolute path under ``point``."""
        return posixpath.normpath(self.root + b"/" + posixpath.relpath(path, self.point)).replace(b"//", b"/")


UNKNOWN = Mount(fstype=b"unknown", source=b"unknown", root=b"/", point=b"/")


def parse_mountinfo(text: bytes) -> dict[int, Mount]:
    """Mounts by their id (proc(5)); lines that make no sense are left out."""
    mounts = {}
    for line in text.splitlines():
        left, separator, right = line.partition(b" - ")
        fields, tail = left.split(b" "), right.split(b" ")
        if separator and len(fields) >= 6 and len(tail) >= 2 and fields[0].isdigit():
            mounts[int(fields[0])] = Mount(
                fstype=_plain(tail[0]), source=_plain(tail[1]), root=_plain(fields[3]), point=_plain(fields[4])
            )
    return mounts


def mount_of(fd: int) -> Mount:
    """The mount that an open file lies on: by the id the kernel gives, not by comparing path prefixes,
    which cannot tell mounts that were stacked on one point."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_bytes().splitlines():
        key, _, value = line.partition(b":")
        if key == b"mnt_id":
            return parse_mountinfo(Path("/proc/self/mountinfo").read_bytes()).get(int(value), UNKNOWN)
    return UNKNOWN


def real_path(fd: int) -> bytes:
    """The absolute path of an open file, as the kernel sees it now."""
    return os.readlink(f"/proc/self/fd/{fd}".encode())  # noqa: PTH115 - a Path holds no bytes


def _plain(escaped: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), escaped)
