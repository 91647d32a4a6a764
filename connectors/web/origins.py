"""Whose address is whose: the source's own origin, hosts that were allowed beside it, strangers. Pure, but for
asking names."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:.]+")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host, port: what is equal is one origin. Raises ``ValueError`` of what is no web address."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("no address of the web")
    return parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme]


def is_here(host: str) -> bool:
    """Whether it names this machine by itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def leads_inside(host: str, port: int) -> bool:
    """Whether any address that the name stands for is not one of the public internet. A name that nobody knows
    leads nowhere: the request itself tells of it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_global for *_, place in found)


# -- settings --------------------------------------------------------------------------------------


def web_address(settings: Mapping[str, object], problems: list[str], *, example: str) -> str:
    """The key ``url``: an address that holds no secret, by https unless ``allow_http`` is set or it is this machine."""
    value = settings.get("url")
    if value is None:
        problems.append(f"url is missing: give the wiki's address, like {example}")
        return ""
    parts = _parts(value)
    if parts is None or not isinstance(value, str):
        problems.append(f"url must be an address like {example}")
        return ""
    if parts.username is not None or parts.password is not None:
        problems.append("url must hold no user name or password")
    elif parts.fragment:
        problems.append("url must have no #")
    elif parts.scheme == "http" and not is_here(parts.hostname or "") and settings.get("allow_http") is not True:
        problems.append(
            "url must begin with https://: by http:// what is read, and the login, could be read and changed on the"
            " way; allow_http = true takes it nevertheless"
        )
    return value


def other_hosts(settings: Mapping[str, object], problems: list[str]) -> tuple[str, ...]:
    """The key ``hosts``: names of hosts, without scheme or port."""
    value = settings.get("hosts", [])
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and _HOST.fullmatch(one) for one in value):
        problems.append('hosts must be a list of names of hosts, like ["files.example"]')
        return ()
    return tuple(one.lower() for one in value)


def _parts(value: object) -> SplitResult | None:
    if not isinstance(value, str) or any(c.isspace() or ord(c) < 32 for c in value):
        return None
    try:
        parts = urlsplit(value)
        origin(value)
    except ValueError:
        return None
    return parts if _HOST.fullmatch(parts.hostname or "") else None
