"""What the older API shows of contents, spaces and users, property by property as ``expand`` asks.

https://developer.atlassian.com/server/confluence/expansions-in-the-rest-api/ and the models of
https://developer.atlassian.com/cloud/confluence/rest/v1/api-group-content/ (cloud) and
https://developer.atlassian.com/server/confluence/rest/v1000/api-group-content-resource/ (data center).
The rendered forms of a body (``view`` and its like) are the stored one: no macro is run here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tests.support.confluence_routes import Question, moment, name_of
from tests.support.confluence_values import Content, Kind, Space, User, Version

Tree = dict[str, "Tree"]
DEFAULT = "history,space,version"
_LABELS_MOST = 200
_BODIES = ("storage", "view", "export_view", "styled_view", "editor", "editor2")
_PROPERTIES = ("ancestors", "body", "children", "container", "history", "metadata", "restrictions", "space", "version")


def tree(expand: str) -> Tree:
    """``a.b,c`` as branches."""
    found: Tree = {}
    for path in expand.split(","):
        step = found
        for part in path.strip().split(".") if path.strip() else ():
            step = step.setdefault(part, {})
    return found


def expansions(question: Question, otherwise: str = DEFAULT) -> Tree:
    return tree(",".join(question.fields["expand"]) if "expand" in question.fields else otherwise)


def system_limit(expand: Tree) -> int:
    """https://support.atlassian.com/confluence/kb/searching-for-content-with-the-rest-api-and-cql-always-limits-results-to-50/
    ("limits hardcoded in the backend"): 50 with bodies, 200 with other expansions, 1000 without any."""
    return 50 if "body" in expand else 200 if expand else 1000


def content(question: Question, one: Content, expand: Tree, *, version: Version | None = None) -> dict[str, Any]:
    wiki, site = question.wiki, question.site
    last = version or one.last
    name = name_of(one)
    found: dict[str, Any] = {
        "id": name,
        "type": one.kind.value,
        "status": "historical" if version and version is not one.last else one.status.value,
        "title": last.title,
        "extensions": {"position": "none"} if one.kind is Kind.PAGE else {},
        "_expandable": {prop: "" for prop in _PROPERTIES if prop not in expand},
        "_links": {
            "self": f"{wiki.url}/rest/api/content/{name}",
            "webui": web_link(question, one),
            "tinyui": f"/x/{one.content_id:x}",
        },
    }
    if one.kind is Kind.ATTACHMENT:
        size = len(last.data or b"")
        found["metadata"] = {"mediaType": last.media_type, "comment": last.message}
        found["extensions"] = {"mediaType": last.media_type, "fileSize": size, "comment": last.message}
        found["_links"]["download"] = download_link(one, last)
    if one.kind is Kind.COMMENT:
        found["extensions"] = {"location": "inline" if one.inline else "footer"}
    if "space" in expand:
        found["space"] = space(question, site.spaces[one.space])
    if "version" in expand:
        found["version"] = shown_version(question, last)
    if "history" in expand:
        found["history"] = history(question, one)
    if "ancestors" in expand:
        above = site.above(one) if one.kind is Kind.PAGE else []
        found["ancestors"] = [content(question, up, {}) for up in above if site.may_read(question.user, up)]
    if "container" in expand and one.kind in {Kind.ATTACHMENT, Kind.COMMENT}:
        found["container"] = content(question, site.contents[one.parent or 0], {})
    elif "container" in expand:
        found["container"] = space(question, site.spaces[one.space])
    if "body" in expand:
        found["body"] = {
            form: {"value": last.body, "representation": form} for form in _BODIES if form in expand["body"]
        }
    if "metadata" in expand:
        found["metadata"] = {**found.get("metadata", {}), **_metadata(question, one, expand["metadata"])}
    if "restrictions" in expand:
        found["restrictions"] = restrictions(question, one, expand["restrictions"])
    if "children" in expand:
        found["children"] = _children(question, one, expand["children"])
    return found


def space(question: Question, one: Space) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": one.space_id,
        "key": one.key,
        "name": one.name,
        "type": one.kind,
        "status": one.status,
        "_expandable": {"description": "", "homepage": "", "icon": "", "metadata": ""},
        "_links": {
            "self": f"{question.wiki.url}/rest/api/space/{one.key}",
            "webui": f"/spaces/{one.key}" if question.wiki.cloud else f"/display/{one.key}",
        },
    }
    return found


def person(question: Question, user: User | None) -> dict[str, Any]:
    """In the cloud without a user name, in a data center without an account id. None is who did not log in."""
    if user is None:
        return {"type": "anonymous", "displayName": "Anonymous"}
    if question.wiki.cloud:
        return {
            "type": "known",
            "accountId": user.key,
            "accountType": "atlassian",
            "email": "",
            "publicName": user.name,
            "displayName": user.name,
        }
    return {"type": "known", "username": user.email.partition("@")[0], "userKey": user.key, "displayName": user.name}


def known(question: Question, key: str) -> dict[str, Any]:
    """Who has that key, also after he left."""
    return person(question, question.site.users.get(key) or User(key=key, name=key))


def shown_version(question: Question, version: Version) -> dict[str, Any]:
    return {
        "by": known(question, version.author),
        "when": stamp(question, version.at),
        "message": version.message,
        "number": version.number,
        "minorEdit": False,
    }


def history(question: Question, one: Content) -> dict[str, Any]:
    first = one.versions[0]
    return {
        "latest": True,
        "createdBy": known(question, first.author),
        "createdDate": stamp(question, first.at),
        "lastUpdated": shown_version(question, one.last),
    }


def stamp(question: Question, at: float) -> str:
    return moment(at, "UTC" if question.wiki.cloud else question.wiki.time_zone)


def web_link(question: Question, one: Content) -> str:
    if one.kind in {Kind.ATTACHMENT, Kind.COMMENT}:
        return f"/pages/viewpage.action?pageId={one.parent}&focused={name_of(one)}"
    title = quote(one.title.replace(" ", "+"), safe="+")
    if question.wiki.cloud:
        place = "pages" if one.kind is Kind.PAGE else "blog"
        return f"/spaces/{one.space}/{place}/{one.content_id}/{title}"
    return f"/pages/viewpage.action?pageId={one.content_id}"


def download_link(one: Content, version: Version) -> str:
    stamped = f"version={version.number}&modificationDate={int(version.at * 1000)}&api=v2"
    return f"/download/attachments/{one.parent}/{quote(version.title)}?{stamped}"


def restrictions(question: Question, one: Content, expand: Tree | None = None) -> dict[str, Any]:
    """Its own ones alone: what it inherits is not shown (https://jira.atlassian.com/browse/CONFSERVER-45609)."""
    found = {}
    for operation, principals in (("read", one.readers), ("update", one.editors)):
        if expand is not None and operation not in expand:
            continue
        inner = None if expand is None else expand[operation].get("restrictions", {})
        found[operation] = restriction(question, one, operation, principals, inner)
    return found


def restriction(
    question: Question, one: Content, operation: str, principals: Iterable[str], expand: Tree | None = None
) -> dict[str, Any]:
    kinds = ("user", "group") if expand is None else [kind for kind in ("user", "group") if kind in expand]
    shown: dict[str, Any] = {}
    for kind in kinds:
        names = sorted(name for what, _, name in (each.partition(":") for each in principals) if what == kind)
        rows = [known(question, name) if kind == "user" else {"type": "group", "name": name} for name in names]
        shown[kind] = listed(rows, limit=100)
    where = f"{question.wiki.url}/rest/api/content/{name_of(one)}/restriction/byOperation/{operation}"
    return {"operation": operation, "restrictions": shown, "_links": {"self": where}, "_expandable": {"content": ""}}


def labels(one: Content) -> list[dict[str, str]]:
    """A personal one is written ``my:NAME`` here, as in the address of its page; a wiki shows it to its owner alone,
    who is here whoever asks."""
    found = []
    for label in one.labels:
        prefix, _, name = label.rpartition(":")
        row = {"prefix": prefix or "global", "name": name, "id": str(sum(name.encode()) + len(name)), "label": name}
        found.append(row)
    return found


def listed(rows: Sequence[Any], *, limit: int, start: int = 0) -> dict[str, Any]:
    return {"results": list(rows[:limit]), "start": start, "limit": limit, "size": min(len(rows), limit)}


def _metadata(question: Question, one: Content, expand: Tree) -> Mapping[str, Any]:
    if "labels" not in expand:
        return {}
    rows, where = labels(one), f"/rest/api/content/{name_of(one)}/label"
    links = {"self": f"{question.wiki.url}{where}"}
    if len(rows) > _LABELS_MOST:
        links["next"] = f"{where}?limit={_LABELS_MOST}&start={_LABELS_MOST}"
    return {"labels": {**listed(rows, limit=_LABELS_MOST), "_links": links}}


def _children(question: Question, one: Content, expand: Tree) -> dict[str, Any]:
    found = {}
    for kind in (Kind.PAGE, Kind.ATTACHMENT, Kind.COMMENT):
        if kind.value in expand:
            rows = current_children(question, one, kind)
            shown = listed([content(question, row, expand[kind.value]) for row in rows], limit=25)
            where = f"/rest/api/content/{name_of(one)}/child/{kind.value}"
            shown["_links"] = {"self": f"{question.wiki.url}{where}"}
            if len(rows) > 25:
                shown["_links"]["next"] = f"{where}?limit=25&start=25"
            found[kind.value] = shown
    return found


def current_children(question: Question, one: Content, kind: Kind) -> list[Content]:
    rows = [child for child in question.site.children(one.content_id, kind) if child.status.value == "current"]
    return sorted(question.seen(rows), key=lambda child: child.content_id)
