"""Real mounts for tests that lose a share. They need the superuser; ``can_mount`` says whether they can be had."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@functools.cache
def can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as place:
        try:
            mount(place, place)
        except (OSError, subprocess.CalledProcessError):
            return False
        unmount(place)
    return True


def mount(shown: Path | str, point: Path | str) -> None:
    """Show the folder ``shown`` at ``point``, as a share's server would."""
    subprocess.run(["mount", "--bind", str(shown), str(point)], check=True, capture_output=True)


def mount_memory(point: Path | str) -> None:
    """Another, empty file system at ``point``."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "other", str(point)], check=True, capture_output=True)


def unmount(point: Path | str) -> None:
    """At once, also while somebody looks at it."""
    subprocess.run(["umount", "--lazy", str(point)], check=True, capture_output=True)


@contextmanager
def share(folder: Path, point: Path) -> Iterator[None]:
    """``folder`` mounted at ``point``; whatever is mounted there at the end goes."""
    mount(folder, point)
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            while True:
                unmount(point)
