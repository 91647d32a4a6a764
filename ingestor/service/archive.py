"""The file that a backup is: an uncompressed tar with the ledger's files and, at its end, a manifest.

Any tar reads it. The manifest comes last, so that an archive without one is a backup that never ended; it
names every file with its size and hash, so that one that was damaged is told before it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from ingestor import __version__
from ingestor.errors import IngestorError, UserError

MANIFEST = "manifest.json"
FORMAT = 1
_BLOCK = 1024 * 1024

Moved = Callable[[int], None]
"""Bytes moved just now; what it raises ends the work."""


class BackupDamaged(IngestorError):
    """The archive is not what was written."""


class Packed(BaseModel):
    """One file in the archive. ``hash`` is BLAKE2b-160, in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bytes: int
    hash: str
    schema_version: int


class Manifest(BaseModel):
    """What an archive holds; ``program`` is the version that wrote it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    program: str
    made_at: float
    files: tuple[Packed, ...]


def pack(files: Sequence[tuple[Path, int]], target: IO[bytes], moved: Moved = lambda _: None) -> Manifest:
    """Write the archive of ``files`` (path and schema) to ``target``; it is durable when this returns."""
    packed: list[Packed] = []
    with tarfile.TarFile(fileobj=target, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_BLOCK) as tar:
        for path, schema in files:
            with path.open("rb") as stream:
                reading = _Hashing(stream, moved)
                member = _member(path.name, path.stat().st_size)
                tar.addfile(member, reading)
            packed.append(Packed(name=path.name, bytes=member.size, hash=reading.hex(), schema_version=schema))
        manifest = Manifest(format=FORMAT, program=__version__, made_at=time.time(), files=tuple(packed))
        text = manifest.model_dump_json(indent=1).encode()
        tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
    target.flush()
    os.fsync(target.fileno())
    return manifest


def read_manifest(archive: Path) -> Manifest:
    """What it says of itself; nothing is compared with it. Raises ``UserError`` and ``BackupDamaged`` as ``unpack``
    does."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            return _read_manifest(archive, tar)[0]
    except tarfile.TarError as error:
        raise UserError(f"{archive} is no backup of ingestor: {error}.") from error


def unpack(archive: Path, into: Path, moved: Moved = lambda _: None) -> Manifest:
    """Write the files of ``archive`` into the folder ``into``, each compared with the manifest.

    Raises ``UserError`` for what is no backup, ``BackupDamaged`` for one that is not whole. Names and numbers
    in the archive are believed only as far as they are ours: nothing is written outside of ``into``."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            manifest, members = _read_manifest(archive, tar)
            for file in manifest.files:
                member = members.get(file.name)
                stream = tar.extractfile(member) if member is not None and member.isreg() else None
                if stream is None or not _is_ours(file.name):
                    raise BackupDamaged(f"The backup {archive} does not hold {file.name}.")
                reading = _Hashing(stream, moved)
                with create(into / file.name) as target:
                    while block := reading.read(_BLOCK):
                        target.write(block)
                    target.flush()
                    os.fsync(target.fileno())
                if (reading.count, reading.hex()) != (file.bytes, file.hash):
                    raise BackupDamaged(f"{file.name} in the backup {archive} is not as it was written.")
            return manifest
    except tarfile.TarError as error:
        raise UserError(f"{archive} is no backup of ingestor: {error}.") from error


def create(path: Path) -> BinaryIO:
    """A new file for content: for its owner alone, and never by way of a link."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb")


def _read_manifest(archive: Path, tar: tarfile.TarFile) -> tuple[Manifest, dict[str, tarfile.TarInfo]]:
    try:
        members = {member.name: member for member in tar.getmembers()}
    except tarfile.TarError as error:
        raise BackupDamaged(f"The backup {archive} is not whole: {error}.") from error
    last = members.get(MANIFEST)
    stream = tar.extractfile(last) if last is not None and last.isreg() else None
    if stream is None:
        raise BackupDamaged(f"{archive} has no manifest: it is no backup of ingestor, or one that never ended.")
    text = stream.read(_BLOCK)
    with contextlib.suppress(ValidationError):
        manifest = Manifest.model_validate_json(text)
        if manifest.format <= FORMAT:
            return manifest, members
    raise UserError(
        f"The manifest of {archive} is not one that this program knows.",
        hint="Use the newer version of ingestor that wrote it.",
    )


def _is_ours(name: str) -> bool:
    """A plain name of a database, without a folder."""
    return name.endswith(".sqlite3") and "/" not in name and not name.startswith(".")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    return member


class _Hashing:
    """A stream that hashes and counts what is read from it."""

    def __init__(self, stream: IO[bytes], moved: Moved) -> None:
        self._stream = stream
        self._moved = moved
        self._hash = hashlib.blake2b(digest_size=20)
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._hash.update(block)
        self.count += len(block)
        self._moved(len(block))
        return block

    def hex(self) -> str:
        return self._hash.hexdigest()
