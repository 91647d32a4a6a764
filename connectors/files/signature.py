"""What identifies a state of a file, a file, and a root. Pure, over ``os.stat_result``.

Never a device number (it changes at reboot) and never the access time (reading would look like a
change). The inode alone proves nothing: ext4 gives a freed one to the next file at once.
"""

from __future__ import annotations

import hashlib
import os
from urllib.parse import quote_from_bytes

from connectors.base import Version
from connectors.files.mount import Mount

LOCAL_GRAIN_S = 0.010
COARSE_GRAIN_S = 2.0
"""How long two changes may share one timestamp: a tick of a local kernel; FAT and old servers, 2 s."""

_SKEW_S = 60.0
_SECOND = 1_000_000_000


def version(stat: os.stat_result) -> Version:
    return Version(f"{stat.st_size}.{stat.st_mtime_ns}.{stat.st_ctime_ns}.{stat.st_ino}")


def move_key(stat: os.stat_result) -> str:
    """What a rename leaves as it was, besides the inode (``file_key``)."""
    return f"{stat.st_size}.{stat.st_mtime_ns}"


def file_key(stat: os.stat_result) -> str:
    return str(stat.st_ino)


def root_identity(stat: os.stat_result, mount: Mount, path: bytes, marker: bytes | None) -> str:
    """R5: file system type, mount source, path inside it, inode; and the marker's content where there
    is one. ``path`` is the root's real absolute path."""
    parts = [mount.fstype, mount.source, mount.inner(path), str(stat.st_ino).encode()]
    if marker is not None:
        parts.append(b"marker=" + hashlib.blake2b(marker, digest_size=10).hexdigest().encode())
    return "|".join(quote_from_bytes(part, safe="/:=") for part in parts)


def doubtful(stat: os.stat_result, read_at_ns: int, *, local: bool) -> bool:
    """Whether a change after ``read_at_ns`` could bear the timestamps that the read saw (R9).

    A timestamp ahead of our clock is doubtful while it may be the server's clock that is ahead; one
    far in the future was set by hand, and a change will replace it.
    """
    whole_seconds = stat.st_mtime_ns % _SECOND == 0 and stat.st_ctime_ns % _SECOND == 0
    fine = local and not whole_seconds
    grain, skew = (LOCAL_GRAIN_S, LOCAL_GRAIN_S) if fine else (COARSE_GRAIN_S, _SKEW_S)
    ages = ((read_at_ns - stamp) / _SECOND for stamp in (stat.st_mtime_ns, stat.st_ctime_ns))
    return any(-skew < age < grain for age in ages)
