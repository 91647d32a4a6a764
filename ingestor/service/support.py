"""The support bundle: what somebody who cannot look at the machine has to know of it, in one archive."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import platform
import re
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from connectors.errors import ConnectorError
from ingestor import __version__, wire_reading
from ingestor.config import Config
from ingestor.errors import IngestorError, UserError
from ingestor.service.archive import create
from ingestor.service.redaction import Redactor

_ABOUT = """\
What `ingestor support-bundle` collects: versions, configuration, status, doctor, health and metrics of the service, the
last runs, what is set aside and why, what sources cost, and the sizes and schemas of the state folder.
Secrets are never in it, nor is text of a document.
{names}
"""
_HASHED = "Names are hashes, each the same all over this bundle; of sentences only the program's own words are left."
_NAMED = "Names of sources, paths and documents are as they are, because that was asked for."

_NAMES = frozenset({"model", "url", "collection", "backup_folder"})  # keys of the configuration that hold names

_OURS = re.compile(
    r"(ledger|vectors-[0-9a-f]{16})\.(sqlite3(-wal|-shm)?|damaged)|chroma|cache|parsing|backups|lock|socket"
    r"|(before-upgrade|upgrade-under-way)\.tar"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A file of the bundle. What is text goes into it as it is, the rest as JSON. ``plain``: nothing of anybody's is in
    it, so nothing is taken out."""

    collect: Callable[[], object]
    plain: bool = False


def write(target: Path, parts: Mapping[str, Part], redactor: Redactor, *, named: bool, overwrite: bool) -> None:
    """Collect the parts and write each, redacted, as a file of its name. A part that cannot be collected says why. For
    its owner alone; whole or not there."""
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already.", hint="Name another file, or overwrite it with --force.")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with (
            create(partial) as stream,
            gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
            tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add(tar, "about.txt", _ABOUT.format(names=_NAMED if named else _HASHED))
            for name, part in parts.items():
                _add(tar, name, _told(part, redactor))
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.", hint="Name another file.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _told(part: Part, redactor: Redactor) -> str:
    try:
        found, plain = part.collect(), part.plain
    except (IngestorError, ConnectorError, OSError) as error:
        found, plain = {"error": str(error)}, False
    if isinstance(found, str):
        return redactor.metrics(found)
    return json.dumps(found if plain else redactor.value(found), indent=1, ensure_ascii=False) + "\n"


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode("utf-8", "replace")
    member = tarfile.TarInfo(f"ingestor-support/{name}")
    member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
    tar.addfile(member, io.BytesIO(content))


def machine() -> dict[str, object]:
    """Versions and sizes; neither the machine's name nor its user's."""
    return {
        "ingestor": __version__,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "system": _system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "packages": {name: _version(name) for name in _required()},
    }


def configuration(config: Config, redactor: Redactor) -> dict[str, object]:
    """What is configured: figures and choices as they are, names as hashes but for those of the program, and of what
    connectors are told only whether it is there."""
    usual = Config().sections()
    return {
        "sections": {
            section: {
                key: redactor.name(str(value)) if key in _NAMES and value != usual[section][key] else value
                for key, value in values.items()
            }
            for section, values in config.sections().items()
        },
        "sources": [
            {
                "source": redactor.name(source.name),
                "kind": source.kind,
                "schedule": source.cron or f"{source.interval_s:g}s",
                "quiet": source.quiet,
                "settings": {key: _setting(value) for key, value in source.settings.items()},
            }
            for source in config.sources
        ],
    }


def state_folder(facts: wire_reading.StateFacts, redactor: Redactor) -> dict[str, object]:
    """Schemas, rows and sizes; a file that somebody put there has no name here either."""
    return {
        "schemas": facts.schemas,
        "rows": facts.rows,
        "bytes": {
            name if _OURS.fullmatch(name) else redactor.name(name): size for name, size in sorted(facts.sizes.items())
        },
        "free": facts.free,
    }


def _setting(value: object) -> object:
    """Of what a connector is told only what tells nobody anything: whether, how many."""
    if isinstance(value, bool | int | float):
        return value
    return {"entries": len(value)} if isinstance(value, list | dict) else "set"


def _required() -> list[str]:
    names = [re.match(r"[\w.-]+", one) for one in requires("ingestor") or () if "extra ==" not in one]
    return sorted(name.group() for name in names if name)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _system() -> str:
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{facts.get('ID', '')} {facts.get('VERSION_ID', '')}".strip()
