"""The older API that both kinds of Confluence have: contents, searches, labels, restrictions, spaces, users.

Each route names its page in both references. What they leave open is said where it was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.support.confluence_content import (
    Tree,
    content,
    current_children,
    expansions,
    history,
    labels,
    listed,
    person,
    restriction,
    restrictions,
    shown_version,
    space,
    stamp,
    system_limit,
    tree,
    web_link,
)
from tests.support.confluence_query import CannotParse, Query, parse
from tests.support.confluence_routes import (
    NO_PAGE,
    Part,
    Question,
    Refused,
    Route,
    by_offset,
    by_search_cursor,
    not_found,
    sent,
)
from tests.support.confluence_values import Content, Kind, Status
from tests.support.web_server import Answer

_CLOUD = "https://developer.atlassian.com/cloud/confluence/rest/v1/api-group-"
_CENTER = "https://developer.atlassian.com/server/confluence/rest/v1000/api-group-"
Table = tuple[tuple[str, str, Callable[..., Answer], tuple[str, str]], ...]
_STATES = {"current", "trashed", "draft", "archived", "any"}


def part(question: Question, found: Part, rows: Sequence[Any], **more: Any) -> Answer:
    """https://developer.atlassian.com/server/confluence/pagination-in-the-rest-api/: ``next`` is relative to ``base``."""
    where = question.path
    links = {"base": question.wiki.url, "context": question.wiki.context, "self": f"{question.wiki.url}{where}"}
    if found.next:
        links["next"] = f"{where}?{found.next}"
    said = {"results": list(rows), "start": found.start, "limit": found.limit, "size": len(rows), **more}
    return sent({**said, "_links": links})


def _states(question: Question) -> set[Status]:
    """``any`` is current, trashed and (in the cloud) archived; what has no state named is current."""
    wanted = question.many("status") or ["current"]
    if strange := set(wanted) - _STATES:
        raise Refused(400, f"There is no status {strange.pop()}")
    states = {Status(one) for one in wanted if one != "any"}
    return states | {Status.CURRENT, Status.TRASHED, Status.ARCHIVED} if "any" in wanted else states


# -- reading contents ------------------------------------------------------------------------------


def get_contents(question: Question) -> Answer:
    """In the order of their ids, of which the references say nothing. Trashed ones are listed to who sees them."""
    question.wiki.step(question)
    expand = expansions(question)
    kind = question.one("type", "page")
    if kind not in {"page", "blogpost"}:
        raise Refused(400, "Only pages and blog posts can be listed")
    key, title, states = question.one("spaceKey"), question.one("title"), _states(question)
    if key and (key not in question.site.spaces or not question.site.may_enter(question.user, key)):
        raise Refused(404, f"No space with key : {key}")

    def rows() -> list[Content]:
        listed = [
            one
            for one in question.site.contents.values()
            if one.kind == kind
            and one.status in states
            and (not key or one.space == key)
            and (not title or one.title == title)
        ]
        return sorted(question.seen(listed), key=lambda one: one.content_id)

    listed = question.wiki.remembered(question, rows, kind, key, title, states)
    found = by_offset(question, listed, limit=25, most=system_limit(expand))
    return part(question, found, [content(question, one, expand) for one in found.rows])


def get_content(question: Question, name: str) -> Answer:
    one = question.content(name)
    number = question.number("version", 0)
    expand = expansions(question)
    if number:
        old = next((each for each in one.versions if each.number == number), None)
        if old is None:
            raise not_found(name)
        return sent(content(question, one, expand, version=old))
    if one.status not in _states(question):
        raise not_found(name)
    return sent(content(question, one, expand))


def get_history(question: Question, name: str) -> Answer:
    return sent(history(question, question.content(name)))


def get_versions(question: Question, name: str) -> Answer:
    rows = question.content(name).versions[::-1]
    found = by_offset(question, rows, limit=200, most=200)
    return part(question, found, [shown_version(question, one) for one in found.rows])


def _get_children(kind: Kind) -> Callable[[Question, str], Answer]:
    def get(question: Question, name: str) -> Answer:
        question.wiki.step(question)
        expand = expansions(question, "version" if kind is Kind.ATTACHMENT else "")
        rows = current_children(question, question.content(name), kind)
        if (filename := question.one("filename")) and kind is Kind.ATTACHMENT:
            rows = [one for one in rows if one.title == filename]
        found = by_offset(question, rows, limit=50 if kind is Kind.ATTACHMENT else 25, most=system_limit(expand))
        return part(question, found, [content(question, one, expand) for one in found.rows])

    return get


def get_labels(question: Question, name: str) -> Answer:
    found = by_offset(question, labels(question.content(name)), limit=200, most=200)
    return part(question, found, found.rows)


# -- searching -------------------------------------------------------------------------------------


def _searched(question: Question, expand: Tree) -> Part:
    """Only what is current is found, in spaces that are current unless ``includeArchivedSpaces`` asks for more; and
    what changed a moment ago only when the search index has taken it in (``search_lag_s``)."""
    question.wiki.step(question)
    if not question.one("cql"):
        raise Refused(400, "A cql query is expected")
    try:
        query = parse(question.one("cql"), site=question.site, user=question.who)
    except CannotParse as wrong:
        raise Refused(400, f"Could not parse cql : {question.one('cql')}: {wrong}") from None
    asked = (question.one("cql"), question.one("includeArchivedSpaces"))
    rows = question.wiki.remembered(question, lambda: _rows(question, query), *asked)
    paged = by_search_cursor if question.wiki.cloud else by_offset
    return replace(paged(question, rows, limit=25, most=_search_limit(question, expand)), cursor=str(len(rows)))


def _rows(question: Question, query: Query) -> list[Content]:
    archived = question.one("includeArchivedSpaces") == "true"
    settled = question.site.now() - question.wiki.search_lag_s
    rows = [
        one
        for one in question.site.contents.values()
        if one.status is Status.CURRENT
        and one.modified <= settled
        and (archived or question.site.spaces[one.space].status == "current")
        and query.matches(one)
    ]
    return [one for one in query.sorted(question.seen(rows)) if _hangs_on_something(question, one)]


def _hangs_on_something(question: Question, one: Content) -> bool:
    return one.kind in {Kind.PAGE, Kind.BLOG} or question.site.contents[one.parent or 0].status is Status.CURRENT


def _search_limit(question: Question, expand: Tree) -> int:
    """The cloud's page of the search: at most 25 with ``body.export_view`` or ``body.styled_view``."""
    body = expand.get("body", {}) | expand.get("content", {}).get("body", {})
    return 25 if question.wiki.cloud and {"export_view", "styled_view"} & set(body) else system_limit(expand)


def search(question: Question) -> Answer:
    """``expand`` names properties of the result, those of its content behind ``content.``."""
    expand = tree(",".join(question.fields.get("expand", ())))
    found = _searched(question, expand)
    rows = [
        {
            "content": content(question, one, expand.get("content", {})),
            "title": one.title,
            "excerpt": "",
            "url": web_link(question, one),
            "entityType": "content",
            "lastModified": stamp(question, one.modified),
            "score": 0.0,
        }
        for one in found.rows
    ]
    return part(question, found, rows, totalSize=int(found.cursor), cqlQuery=question.one("cql"), searchDuration=1)


def search_contents(question: Question) -> Answer:
    expand = tree(",".join(question.fields.get("expand", ())))
    found = _searched(question, expand)
    return part(question, found, [content(question, one, expand) for one in found.rows])


# -- permissions, spaces, users --------------------------------------------------------------------


def get_restrictions(question: Question, name: str) -> Answer:
    one = question.content(name)
    rows = list(restrictions(question, one).values())
    return sent({**listed(rows, limit=100), "_links": {"self": f"{question.wiki.url}{question.path}"}})


def get_restrictions_by_operation(question: Question, name: str) -> Answer:
    return sent(restrictions(question, question.content(name)))


def get_restriction(question: Question, name: str, operation: str) -> Answer:
    one = question.content(name)
    if operation not in {"read", "update"}:
        raise Refused(400, f"There is no operation {operation}")
    return sent(restriction(question, one, operation, one.readers if operation == "read" else one.editors))


def get_spaces(question: Question) -> Answer:
    """At most 500 in an answer, which is a decision: the references say "fixed system limits"."""
    question.wiki.step(question)
    keys, status, kind = question.many("spaceKey"), question.one("status"), question.one("type")
    rows = [
        one
        for one in question.site.spaces.values()
        if question.site.may_enter(question.user, one.key)
        and (not keys or one.key in keys)
        and (not status or one.status == status)
        and (not kind or one.kind == kind)
    ]
    found = by_offset(question, rows, limit=25, most=500)
    return part(question, found, [space(question, one) for one in found.rows])


def get_space(question: Question, key: str) -> Answer:
    found = question.site.spaces.get(key)
    if found is None or not question.site.may_enter(question.user, key):
        raise Refused(404, f"No space with key : {key}")
    return sent(space(question, found))


def get_current_user(question: Question) -> Answer:
    """The references name no time zone of it; ``tells_zone`` adds one, as releases are said to do."""
    found = person(question, question.user)
    if question.wiki.tells_zone and question.user is not None:
        found["timeZone"] = question.user.time_zone
    return sent(found)


def get_user(question: Question) -> Answer:
    """By account id in the cloud, by user key in a data center."""
    key = question.one("accountId" if question.wiki.cloud else "key")
    if key not in question.site.users:
        raise Refused(404, f"There is no user {key}")
    return sent(person(question, question.site.users[key]))


CHILD = "content---children-and-descendants", "child-content"
LABELS = "content-labels", "content-labels"
RESTRICTIONS = "content-restrictions", "content-restrictions"
CONTENT = "content", "content-resource"
_TABLE: Table = (
    ("GET", "/rest/api/content", get_contents, CONTENT),
    ("GET", "/rest/api/content/search", search_contents, CONTENT),
    ("GET", "/rest/api/content/{}", get_content, CONTENT),
    ("GET", "/rest/api/content/{}/history", get_history, CONTENT),
    ("GET", "/rest/api/content/{}/version", get_versions, ("content-versions", "content-version")),
    ("GET", "/rest/api/content/{}/child/page", _get_children(Kind.PAGE), CHILD),
    ("GET", "/rest/api/content/{}/child/comment", _get_children(Kind.COMMENT), CHILD),
    (
        "GET",
        "/rest/api/content/{}/child/attachment",
        _get_children(Kind.ATTACHMENT),
        ("content---attachments", "attachments"),
    ),
    ("GET", "/rest/api/content/{}/label", get_labels, LABELS),
    ("GET", "/rest/api/content/{}/restriction", get_restrictions, (RESTRICTIONS[0], "")),
    ("GET", "/rest/api/content/{}/restriction/byOperation", get_restrictions_by_operation, RESTRICTIONS),
    ("GET", "/rest/api/content/{}/restriction/byOperation/{}", get_restriction, RESTRICTIONS),
    ("GET", "/rest/api/search", search, ("search", "other-operations")),
    ("GET", "/rest/api/space", get_spaces, ("space", "space")),
    ("GET", "/rest/api/space/{}", get_space, ("space", "space")),
    ("GET", "/rest/api/user", get_user, ("users", "user")),
    ("GET", "/rest/api/user/current", get_current_user, ("users", "user")),
)


def routes(*, cloud: bool) -> tuple[Route, ...]:
    return table(_TABLE, cloud=cloud)


def table(rows: Table, *, cloud: bool) -> tuple[Route, ...]:
    """Where the name of a page is empty, none was found for that kind of Confluence."""
    return tuple(
        Route(method=method, path=path, answer=answer, page=_page(group, cloud=cloud))
        for method, path, answer, group in rows
    )


def _page(group: tuple[str, str], *, cloud: bool) -> str:
    name = group[0] if cloud else group[1]
    return f"{_CLOUD if cloud else _CENTER}{name}/" if name else NO_PAGE
