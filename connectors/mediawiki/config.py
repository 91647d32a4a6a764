"""The settings of a MediaWiki source, checked whole: a person gets every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from connectors.settings import DEFAULT_MAX_SIZE, SettingsError, flag, principals, size, unknown
from connectors.web.client import WebConfig
from connectors.web.login import KEYS as LOGIN_KEYS
from connectors.web.login import NOBODY, Login, parse_login
from connectors.web.origins import web_address
from connectors.web.settings import web_config

Namespace = int | str
"""By its number, or by a name that the wiki knows it by."""

_EXAMPLE = "https://wiki.example/w/api.php"


@dataclass(frozen=True, kw_only=True, slots=True)
class WikiConfig:
    """``api`` is the address of ``api.php``. Empty ``namespaces`` are those that hold pages for readers. A user name
    with an ``@`` is that of a bot password, any other that of an account. ``max_size`` (of a file, or of a page as it
    is shown) is in bytes, ``maxlag`` in seconds."""

    name: str
    api: str
    web: WebConfig
    namespaces: tuple[Namespace, ...] = ()
    exclude_namespaces: tuple[Namespace, ...] = ()
    talk: bool = False
    files: bool = True
    max_size: int = DEFAULT_MAX_SIZE
    permissions: tuple[str, ...] = ()
    login: Login = NOBODY
    maxlag: int = 5


KEYS = (
    *("url", "namespaces", "exclude_namespaces", "talk", "files", "max_size", "permissions"),
    *LOGIN_KEYS,
    *("ca_file", "allow_http", "hosts", "allow_private", "rate", "maxlag"),
)


def parse_settings(name: str, settings: Mapping[str, object]) -> WikiConfig:
    """The configuration, or ``SettingsError`` with every problem."""
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    api = _api(web_address(settings, problems, example=_EXAMPLE), problems)
    config = WikiConfig(
        name=name,
        api=api,
        web=web_config(api, settings, problems),
        namespaces=_namespaces("namespaces", settings, problems),
        exclude_namespaces=_namespaces("exclude_namespaces", settings, problems),
        talk=flag("talk", settings.get("talk", False), problems),
        files=flag("files", settings.get("files", True), problems),
        max_size=size("max_size", settings.get("max_size", DEFAULT_MAX_SIZE), problems),
        permissions=principals(settings.get("permissions", []), problems),
        login=parse_login(settings, problems, example='that of a bot password looks like "Name@bot"'),
        maxlag=_maxlag(settings.get("maxlag", 5), problems),
    )
    if problems:
        raise SettingsError(name, problems)
    return config


def _api(url: str, problems: list[str]) -> str:
    """The address of ``api.php``, of that or of the folder it is in."""
    if not url:
        return "https://wiki.invalid/api.php"
    parts = urlsplit(url)
    if parts.query:
        problems.append(f"url must have no ?; give the address of api.php, like {_EXAMPLE}")
    folder = re.sub(r"/(?:api|index)\.php$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{folder}/api.php"


def _namespaces(key: str, settings: Mapping[str, object], problems: list[str]) -> tuple[Namespace, ...]:
    value = settings.get(key, [])
    fine = isinstance(value, list | tuple) and all(
        isinstance(one, str) or (isinstance(one, int) and not isinstance(one, bool) and one >= 0) for one in value
    )
    if not fine or not isinstance(value, list | tuple):
        problems.append(f'{key} must be a list of names or numbers, like ["", "Help", 100]; "" is that of articles')
        return ()
    return tuple(value)


def _maxlag(value: object, problems: list[str]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    problems.append("maxlag must be a number of seconds; 0 does not ask the wiki whether it lags")
    return 0
