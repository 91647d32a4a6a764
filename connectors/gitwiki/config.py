"""The settings of a git source, checked whole: a person gets every problem at once.

Secrets are named and never given: a file, a variable of the environment, or a credential of systemd.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

from connectors.gitwiki.links import NO_LINKS, PLACES, Links, Web, guess_web, links_of, page_root
from connectors.secrets import NO_SECRET, Secret, secret
from connectors.settings import DEFAULT_MAX_SIZE, MIB, SettingsError, flag, globs, principals, size, text, unknown

DEFAULT_MAX_REPOSITORY = 4096 * MIB

_SCP = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[A-Za-z0-9][\w.-]*):(?P<path>[^/\s-][^\s]*)")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:.]+")
_USER = re.compile(r"[A-Za-z0-9_][\w.-]*")
_BRANCH = re.compile(r"(?!/|-|.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[^\x00-\x20\x7f~^:?*\[\\]+")


class Transport(StrEnum):
    """How a repository is reached: what git's own allow-list is set to."""

    HTTPS = "https"
    HTTP = "http"
    """To this machine only."""
    SSH = "ssh"
    FILE = "file"


@dataclass(frozen=True, kw_only=True, slots=True)
class GitConfig:
    """One branch of one repository, or a folder of it.

    ``url`` is normalised and holds no secret. An empty ``branch`` is the repository's own choice. ``folder`` has
    no slash at its ends. ``max_size`` (of a file) and ``max_repository`` (of what one fetch brings) are in bytes.
    """

    name: str
    url: str
    transport: Transport
    branch: str = ""
    folder: str = ""
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    max_size: int = DEFAULT_MAX_SIZE
    max_repository: int = DEFAULT_MAX_REPOSITORY
    permissions: tuple[str, ...] = ()
    username: str = "git"
    token: Secret = NO_SECRET
    ssh_key: Secret = NO_SECRET
    known_hosts_file: str = ""
    ca_file: str = ""
    links: Links = NO_LINKS


KEYS = (
    *("url", "branch", "folder", "include", "exclude", "hidden", "max_size", "max_repository", "permissions"),
    *("username", "token_file", "token_env", "token_credential", "ssh_key_file", "ssh_key_credential"),
    *("known_hosts_file", "ca_file", "web", "link"),
)


def parse_settings(name: str, settings: Mapping[str, object]) -> GitConfig:
    """The configuration, or ``SettingsError`` with every problem."""
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    url, transport = _url(settings.get("url"), problems)
    token = secret("token", settings, problems)
    ssh_key = secret("ssh_key", settings, problems, kinds=("file", "credential"))
    known_hosts = text("known_hosts_file", settings, problems)
    config = GitConfig(
        name=name,
        url=url,
        transport=transport,
        branch=_branch(settings, problems),
        folder=_folder(settings, problems),
        include=globs("include", settings.get("include", ["**/*"]), problems),
        exclude=globs("exclude", settings.get("exclude", []), problems),
        hidden=flag("hidden", settings.get("hidden", False), problems),
        max_size=size("max_size", settings.get("max_size", DEFAULT_MAX_SIZE), problems),
        max_repository=size("max_repository", settings.get("max_repository", DEFAULT_MAX_REPOSITORY), problems),
        permissions=principals(settings.get("permissions", []), problems),
        username=_username(settings, problems),
        token=token,
        ssh_key=ssh_key,
        known_hosts_file=known_hosts,
        ca_file=text("ca_file", settings, problems),
        links=_links(settings, url, problems),
    )
    if "include" in settings and not config.include and not problems:
        problems.append("include is empty, so nothing would be read")
    if url:
        _fits(transport, config, problems)
    if problems:
        raise SettingsError(name, problems)
    return config


def _url(value: object, problems: list[str]) -> tuple[str, Transport]:
    """The address without anything secret, and its transport. An address like ``git@host:path`` becomes ssh."""
    nothing = "", Transport.FILE
    if value is None:
        problems.append("url is missing: give the address that one would clone from")
        return nothing
    if not isinstance(value, str) or not value or any(c.isspace() or ord(c) < 32 for c in value):
        problems.append("url must be the address of a repository")
        return nothing
    if value.startswith("/"):
        return "file://" + quote(value, safe="/%"), Transport.FILE
    if "://" not in value and (scp := _SCP.fullmatch(value)):
        user = f"{scp['user']}@" if scp["user"] else ""
        return f"ssh://{user}{scp['host']}/{scp['path']}", Transport.SSH
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        problems.append(f"url is no address: {value.rpartition('@')[2]!r}")
        return nothing
    if parts.scheme not in set(Transport):
        problems.append("url must begin with https://, ssh:// or file://, or have the form git@host:path")
        return nothing
    transport = Transport(parts.scheme)
    if parts.password is not None or (parts.username and transport is not Transport.SSH):
        problems.append("url must hold no password or token; name the file that holds it in token_file")
    elif parts.query or parts.fragment:
        problems.append("url must have neither ? nor #")
    elif transport is Transport.FILE:
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            problems.append("a file url must be absolute, like file:///srv/git/wiki.git")
    elif not parts.hostname or not _HOST.fullmatch(parts.hostname):
        problems.append("url has no host that could be asked")
    elif parts.username and not _USER.fullmatch(parts.username):
        problems.append("url has a user name that cannot be one")
    elif transport is Transport.HTTP and not _is_here(parts.hostname):
        problems.append(
            "url must begin with https://: by http:// what is fetched, and the token, could be read on the way"
        )
    return value, transport


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fits(transport: Transport, config: GitConfig, problems: list[str]) -> None:
    """Whether what proves who we are, and who the server is, goes with the transport."""
    web = transport in {Transport.HTTPS, Transport.HTTP}
    if config.token and not web:
        problems.append("a token is for https:// only; ssh takes ssh_key_file")
    if config.ca_file and transport is not Transport.HTTPS:
        problems.append("ca_file is for https:// only")
    if transport is Transport.SSH:
        if not config.ssh_key:
            problems.append("ssh needs ssh_key_file, the private key to log in with")
        if not config.known_hosts_file:
            problems.append(
                "ssh needs known_hosts_file, with the server's key as its owner gives it (ssh-keyscan HOST shows one)"
            )
    elif config.ssh_key or config.known_hosts_file:
        problems.append("ssh_key_file and known_hosts_file are for ssh only")


def _branch(settings: Mapping[str, object], problems: list[str]) -> str:
    branch = text("branch", settings, problems)
    if branch and not _BRANCH.fullmatch(branch):
        problems.append(f"branch cannot be called {branch!r}")
    return branch


def _folder(settings: Mapping[str, object], problems: list[str]) -> str:
    folder = text("folder", settings, problems).strip("/")
    if folder and any(part in {"", ".", ".."} for part in folder.split("/")):
        problems.append('folder must be the path of a folder inside the repository, like "docs"')
    return folder


def _username(settings: Mapping[str, object], problems: list[str]) -> str:
    name = settings.get("username", "git")
    if not isinstance(name, str) or not re.fullmatch(r"[^\s:]+", name):
        problems.append("username must be a name without spaces and colons")
        return ""
    return name


def _links(settings: Mapping[str, object], url: str, problems: list[str]) -> Links:
    """Where a person reads a page: as ``link`` says, else as ``web`` says or the host's name suggests."""
    link, web = text("link", settings, problems), text("web", settings, problems)
    if web and web not in set(Web):
        problems.append(f"web must be one of {', '.join(one.value for one in Web)}")
        web = ""
    if link:
        left = re.findall(r"\{([^{}]*)\}", link)
        wrong = [place for place in left if place not in PLACES]
        problems.extend(f"link: {{{place}}} stands for nothing; there are {', '.join(PLACES)}" for place in wrong)
        if not re.match(r"https?://[^/@\s]+(?:/|$)", link) or "#" in link:
            problems.append("link must be an address like https://wiki.example/{page}, without #")
        if not left:
            problems.append("link needs {path}, {page} or {name}: without it every page has the same address")
        return Links(template=link, pinned=link if "{commit}" in link else "")
    root = page_root(url)
    kind = Web(web) if web else guess_web(url)
    if web and kind is not Web.NONE and not root:
        problems.append("web needs a url with a host; for others write link")
    return links_of(kind, root, url)
