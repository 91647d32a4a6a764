"""Programs of the system that tests compare with or go through: installed where that is allowed, else said to be missing.

Only as the superuser of a Debian system with apt, as in a container that tests; nowhere else is anything touched. What
is still missing afterwards makes the tests that need it skip, and the run lists them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# What is looked for (a program, or a file by a pattern from the root on), and the Debian packages that bring it.
WANTED = {
    "soffice": ("libreoffice-writer-nogui", "libreoffice-impress-nogui"),
    "tesseract": ("tesseract-ocr", "tesseract-ocr-eng"),
    "usr/share/tesseract-ocr/*/tessdata/deu.traineddata": ("tesseract-ocr-deu",),
    "pdftotext": ("poppler-utils",),
    "pandoc": ("pandoc",),
    "git": ("git",),
    "usr/sbin/sshd": ("openssh-server",),
    "usr/share/mediawiki/api.php": (
        *("mediawiki", "php-cli", "php-sqlite3", "php-intl", "php-mbstring", "php-apcu", "php-xml", "php-curl"),
    ),
    "usr/share/dokuwiki/doku.php": ("dokuwiki", "php-cli", "php-xml"),
    "systemd-analyze": ("systemd",),
    "systemd-nspawn": ("systemd-container",),
    "mmdebstrap": ("mmdebstrap",),
    "promtool": ("prometheus",),
    "chromium": ("chromium", "fonts-dejavu-core"),
}
# What only long forms need: `python -m tests.support.packages --long`.
WANTED_LONG = {
    "podman": ("podman",),
    "buildah": ("buildah",),
    "runc": ("runc",),
}
_SECONDS = 600


def missing(wanted: Iterable[str] = WANTED) -> list[str]:
    """What of it is not here."""
    return [name for name in wanted if not (shutil.which(name) or any(Path("/").glob(name)))]


def install(names: Iterable[str]) -> str:
    """Bring in ``names`` of what is wanted without a word, and say in one line what came of it; empty where nothing lacks."""
    wanted = [package for name in names for package in (WANTED | WANTED_LONG)[name]]
    if not wanted:
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"system packages that are not here and cannot be installed by this user: {' '.join(wanted)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=1"]
    for step in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        try:
            done = subprocess.run(
                [*quiet, *step],
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"system packages not installed in {_SECONDS} s: {' '.join(wanted)}"
        if done.returncode and step[0] == "install":  # an update that fails may leave lists that suffice
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return f"system packages not installed: {' '.join(wanted)}" + (f" ({why[-1]})" if why else "")
    return f"system packages installed for the tests: {' '.join(wanted)}"


def main() -> int:
    if said := install(missing(WANTED | WANTED_LONG if "--long" in sys.argv else WANTED)):
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
