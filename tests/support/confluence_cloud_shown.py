"""What the API of the cloud, version 2, shows: the schemas of https://developer.atlassian.com/cloud/confluence/rest/v2/.

Bodies in other forms than the stored one are the stored one: no macro is run here.
"""

from __future__ import annotations

from typing import Any

from tests.support.confluence_content import download_link, labels, web_link
from tests.support.confluence_routes import Question, Refused, moment, name_of
from tests.support.confluence_space import BEGAN
from tests.support.confluence_values import Content, Kind, Space, Version

_FORMS = ("storage", "atlas_doc_format", "view", "export_view", "anonymous_export_view", "styled_view", "editor")


def shown(question: Question, one: Content, *, version: Version | None = None) -> dict[str, Any]:
    """A page or a blog post."""
    last = version or one.last
    form = question.one("body-format")
    if form and form not in _FORMS:
        raise Refused(400, f"Provided value {form} for 'body-format' is not the correct type")
    found: dict[str, Any] = {
        "id": name_of(one),
        "status": "historical" if version and version is not one.last else one.status.value,
        "title": last.title,
        "spaceId": str(question.site.spaces[one.space].space_id),
        "authorId": one.versions[0].author,
        "createdAt": moment(one.versions[0].at),
        "version": version_of(last),
        "body": {form: {"representation": form, "value": last.body}} if form else {},
        "_links": {
            "webui": web_link(question, one),
            "editui": f"/pages/resumedraft.action?draftId={one.content_id}",
            "tinyui": f"/x/{one.content_id:x}",
        },
    }
    if one.kind is Kind.PAGE:
        home = question.site.spaces[one.space].homepage
        parent = one.parent if one.parent is not None else home if home != one.content_id else None
        found |= {
            "parentId": str(parent) if parent is not None else None,
            "parentType": "page" if parent is not None else None,
            "position": one.content_id,
            "ownerId": one.versions[0].author,
            "lastOwnerId": None,
        }
    return found


def version_of(one: Version) -> dict[str, Any]:
    return {
        "createdAt": moment(one.at),
        "message": one.message,
        "number": one.number,
        "minorEdit": False,
        "authorId": one.author,
    }


def attachment_of(question: Question, one: Content) -> dict[str, Any]:
    """``downloadLink`` is the old address, which takes no API token any more."""
    container = question.site.contents[one.parent or 0]
    where = download_link(one, one.last)
    return {
        "id": name_of(one),
        "status": one.status.value,
        "title": one.title,
        "createdAt": moment(one.versions[0].at),
        ("pageId" if container.kind is Kind.PAGE else "blogPostId"): str(container.content_id),
        "mediaType": one.last.media_type,
        "mediaTypeDescription": "Document",
        "comment": one.last.message,
        "fileId": f"file-{one.content_id}-{one.last.number}",
        "fileSize": len(one.last.data or b""),
        "webuiLink": web_link(question, one),
        "downloadLink": where,
        "version": version_of(one.last),
        "_links": {"webui": web_link(question, one), "download": where},
    }


def labels_of(one: Content) -> list[dict[str, str]]:
    return [{"id": row["id"], "name": row["name"], "prefix": row["prefix"]} for row in labels(one)]


def alone(question: Question, one: Content, found: dict[str, Any]) -> dict[str, Any]:
    """A page, post or attachment as an answer of its own. ``include-labels`` adds the first 50, and ``meta`` says whether
    there are more; listings have no such parameter."""
    found["_links"]["base"] = question.wiki.url
    if question.one("include-labels") == "true":
        rows = labels_of(one)
        meta = {"hasMore": len(rows) > 50, "cursor": ""}
        found["labels"] = {"results": rows[:50], "meta": meta, "_links": {}}
    return found


def comment_of(question: Question, one: Content) -> dict[str, Any]:
    form = question.one("body-format")
    container = question.site.contents[one.parent or 0]
    return {
        "id": name_of(one),
        "status": one.status.value,
        "title": one.title,
        ("pageId" if container.kind is Kind.PAGE else "blogPostId"): str(container.content_id),
        "version": version_of(one.last),
        "body": {form: {"representation": form, "value": one.body}} if form else {},
        "_links": {"webui": web_link(question, one)},
    }


def space_of(question: Question, one: Space) -> dict[str, Any]:
    return {
        "id": str(one.space_id),
        "key": one.key,
        "name": one.name,
        "type": one.kind,
        "status": one.status,
        "authorId": "acc-writer",
        "createdAt": moment(BEGAN),
        "homepageId": str(one.homepage) if one.homepage is not None else None,
        "description": None,
        "icon": None,
        "_links": {"webui": f"/spaces/{one.key}"},
    }
