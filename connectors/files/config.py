"""The settings of a folder source, checked whole: a person gets every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from connectors.settings import DEFAULT_MAX_SIZE, SettingsError, flag, globs, principals, size, unknown


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
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    defaults = FilesConfig(name=name, path="")
    config = FilesConfig(
        name=name,
        path=_path(settings.get("path"), problems),
        include=globs("include", settings.get("include", list(defaults.include)), problems),
        exclude=globs("exclude", settings.get("exclude", []), problems),
        hidden=flag("hidden", settings.get("hidden", defaults.hidden), problems),
        max_size=size("max_size", settings.get("max_size", defaults.max_size), problems),
        permissions=_permissions(settings.get("permissions", defaults.permissions), problems),
        ignore_files=flag("ignore_files", settings.get("ignore_files", defaults.ignore_files), problems),
        marker=_marker(settings.get("marker", defaults.marker), problems),
    )
    if "include" in settings and not config.include and not problems:
        problems.append("include is empty, so nothing would be read")
    if problems:
        raise SettingsError(name, problems)
    return config


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


def _permissions(value: object, problems: list[str]) -> Literal["posix"] | tuple[str, ...]:
    return "posix" if value == "posix" else principals(value, problems, otherwise='"posix" or ')


def _marker(value: object, problems: list[str]) -> str:
    if not isinstance(value, str) or value.startswith("/") or "\0" in value or ".." in value.split("/"):
        problems.append("marker must be the name of a file below path")
        return ""
    return value
