"""The settings of a DokuWiki source, checked whole: a person gets every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from connectors.settings import DEFAULT_MAX_SIZE, SettingsError, flag, principals, size, unknown
from connectors.web.client import WebConfig
from connectors.web.login import KEYS as LOGIN_KEYS
from connectors.web.login import NOBODY, Login, no_public_login, parse_login
from connectors.web.origins import web_address
from connectors.web.settings import web_config

_EXAMPLE = "https://wiki.example/dokuwiki"
_NAMESPACE = re.compile(r"[^\s:/;#?&]+(?::[^\s:/;#?&]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class DokuConfig:
    """``base`` is the address of the wiki's folder, without a slash at its end. ``namespaces`` are read with those in
    them, none of them means all. ``max_size`` (of a file, or of a page as it is shown) is in bytes."""

    name: str
    base: str
    web: WebConfig
    namespaces: tuple[str, ...] = ()
    exclude_namespaces: tuple[str, ...] = ()
    files: bool = True
    max_size: int = DEFAULT_MAX_SIZE
    permissions: tuple[str, ...] = ()
    login: Login = NOBODY

    def left_out(self, name: str) -> str:
        """Why a page or file of this name is not read, as a sentence; empty when it is."""
        if self.namespaces and not any(_lies_in(name, space) for space in self.namespaces):
            return f'"{name}" is in none of the namespaces that are read (namespaces).'
        found = next((space for space in self.exclude_namespaces if _lies_in(name, space)), "")
        return f'"{name}" is in {found}, which is left out (exclude_namespaces).' if found else ""


KEYS = (
    *("url", "namespaces", "exclude_namespaces", "files", "max_size", "permissions"),
    *LOGIN_KEYS,
    *("ca_file", "allow_http", "rate"),
)


def parse_settings(name: str, settings: Mapping[str, object]) -> DokuConfig:
    """The configuration, or ``SettingsError`` with every problem."""
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    base = _base(web_address(settings, problems, example=_EXAMPLE), problems)
    config = DokuConfig(
        name=name,
        base=base,
        web=web_config(base, settings, problems),
        namespaces=_namespaces("namespaces", settings, problems),
        exclude_namespaces=_namespaces("exclude_namespaces", settings, problems),
        files=flag("files", settings.get("files", True), problems),
        max_size=size("max_size", settings.get("max_size", DEFAULT_MAX_SIZE), problems),
        permissions=principals(settings.get("permissions", []), problems),
        login=parse_login(settings, problems, example="the account's name in the wiki"),
    )
    no_public_login(config.permissions, config.login, problems)
    if problems:
        raise SettingsError(name, problems)
    return config


def _base(url: str, problems: list[str]) -> str:
    """The wiki's folder, of its address or of that of one of its programs."""
    if not url:
        return "https://wiki.invalid"
    parts = urlsplit(url)
    if parts.query:
        problems.append(f"url must have no ?; give the address of the wiki, like {_EXAMPLE}")
    folder = re.sub(r"/(?:doku|index|feed|lib/exe/[a-z]+)\.php$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{folder}"


def _namespaces(key: str, settings: Mapping[str, object], problems: list[str]) -> tuple[str, ...]:
    value = settings.get(key, [])
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and _NAMESPACE.fullmatch(one.strip(":")) for one in value
    ):
        problems.append(f'{key} must be a list of namespaces, like ["handbook", "it:network"]')
        return ()
    return tuple(one.strip(":").lower() for one in value)


def _lies_in(name: str, space: str) -> bool:
    return name.startswith(f"{space}:")
