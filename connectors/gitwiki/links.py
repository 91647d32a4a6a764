"""Where a person reads a page of a repository: the addresses of GitHub, GitLab and Gitea. Pure.

A wiki's page is shown under its name, a file of any other repository under its path on the branch.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote_from_bytes, urlsplit

PLACES = ("path", "page", "name", "branch", "commit")
"""What a template may hold: the file's path, the path without its ending, the file's name without it, the
branch, the commit that was read."""

_PAGES = (".md", ".markdown", ".mdown", ".mkd", ".mkdn", ".rst", ".rest", ".org", ".adoc", ".asciidoc", ".asc")
_PAGES_TOO = (".textile", ".rdoc", ".creole", ".mediawiki", ".wiki", ".pod", ".txt")
_ENDINGS = frozenset({*_PAGES, *_PAGES_TOO})


class Web(StrEnum):
    """Which front end shows the repository."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    """Also Forgejo and Codeberg."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """``template`` is for pages; ``other``, where it is set, for files that are no pages of a wiki. ``pinned`` shows
    either as it was in one commit; empty where the front end cannot."""

    template: str = ""
    other: str = ""
    pinned: str = ""

    @property
    def of_commit(self) -> bool:
        """Whether addresses change with every commit."""
        return "{commit}" in self.template + self.other

    def url(self, path: bytes, *, branch: str, commit: str) -> str:
        """The address of a file; empty where there is no front end."""
        template = self.template if _is_page(path) or not self.other else self.other
        return _filled(template, path, branch=branch, commit=commit)

    def pinned_url(self, path: bytes, *, branch: str, commit: str) -> str:
        """The address of a file as it is in that commit; empty where there is none."""
        if self.other and not _is_page(path):
            return ""  # what belongs to a wiki's pages is shown as it is now
        return _filled(self.pinned, path, branch=branch, commit=commit)


def _is_page(path: bytes) -> bool:
    return posixpath.splitext(path)[1].lower().decode("latin-1") in _ENDINGS


def _filled(template: str, path: bytes, *, branch: str, commit: str) -> str:
    page = posixpath.splitext(path)[0] if _is_page(path) else path
    values = {
        "path": _quoted(path),
        "page": _quoted(page),
        "name": _quoted(posixpath.basename(page)),
        "branch": _quoted(branch.encode("utf-8", "surrogateescape")),
        "commit": commit,
    }
    return re.sub(r"\{(\w+)\}", lambda place: values[place[1]], template)


NO_LINKS = Links()


def page_root(url: str) -> str:
    """The address of the project's pages, guessed from that of its repository; empty where it has no host."""
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http", "ssh"} or not parts.hostname:
        return ""
    scheme = "http" if parts.scheme == "http" else "https"
    port = f":{parts.port}" if parts.port and parts.scheme != "ssh" else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = re.sub(r"(?:\.wiki)?(?:\.git)?/*$", "", parts.path.strip("/"))
    return f"{scheme}://{host}{port}/{path}"


def guess_web(url: str) -> Web:
    """What the host's name says of its front end."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "github.com" or host.startswith("github."):
        return Web.GITHUB
    if "gitlab" in host:
        return Web.GITLAB
    if "gitea" in host or "forgejo" in host or host == "codeberg.org":
        return Web.GITEA
    return Web.NONE


def links_of(web: Web, root: str, url: str) -> Links:
    """The templates of a front end for a wiki or any other repository."""
    wiki = re.search(r"\.wiki(?:\.git)?/*$", url) is not None
    match web:
        case Web.GITHUB if wiki:
            # GitHub shows a wiki's pages by their names alone, whatever folder they lie in.
            return Links(
                template=f"{root}/wiki/{{name}}",
                other=f"{root}/wiki/{{path}}",
                pinned=f"{root}/wiki/{{name}}/{{commit}}",
            )
        case Web.GITHUB:
            return Links(template=f"{root}/blob/{{branch}}/{{path}}", pinned=f"{root}/blob/{{commit}}/{{path}}")
        case Web.GITLAB if wiki:
            return Links(template=f"{root}/-/wikis/{{page}}", pinned=f"{root}/-/wikis/{{page}}?version_id={{commit}}")
        case Web.GITLAB:
            return Links(template=f"{root}/-/blob/{{branch}}/{{path}}", pinned=f"{root}/-/blob/{{commit}}/{{path}}")
        case Web.GITEA if wiki:
            return Links(template=f"{root}/wiki/{{page}}", other=f"{root}/wiki/raw/{{path}}")
        case Web.GITEA:
            return Links(
                template=f"{root}/src/branch/{{branch}}/{{path}}", pinned=f"{root}/src/commit/{{commit}}/{{path}}"
            )
        case _:
            return NO_LINKS


def _quoted(path: bytes) -> str:
    return quote_from_bytes(path, safe="/")
