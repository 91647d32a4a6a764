"""The API of the cloud, version 2: https://developer.atlassian.com/cloud/confluence/rest/v2/intro/.

What is listed is in the order of ids unless ``sort`` says otherwise. A parameter that the reference does not know the
value of is refused with 400; what the account may not see is 404 like what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from tests.support.confluence_cloud_shown import (
    alone,
    attachment_of,
    comment_of,
    labels_of,
    shown,
    space_of,
    version_of,
)
from tests.support.confluence_content import current_children
from tests.support.confluence_routes import (
    Part,
    Question,
    Refused,
    Route,
    by_cursor,
    name_of,
    not_found,
    nothing,
    sent,
)
from tests.support.confluence_values import Content, Kind, Space, Status
from tests.support.confluence_writing import post_attachment
from tests.support.web_server import Answer

_V2 = "https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-"
_KINDS = {"pages": Kind.PAGE, "blogposts": Kind.BLOG}
_LISTED = {"current", "archived", "deleted", "trashed"}
_SORTS: dict[str, Callable[[Content], tuple[Any, int]]] = {
    "id": lambda one: (0, one.content_id),
    "created-date": lambda one: (one.versions[0].at, one.content_id),
    "modified-date": lambda one: (one.modified, one.content_id),
    "title": lambda one: (one.title, one.content_id),
}


def part(question: Question, found: Part, rows: Sequence[Any]) -> Answer:
    """``next`` stands in the Link header and in ``_links``, relative to the site and with its /wiki."""
    links, headers = {"base": question.wiki.url}, [f'<{question.wiki.url}>; rel="base"']
    if found.next:
        links["next"] = f"{question.wiki.context}{question.path}?{found.next}"
        headers.insert(0, f'<{links["next"]}>; rel="next"')
    return sent({"results": list(rows), "_links": links}, headers=(("Link", ", ".join(headers)),))


# -- reading ---------------------------------------------------------------------------------------


def _states(question: Question, otherwise: str = "current,archived") -> set[str]:
    wanted = set(question.many("status") or otherwise.split(","))
    if wanted - (_LISTED | {"historical", "draft"}):
        raise Refused(400, "Provided value for 'status' is not the correct type")
    return wanted


def _list(question: Question, kind: Kind, spaces: set[str] | None = None, *, root: bool = False) -> Answer:
    question.wiki.step(question)
    ids, titles, states = question.many("id"), question.fields.get("title", ()), _states(question)

    def rows() -> list[Content]:
        return question.seen(
            [
                one
                for one in question.site.contents.values()
                if one.kind is kind
                and one.status in states
                and (spaces is None or str(question.site.spaces[one.space].space_id) in spaces)
                and (not ids or str(one.content_id) in ids)
                and (not titles or one.title in titles)
                and not (root and one.parent is not None)
            ]
        )

    asked = (kind, spaces, root, ids, titles, states)
    return _sorted(question, question.wiki.remembered(question, rows, *asked), lambda one: shown(question, one))


def _sorted(
    question: Question, rows: list[Content], show: Callable[[Content], dict[str, Any]], *, limit: int = 25
) -> Answer:
    name = question.one("sort", "id")
    if name.removeprefix("-") not in _SORTS:
        raise Refused(400, f"Provided value {name} for 'sort' is not the correct type")
    key = _SORTS[name.removeprefix("-")]
    falls = name.startswith("-")
    rows.sort(key=key, reverse=falls)
    found = by_cursor(question, rows, key=lambda one: list(key(one)), limit=limit, falls=falls)
    return part(question, found, [show(one) for one in found.rows])


def get_pages(question: Question) -> Answer:
    return _list(question, Kind.PAGE, set(question.many("space-id")) or None)


def get_blog_posts(question: Question) -> Answer:
    return _list(question, Kind.BLOG, set(question.many("space-id")) or None)


def get_of_space(question: Question, space_id: str, kind: str) -> Answer:
    _known_space(question, space_id)
    return _list(question, _KINDS[kind], {space_id}, root=question.one("depth", "all") == "root")


def get_one(question: Question, kind: str, name: str) -> Answer:
    """``status`` has no default in the reference; decided here: as in the listing, what is trashed or a draft must be
    asked for."""
    one = question.content(name, _KINDS[kind])
    if number := question.number("version", 0):
        old = next((each for each in one.versions if each.number == number), None)
        if old is None:
            raise not_found(name)
        return sent(shown(question, one, version=old) | {"_links": {"base": question.wiki.url}})
    if one.status not in _states(question):
        raise not_found(name)
    return sent(alone(question, one, shown(question, one)))


def _current(question: Question, kind: str, name: str) -> Content:
    one = question.content(name, _KINDS[kind])
    if one.status not in {Status.CURRENT, Status.ARCHIVED}:
        raise not_found(name)
    return one


def get_attachments_of(question: Question, kind: str, name: str) -> Answer:
    question.wiki.step(question)
    states, owner = _states(question), _current(question, kind, name)
    rows = [one for one in question.site.children(owner.content_id, Kind.ATTACHMENT) if one.status in states]
    return _attachments(question, rows)


def get_attachments(question: Question) -> Answer:
    question.wiki.step(question)
    states = _states(question)
    rows = [
        one
        for one in question.site.contents.values()
        if one.kind is Kind.ATTACHMENT
        and one.status in states
        and question.site.contents[one.parent or 0].status in {Status.CURRENT, Status.ARCHIVED}
    ]
    return _attachments(question, rows)


def _attachments(question: Question, rows: list[Content]) -> Answer:
    kinds, names = question.many("mediaType"), question.fields.get("filename", ())
    rows = [
        one
        for one in question.seen(rows)
        if (not kinds or one.last.media_type in kinds) and (not names or one.title in names)
    ]
    return _sorted(question, rows, lambda one: attachment_of(question, one), limit=50)


def get_attachment(question: Question, name: str) -> Answer:
    one = question.content(name, Kind.ATTACHMENT)
    if one.status not in {Status.CURRENT, Status.ARCHIVED}:
        raise not_found(name)
    return sent(alone(question, one, attachment_of(question, one)))


def get_labels(question: Question, kind: str, name: str) -> Answer:
    rows = sorted(labels_of(_current(question, kind, name)), key=lambda row: row["name"])
    found = by_cursor(question, rows, key=lambda row: row["name"], limit=25)
    return part(question, found, found.rows)


def get_ancestors(question: Question, name: str) -> Answer:
    """From the top down; names and types alone."""
    rows = [{"id": name_of(up), "type": "page"} for up in question.site.above(_current(question, "pages", name))]
    found = by_cursor(question, rows, key=rows.index, limit=25)
    return part(question, found, found.rows)


def get_children(question: Question, name: str) -> Answer:
    rows = current_children(question, _current(question, "pages", name), Kind.PAGE)
    return _sorted(
        question,
        rows,
        lambda one: {
            "id": name_of(one),
            "status": one.status.value,
            "title": one.title,
            "type": "page",
            "spaceId": str(question.site.spaces[one.space].space_id),
            "childPosition": one.content_id,
        },
    )


def get_versions(question: Question, kind: str, name: str) -> Answer:
    rows = list(question.content(name, _KINDS[kind]).versions)
    found = by_cursor(question, rows, key=lambda one: one.number, limit=25)
    return part(question, found, [version_of(one) for one in found.rows])


def get_version(question: Question, kind: str, name: str, number: str) -> Answer:
    rows = [one for one in question.content(name, _KINDS[kind]).versions if str(one.number) == number]
    if not rows:
        raise not_found(name)
    return sent(version_of(rows[0]))


def get_comments(question: Question, kind: str, name: str, where: str) -> Answer:
    rows = current_children(question, _current(question, kind, name), Kind.COMMENT)
    rows = [one for one in rows if one.inline == (where == "inline")]
    return _sorted(question, rows, lambda one: comment_of(question, one))


def get_comment(question: Question, where: str, name: str) -> Answer:
    one = question.content(name, Kind.COMMENT)
    if one.inline != (where == "inline") or one.status is not Status.CURRENT:
        raise not_found(name)
    found = comment_of(question, one)
    found["_links"]["base"] = question.wiki.url
    return sent(found)


def get_system_information(question: Question) -> Answer:
    return sent({"cloudId": question.wiki.mark, "commitHash": "0"})


def get_spaces(question: Question) -> Answer:
    question.wiki.step(question)
    ids, keys, kinds, states = (question.many(name) for name in ("ids", "keys", "type", "status"))
    rows = [
        one
        for one in question.site.spaces.values()
        if question.site.may_enter(question.user, one.key)
        and (not ids or str(one.space_id) in ids)
        and (not keys or one.key in keys)
        and (not kinds or one.kind in kinds)
        and (not states or one.status in states)
    ]
    rows.sort(key=lambda one: one.space_id)
    found = by_cursor(question, rows, key=lambda one: one.space_id, limit=25)
    return part(question, found, [space_of(question, one) for one in found.rows])


def _known_space(question: Question, space_id: str) -> Space:
    for one in question.site.spaces.values():
        if str(one.space_id) == space_id and question.site.may_enter(question.user, one.key):
            return one
    raise Refused(404, f"Space {space_id} was not found")


def get_space(question: Question, space_id: str) -> Answer:
    return sent(space_of(question, _known_space(question, space_id)) | {"_links": {"base": question.wiki.url}})


# -- writing ---------------------------------------------------------------------------------------


def _body_of(said: dict[str, Any]) -> str | None:
    """``{representation, value}``, or the same below the name of the representation."""
    body = said.get("body")
    if body is None:
        return None
    nested = body.get("storage", body)
    if body is nested and body.get("representation") != "storage":
        raise Refused(400, "Only the storage representation is understood here")
    return str(nested["value"])


def post_page(question: Question) -> Answer:
    said, site = question.json(), question.site
    space = _known_space(question, str(said.get("spaceId")))
    if not said.get("title"):
        raise Refused(400, "The title must be specified")
    parent = question.content(str(said["parentId"]), Kind.PAGE).content_id if said.get("parentId") else None
    status = Status(said.get("status", "current"))
    made = site.put(
        space.key, said["title"], _body_of(said) or "", parent=parent, status=status, author=question.who.key
    )
    return sent(shown(question, site.contents[made]))


def put_page(question: Question, name: str) -> Answer:
    """``id``, ``status``, ``title``, ``body`` and ``version`` are required; a version that is not the next is 409."""
    one, said, site = question.content(name, Kind.PAGE), question.json(), question.site
    if missing := [key for key in ("id", "status", "title", "body", "version") if key not in said]:
        raise Refused(400, f"Missing: {', '.join(missing)}")
    if int(said["version"]["number"]) != one.last.number + 1:
        raise Refused(409, f"Version must be incremented when updating a page. Current version: {one.last.number}")
    if one.status is Status.TRASHED:
        if said["status"] != "current":
            raise not_found(name)
        site.restore(one.content_id)
    if (parent := said.get("parentId")) is not None and str(one.parent) != str(parent):
        site.move(one.content_id, question.content(str(parent), Kind.PAGE).content_id)
    site.edit(
        one.content_id,
        title=said["title"],
        body=_body_of(said),
        author=question.who.key,
        message=said["version"].get("message", ""),
    )
    if said["status"] == "archived":
        site.archive(one.content_id)
    return sent(shown(question, site.contents[one.content_id]))


def delete_one(question: Question, kind: str, name: str) -> Answer:
    """To the trash; ``purge=true`` of what is in the trash already is for good."""
    one = question.content(name, *(_KINDS[kind],) if kind in _KINDS else (Kind.ATTACHMENT,))
    purge = question.one("purge") == "true"
    if purge != (one.status is Status.TRASHED):
        raise not_found(name)
    (question.site.purge if purge else question.site.trash)(one.content_id)
    return nothing()


# -- files -----------------------------------------------------------------------------------------


def get_download(question: Question, name: str, attachment: str) -> Answer:
    """To a signed address on the host of the media, for which no login is needed."""
    one = question.content(attachment, Kind.ATTACHMENT)
    if str(one.parent) != name or one.status is not Status.CURRENT:
        raise not_found(attachment)
    signed = urlencode({"token": question.wiki.signature(one), "client": "wiki"})
    where = f"{question.wiki.media.url}/file/{one.content_id}/{one.last.number}/binary?{signed}"
    return Answer(status=302, headers=(("Location", where),))


def get_old_download(question: Question, *_names: str) -> Answer:
    """Takes no API token any more (CHANGE-2735 of https://developer.atlassian.com/cloud/confluence/changelog/)."""
    realm = f'OAuth realm="{question.wiki.url}"'
    return Answer(status=401, headers=(("WWW-Authenticate", realm),), body=b"Client must be authenticated.")


def _with(answer: Callable[..., Answer], kind: str) -> Callable[..., Answer]:
    return lambda question, *names: answer(question, kind, *names)


def _comments(kind: str, where: str) -> Callable[..., Answer]:
    return lambda question, name: get_comments(question, kind, name, where)


def _of_space(kind: str) -> Callable[..., Answer]:
    return lambda question, space_id: get_of_space(question, space_id, kind)


_V1 = "https://developer.atlassian.com/cloud/confluence/rest/v1/api-group-"
_CHANGES = "https://developer.atlassian.com/cloud/confluence/changelog/"
_PATHS: tuple[tuple[str, str, Callable[..., Answer], str], ...] = (
    ("GET", "/api/v2/spaces", get_spaces, f"{_V2}space/"),
    ("GET", "/api/v2/spaces/{}", get_space, f"{_V2}space/"),
    ("GET", "/api/v2/spaces/{}/pages", _of_space("pages"), f"{_V2}page/"),
    ("GET", "/api/v2/spaces/{}/blogposts", _of_space("blogposts"), f"{_V2}blog-post/"),
    ("GET", "/api/v2/pages", get_pages, f"{_V2}page/"),
    ("POST", "/api/v2/pages", post_page, f"{_V2}page/"),
    ("PUT", "/api/v2/pages/{}", put_page, f"{_V2}page/"),
    ("GET", "/api/v2/pages/{}/ancestors", get_ancestors, f"{_V2}ancestors/"),
    ("GET", "/api/v2/pages/{}/direct-children", get_children, f"{_V2}children/"),
    ("GET", "/api/v2/blogposts", get_blog_posts, f"{_V2}blog-post/"),
    ("GET", "/api/v2/attachments", get_attachments, f"{_V2}attachment/"),
    ("GET", "/api/v2/attachments/{}", get_attachment, f"{_V2}attachment/"),
    ("DELETE", "/api/v2/attachments/{}", _with(delete_one, "attachments"), f"{_V2}attachment/"),
    ("GET", "/api/v2/footer-comments/{}", _with(get_comment, "footer"), f"{_V2}comment/"),
    ("GET", "/api/v2/inline-comments/{}", _with(get_comment, "inline"), f"{_V2}comment/"),
    ("GET", "/rest/api/settings/systemInfo", get_system_information, f"{_V1}settings/"),
    ("PUT", "/rest/api/content/{}/child/attachment", post_attachment, f"{_V1}content---attachments/"),
    ("GET", "/rest/api/content/{}/child/attachment/{}/download", get_download, f"{_V1}content---attachments/"),
    ("GET", "/download/attachments/{}/{}", get_old_download, _CHANGES),
)
_BOTH: tuple[tuple[str, str, Callable[[str], Callable[..., Answer]], str], ...] = (
    ("GET", "", lambda kind: _with(get_one, kind), ""),
    ("DELETE", "", lambda kind: _with(delete_one, kind), ""),
    ("GET", "/attachments", lambda kind: _with(get_attachments_of, kind), "attachment"),
    ("GET", "/labels", lambda kind: _with(get_labels, kind), "label"),
    ("GET", "/versions", lambda kind: _with(get_versions, kind), "version"),
    ("GET", "/versions/{}", lambda kind: _with(get_version, kind), "version"),
    ("GET", "/footer-comments", lambda kind: _comments(kind, "footer"), "comment"),
    ("GET", "/inline-comments", lambda kind: _comments(kind, "inline"), "comment"),
)
"""What pages and blog posts have alike; without a name it is the page of their own group."""
ROUTES = (
    *(Route(method=method, path=path, answer=answer, page=page) for method, path, answer, page in _PATHS),
    *(
        Route(method=method, path=f"/api/v2/{kind}/{{}}{path}", answer=made(kind), page=f"{_V2}{group or own}/")
        for kind, own in (("pages", "page"), ("blogposts", "blog-post"))
        for method, path, made, group in _BOTH
    ),
)
