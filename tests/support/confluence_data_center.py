"""What a data center has beyond the older API: what it is, files under their own addresses, an action that moves pages.

https://developer.atlassian.com/server/confluence/rest/v1000/
"""

from __future__ import annotations

from tests.support.confluence_routes import NO_PAGE, Question, Refused, Route, not_found, sent
from tests.support.confluence_values import Kind, Status
from tests.support.web_server import Answer

_GROUP = "https://developer.atlassian.com/server/confluence/rest/v1000/api-group-"


def get_server_information(question: Question) -> Answer:
    wiki = question.wiki
    built = {"buildNumber": 9212, "marketplaceBuildNumber": 9212, "buildDate": "2024-12-03"}
    return sent({"baseUrl": wiki.url, "version": wiki.version, **built})


def get_manifest(question: Question) -> Answer:
    """What an application tells others that it is linked with."""
    wiki = question.wiki
    return sent(
        {"id": wiki.mark, "name": "Confluence", "typeId": "confluence", "version": wiki.version, "url": wiki.url}
    )


def get_file(question: Question, container: str, name: str) -> Answer:
    """The address that ``_links.download`` gives; ``version`` asks for an older one."""
    owner = question.content(container)
    for one in question.site.children(owner.content_id, Kind.ATTACHMENT):
        if one.title == name and one.status is Status.CURRENT and question.site.may_read(question.user, one):
            number = question.number("version", one.last.number)
            found = next((each for each in one.versions if each.number == number), None)
            if found is not None:
                return Answer(body=found.data or b"", headers=(("Content-Type", found.media_type),))
    raise not_found(name)


def post_move(question: Question) -> Answer:
    """An action of its pages, which clients use."""
    one = question.content(question.one("pageId"), Kind.PAGE)
    position, key = question.one("position", "append"), question.one("spaceKey")
    if position == "topLevel":
        question.site.move(one.content_id, None, space=key)
        return sent({"page": {"id": one.content_id}})
    title = question.one("targetTitle")
    found = question.site.find(key, title) if title else question.content(question.one("targetId"), Kind.PAGE)
    if found is None or position not in {"append", "above", "below"}:
        raise Refused(400, "There is no such place")
    parent = found.content_id if position == "append" else found.parent
    question.site.move(one.content_id, parent, space=found.space)
    return sent({"page": {"id": one.content_id}})


ROUTES = (
    Route(
        method="GET",
        path="/rest/api/server-information",
        answer=get_server_information,
        page=f"{_GROUP}server-information/",
    ),
    Route(
        method="GET",
        path="/download/attachments/{}/{}",
        answer=get_file,
        page="https://developer.atlassian.com/server/confluence/confluence-rest-api-examples/",
    ),
    Route(method="GET", path="/rest/applinks/1.0/manifest", answer=get_manifest, page=NO_PAGE),
    Route(method="POST", path="/pages/movepage.action", answer=post_move, page=NO_PAGE),
)
