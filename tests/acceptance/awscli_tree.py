"""A real documentation tree: 520 examples of nine services out of the awscli package (Apache-2.0).

Fetched once from the package index into ``.cache/`` and checked against the digest below.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

VERSION = "1.44.0"
SHA256 = "8b2e44ade964a3e52dd426aa7b1ac2e34cb173f093004023b95df23957e8063a"
SERVICES = (
    *("apigateway", "chime", "cloudformation", "glacier", "iotwireless"),
    *("s3api", "servicecatalog", "sns", "workmail"),
)
FILES = 520

_CACHE = Path(__file__).parents[2] / ".cache"
_INSIDE = "awscli/examples/"


def unpack(into: Path, services: Iterable[str] = SERVICES) -> int:
    """Write the examples of ``services`` below ``into``, a folder each; the number of files."""
    chosen, count = set(services), 0
    with zipfile.ZipFile(wheel()) as archive:
        for entry in archive.infolist():
            below = entry.filename.removeprefix(_INSIDE)
            service, slash, _ = below.partition("/")
            if below == entry.filename or not slash or service not in chosen or not below.endswith(".rst"):
                continue
            path = into / below
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))
            count += 1
    return count


def wheel() -> Path:
    """The package's file, fetched when it is not there yet."""
    path = _CACHE / f"awscli-{VERSION}-py3-none-any.whl"
    if not path.exists():
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch]
            subprocess.run([*command, f"awscli=={VERSION}"], check=True)
            (Path(scratch) / path.name).replace(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise AssertionError(f"{path} is not the file that the tests were written for: {digest}")
    return path
