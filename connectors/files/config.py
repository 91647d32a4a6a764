"""The settings of a folder source, checked whole: a person gets every problem at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024
DEFAULT_MAX_SIZE = 100 * MIB

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_PRINCIPAL = re.compile(r"public|(?:user|group):[^\s,:][^,:\n]*")


class SettingsError(ValueError):
    """What is wrong with a source's settings: ``problems`` are whole sentences without their source."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f'source "{name}": ' + "; ".join(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesConfig:
    """One folder. ``include`` and ``exclude`` are lists of gitignore lines; ``max_size`` is in bytes.

    ``permissions`` is "posix" (the files' own bits decide) or the principals who may read everything.
    ``ignore_files`` says whether ``.ingestignore`` files are heeded. ``marker`` names a file below the
    root that an administrator placed: without it the folder is not the one that was meant (R5).
    """

    name: str
    path: str
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    max_size: int = DEFAULT_MAX_SIZE
    permissions: Literal["posix"] | tuple[str, ...] = "posix"
    ignore_files: bool = True
    marker: str = ""


KEYS = ("path", "include", "exclude", "hidden", "max_size", "permissions", "ignore_files", "marker")


def parse_settings(name: str, settings: Mapping[str, object]) -> FilesConfig:
    """The configuration, or ``SettingsError`` with every problem."""
    problems = [_unknown(key) for key in settings if key not in KEYS]
    defaults = FilesConfig(name=name, path="")
    config = FilesConfig(
        name=name,
        path=_path(settings.get("path"), problems),
        include=_globs("include", settings.get("include", list(defaults.include)), problems),
        exclude=_globs("exclude", settings.get("exclude", []), problems),
        hidden=_flag("hidden", settings.get("hidden", defaults.hidden), problems),
        max_size=_size(settings.get("max_size", defaults.max_size), problems),
        permissions=_permissions(settings.get("permissions", defaults.permissions), problems),
        ignore_files=_flag("ignore_files", settings.get("ignore_files", defaults.ignore_files), problems),
        marker=_marker(settings.get("marker", defaults.marker), problems),
    )
    if "include" in settings and not config.include and not problems:
        problems.append("include is empty, so nothing would be read")
    if problems:
        raise SettingsError(name, problems)
    return config


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, KEYS, n=1)
    return f"{key} is not a known key" + (f'; did you mean "{near[0]}"?' if near else "")


def _path(value: object, problems: list[str]) -> str:
    if value is None:
        problems.append("path is missing: name the folder to read")
    elif not isinstance(value, str) or not value or "\0" in value:
        problems.append("path must be the name of a folder")
    elif not value.startswith("/"):
        problems.append(f"path must be absolute, not {value!r}")
    else:
        return value.rstrip("/") or "/"
    return ""


def _globs(key: str, value: object, problems: list[str]) -> tuple[str, ...]:
    from connectors.files.rules import compile_line

    if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
        problems.append(f'{key} must be a list of patterns, like ["**/*.md"]')
        return ()
    bad = [line for line in value if compile_line(line) is None]
    problems.extend(f"{key} has a pattern that cannot match anything: {line!r}" for line in bad)
    return tuple(value)


def _flag(key: str, value: object, problems: list[str]) -> bool:
    if not isinstance(value, bool):
        problems.append(f"{key} must be true or false")
        return False
    return value


def _size(value: object, problems: list[str]) -> int:
    """Bytes of a number or of a text like "20 MB" (thousands) or "20 MiB" (1,024)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number, unit, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** _POWER[unit.upper()])
        if size > 0:
            return size
    problems.append(f'max_size must be a number of bytes or a size like "20 MB", not {value!r}')
    return 0


def _permissions(value: object, problems: list[str]) -> Literal["posix"] | tuple[str, ...]:
    if value == "posix":
        return "posix"
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        bad = [one for one in value if not _PRINCIPAL.fullmatch(one)]
        problems.extend(f"permissions: {one!r} is not public, user:NAME or group:NAME" for one in bad)
        return tuple(value)
    problems.append('permissions must be "posix" or a list like ["group:staff"]')
    return ()


def _marker(value: object, problems: list[str]) -> str:
    if not isinstance(value, str) or value.startswith("/") or "\0" in value or ".." in value.split("/"):
        problems.append("marker must be the name of a file below path")
        return ""
    return value
