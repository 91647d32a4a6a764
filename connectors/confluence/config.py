"""The settings of a Confluence source, checked whole: a person gets every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit

from connectors.settings import DEFAULT_MAX_SIZE, SettingsError, flag, principals, size, unknown
from connectors.web.client import WebConfig
from connectors.web.login import KEYS as LOGIN_KEYS
from connectors.web.login import NOBODY, Login, no_public_login, parse_login
from connectors.web.origins import web_address
from connectors.web.settings import web_config

_EXAMPLE = "https://company.atlassian.net/wiki"
_SPACE = re.compile(r"~?[A-Za-z0-9._:@-]{1,255}")
_CLOUD_HOSTS = (".atlassian.net", ".jira.com", "api.atlassian.com")
_FILES_OF_CLOUD = "api.media.atlassian.com"


class Edition(StrEnum):
    """Which of Atlassian's two products is asked; their APIs differ."""

    CLOUD = "cloud"
    DATA_CENTER = "data-center"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfluenceConfig:
    """``base`` is the address that pages are read at, without a slash at its end (of the Cloud with ``/wiki``).
    ``spaces`` are keys; none of them means all but those of persons. ``max_size`` is in bytes."""

    name: str
    base: str
    edition: Edition
    web: WebConfig
    spaces: tuple[str, ...] = ()
    exclude_spaces: tuple[str, ...] = ()
    attachments: bool = True
    comments: bool = False
    max_size: int = DEFAULT_MAX_SIZE
    permissions: tuple[str, ...] = ()
    login: Login = NOBODY

    def left_out(self, space: str) -> str:
        """Why what is in this space is not read, as a sentence; empty when it is."""
        if space in self.exclude_spaces:
            return f"It is in the space {space}, which is left out (exclude_spaces)."
        if self.spaces and space not in self.spaces:
            return f"It is in the space {space}, which is none of those that are read (spaces)."
        if not self.spaces and space.startswith("~"):
            return f"It is in the space {space} of a person; name that in spaces to have it read."
        return ""


KEYS = (
    *("url", "edition", "spaces", "exclude_spaces", "attachments", "comments", "max_size", "permissions"),
    *LOGIN_KEYS,
    *("ca_file", "allow_http", "hosts", "allow_private", "rate"),
)


def parse_settings(name: str, settings: Mapping[str, object]) -> ConfluenceConfig:
    """The configuration, or ``SettingsError`` with every problem."""
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    url = web_address(settings, problems, example=_EXAMPLE)
    edition = _edition(settings.get("edition"), url, problems)
    base = _base(url, edition, problems)
    web = web_config(base, settings, problems, requests_s=10)
    config = ConfluenceConfig(
        name=name,
        base=base,
        edition=edition,
        web=replace(web, hosts=(*web.hosts, _FILES_OF_CLOUD)) if edition is Edition.CLOUD else web,
        spaces=_spaces("spaces", settings, problems),
        exclude_spaces=_spaces("exclude_spaces", settings, problems),
        attachments=flag("attachments", settings.get("attachments", True), problems),
        comments=flag("comments", settings.get("comments", False), problems),
        max_size=size("max_size", settings.get("max_size", DEFAULT_MAX_SIZE), problems),
        permissions=principals(settings.get("permissions", []), problems),
        login=parse_login(settings, problems, example="of the Cloud the account's e-mail address"),
    )
    if edition is Edition.CLOUD and config.login.token and not url.startswith("https://api.atlassian.com/"):
        problems.append("an API token of the Cloud is a password: give username (its e-mail address) and password_file")
    no_public_login(config.permissions, config.login, problems)
    if problems:
        raise SettingsError(name, problems)
    return config


def _edition(value: object, url: str, problems: list[str]) -> Edition:
    if value is None:
        host = urlsplit(url).hostname or ""
        return Edition.CLOUD if host.endswith(_CLOUD_HOSTS) else Edition.DATA_CENTER
    try:
        return Edition(str(value))
    except ValueError:
        problems.append('edition must be "cloud" or "data-center"')
        return Edition.DATA_CENTER


def _base(url: str, edition: Edition, problems: list[str]) -> str:
    """The wiki's address, of that or of one of its pages."""
    if not url:
        return "https://wiki.invalid"
    parts = urlsplit(url)
    if parts.query:
        problems.append(f"url must have no ?; give the address of the wiki, like {_EXAMPLE}")
    path = re.sub(r"/(?:rest|api|spaces|display|pages|x)(?:/.*)?$", "", parts.path).rstrip("/")
    if edition is Edition.CLOUD and not path.endswith("/wiki"):
        path += "/wiki"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _spaces(key: str, settings: Mapping[str, object], problems: list[str]) -> tuple[str, ...]:
    value = settings.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and _SPACE.fullmatch(one) for one in value):
        problems.append(f'{key} must be a list of the keys of spaces, like ["HR", "IT"]')
        return ()
    return tuple(value)
