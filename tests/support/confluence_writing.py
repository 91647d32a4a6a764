"""What clients change through the older API that both kinds of Confluence have, with its pages in both references."""

from __future__ import annotations

from typing import Any

from tests.support.confluence_content import content, current_children, listed, space, tree
from tests.support.confluence_rest import (
    CHILD,
    CONTENT,
    LABELS,
    RESTRICTIONS,
    Table,
    get_labels,
    get_restrictions,
    table,
)
from tests.support.confluence_routes import Question, Refused, Route, not_found, nothing, sent, uploaded
from tests.support.confluence_values import Kind, Status
from tests.support.web_server import Answer

_NEW = "history,space,version,ancestors"


def post_content(question: Question) -> Answer:
    said, site = question.json(), question.site
    kind, body = Kind(said["type"]), said.get("body", {}).get("storage", {}).get("value", "")
    if kind is Kind.COMMENT:
        container = question.content(str(said["container"]["id"]))
        title, author = f"Re: {container.title}", question.who.key
        made = site.put(container.space, title, body, parent=container.content_id, kind=kind, author=author)
    else:
        key = said["space"]["key"]
        if key not in site.spaces or not site.may_enter(question.user, key):
            raise Refused(404, f"No space with key : {key}")
        above = [question.content(str(one["id"]), Kind.PAGE) for one in said.get("ancestors", [])]
        made = site.put(
            key,
            said["title"],
            body,
            parent=above[-1].content_id if above else None,
            kind=kind,
            status=Status(said.get("status", "current")),
            author=question.who.key,
        )
    return sent(content(question, site.contents[made], tree(f"body.storage,{_NEW}")))


def put_content(question: Question, name: str) -> Answer:
    """The version must be the one after the last (409). Out of the trash with ``status`` current in the body."""
    one, said, site = question.content(name), question.json(), question.site
    if int(said["version"]["number"]) != one.last.number + 1:
        raise Refused(409, f"Version must be incremented on update. Current version is: {one.last.number}")
    if one.status is Status.TRASHED and said.get("status") == "current":
        site.restore(one.content_id, author=question.who.key)
        return sent(content(question, site.contents[one.content_id], tree(_NEW)))
    if one.status is Status.TRASHED:
        raise not_found(name)
    if above := said.get("ancestors"):
        parent = question.content(str(above[-1]["id"]), Kind.PAGE)
        site.move(one.content_id, parent.content_id, space=parent.space)
    site.edit(
        one.content_id,
        title=said.get("title"),
        body=said.get("body", {}).get("storage", {}).get("value"),
        author=question.who.key,
        message=said["version"].get("message", ""),
    )
    return sent(content(question, site.contents[one.content_id], tree(f"body.storage,{_NEW}")))


def delete_content(question: Question, name: str) -> Answer:
    """To the trash; with ``status=trashed`` out of it for good. A comment is gone at once."""
    one, site = question.content(name), question.site
    if one.kind is Kind.COMMENT:
        site.purge(one.content_id)
    elif question.one("status") == "trashed":
        if one.status is not Status.TRASHED:
            raise not_found(name)
        site.purge(one.content_id)
    elif one.status is Status.TRASHED:
        raise not_found(name)
    else:
        site.trash(one.content_id)
    return nothing()


def put_move(question: Question, name: str, position: str, target: str) -> Answer:
    one, goal = question.content(name, Kind.PAGE), question.content(target, Kind.PAGE)
    if position not in {"before", "after", "append"}:
        raise Refused(400, f"There is no position {position}")
    parent = goal.content_id if position == "append" else goal.parent
    question.site.move(one.content_id, parent, space=goal.space)
    return sent({"pageId": name})


def post_labels(question: Question, name: str) -> Answer:
    one, said = question.content(name), question.json()
    question.site.label(one.content_id, *(row["name"] for row in (said if isinstance(said, list) else [said])))
    return get_labels(question, name)


def delete_label(question: Question, name: str, label: str = "") -> Answer:
    one, label = question.content(name), label or question.one("name")
    if label not in one.labels:
        raise Refused(404, f"There is no label {label}")
    question.site.unlabel(one.content_id, label)
    return nothing()


def post_attachment(question: Question, name: str) -> Answer:
    """``X-Atlassian-Token: nocheck`` (or no-check) is required. A name that is there already: POST is refused in both,
    a new version comes by the path with ``/data``, in the cloud by PUT
    too."""
    headers = {key.lower(): value for key, value in question.asked.headers.items()}
    if headers.get("x-atlassian-token") not in {"nocheck", "no-check"}:
        raise Refused(403, "XSRF check failed")
    one, file = question.content(name), uploaded(question.asked)
    taken = any(child.title == file.name for child in current_children(question, one, Kind.ATTACHMENT))
    if taken and question.asked.method == "POST":
        raise Refused(400, f"Cannot add a new attachment with same file name as an existing attachment: {file.name}")
    made = question.site.upload(
        one.content_id, file.name, file.data, media_type=file.media_type, author=question.who.key
    )
    row = content(question, question.site.contents[made], tree("version,container"))
    return sent({**listed([row], limit=1), "_links": {"base": question.wiki.url, "context": question.wiki.context}})


def post_data(question: Question, container: str, attachment: str) -> Answer:
    """A new version of it."""
    one, file = question.content(attachment, Kind.ATTACHMENT), uploaded(question.asked)
    if str(one.parent) != container:
        raise not_found(attachment)
    question.site.upload(int(container), one.title, file.data, media_type=file.media_type, author=question.who.key)
    return sent(content(question, question.site.contents[one.content_id], tree("version,container")))


def put_restrictions(question: Question, name: str) -> Answer:
    """A list of restrictions, or an object with ``results``; who is named comes as a list or as ``results``."""
    one = question.content(name)
    said = question.json()
    readers, editors = one.readers, one.editors
    for row in said if isinstance(said, list) else said["results"]:
        people = _named(question, row["restrictions"])
        readers, editors = (people, editors) if row["operation"] == "read" else (readers, people)
    question.site.restrict(one.content_id, readers, editors=editors)
    return get_restrictions(question, name)


def delete_restrictions(question: Question, name: str) -> Answer:
    question.site.restrict(question.content(name).content_id, (), editors=())
    return get_restrictions(question, name)


def _named(question: Question, said: dict[str, Any]) -> frozenset[str]:
    found = set()
    for kind in ("user", "group"):
        rows = said.get(kind, [])
        for row in rows["results"] if isinstance(rows, dict) else rows:
            if kind == "group":
                found.add(f"group:{row['name']}")
                continue
            login = row.get("username")
            key = row.get("accountId") or row.get("userKey") or question.wiki.key_of(login)
            if key not in question.site.users:
                raise Refused(400, f"There is no user {key or login}")
            found.add(f"user:{key}")
    return frozenset(found)


def post_space(question: Question) -> Answer:
    said = question.json()
    return sent(space(question, question.site.add_space(said["key"], said["name"])))


_TABLE: Table = (
    ("POST", "/rest/api/space", post_space, ("space", "space")),
    ("POST", "/rest/api/content", post_content, CONTENT),
    ("PUT", "/rest/api/content/{}", put_content, CONTENT),
    ("DELETE", "/rest/api/content/{}", delete_content, CONTENT),
    ("PUT", "/rest/api/content/{}/move/{}/{}", put_move, (CHILD[0], "")),
    ("POST", "/rest/api/content/{}/label", post_labels, LABELS),
    ("DELETE", "/rest/api/content/{}/label", delete_label, LABELS),
    ("DELETE", "/rest/api/content/{}/label/{}", delete_label, LABELS),
    ("PUT", "/rest/api/content/{}/restriction", put_restrictions, (RESTRICTIONS[0], "")),
    ("DELETE", "/rest/api/content/{}/restriction", delete_restrictions, (RESTRICTIONS[0], "")),
    ("POST", "/rest/api/content/{}/child/attachment/{}/data", post_data, ("content---attachments", "attachments")),
    ("POST", "/rest/api/content/{}/child/attachment", post_attachment, ("content---attachments", "attachments")),
)


def routes(*, cloud: bool) -> tuple[Route, ...]:
    return table(_TABLE, cloud=cloud)
