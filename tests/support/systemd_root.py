"""A minimal Debian in a folder: what a systemd is booted in, and what a container image is built on. Made once, two
minutes, kept under ``.cache/``; nobody writes into it afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "deploy-root"
SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,iproute2,procps"
_SECONDS = 900


class CannotMake(Exception):
    """This machine has or reaches not what it takes; the sentence says what."""


def debian_root() -> Path:
    """The folder, made where it is not there. Raises ``CannotMake``."""
    if os.geteuid() != 0:
        raise CannotMake("a Debian in a folder needs the superuser")
    if shutil.which("mmdebstrap") is None:
        raise CannotMake("mmdebstrap is not installed")
    CACHE.parent.mkdir(exist_ok=True)
    with (CACHE.parent / "deploy-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not CACHE.is_dir():
            making = CACHE.with_name("deploy-root-making")
            shutil.rmtree(making, ignore_errors=True)
            command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(making)]
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                raise CannotMake(f"mmdebstrap did not end within {_SECONDS} s") from None
            if done.returncode:
                raise CannotMake(f"mmdebstrap: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            making.rename(CACHE)
    return CACHE
