"""The scripted Confluence against a client that we did not write: the same scenario in the cloud and in a data center.

``atlassian-python-api`` creates, edits, moves, labels, attaches, restricts, lists, searches, deletes and restores; what
it is answered is compared with what the wiki holds. Where the client takes no documented way, the request is made
through its session.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import httpx
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from atlassian import ConfluenceV2
    from atlassian.confluence import ConfluenceServer as OldClient
    from atlassian.errors import ApiError
    from requests import HTTPError

from tests.support.confluence_faults import on, one_missing
from tests.support.confluence_routes import NO_PAGE, fields_of
from tests.support.confluence_server import TOKEN, WRITERS_TOKEN, Confluence, Flavour, confluence
from tests.support.confluence_space import Site
from tests.support.confluence_values import READER, WRITER, Kind

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Client(Protocol):
    """What the scenario does, whatever API it goes through; contents by their numbers."""

    def add_space(self, key: str) -> None: ...
    def create(self, space: str, title: str, body: str, parent: int | None = None) -> int: ...
    def edit(self, content_id: int, title: str, body: str) -> None: ...
    def move(self, content_id: int, parent: int) -> None: ...
    def label(self, content_id: int, label: str) -> None: ...
    def attach(self, content_id: int, name: str, data: bytes) -> None: ...
    def restrict(self, content_id: int, user: str, group: str) -> None: ...
    def trash(self, content_id: int) -> None: ...
    def restore(self, content_id: int) -> None: ...
    def listed(self, space: str, *, limit: int, status: str = "current") -> list[int]: ...
    def found(self, cql: str, *, limit: int) -> list[int]: ...
    def body(self, content_id: int) -> str: ...
    def version(self, content_id: int) -> int: ...
    def files(self, content_id: int) -> dict[str, bytes]: ...
    def labels(self, content_id: int) -> list[str]: ...
    def ancestors(self, content_id: int) -> list[int]: ...
    def readers(self, content_id: int) -> set[str]: ...


class Old:
    """Through the older API, which both have."""

    def __init__(self, wiki: Confluence, login: dict[str, str]) -> None:
        self._wiki, self._old = wiki, OldClient(wiki.url, cloud=False, **login)

    def add_space(self, key: str) -> None:
        self._old.create_space(key, f"Space {key}")

    def create(self, space: str, title: str, body: str, parent: int | None = None) -> int:
        return int(self._old.create_page(space, title, body, parent_id=parent)["id"])

    def edit(self, content_id: int, title: str, body: str) -> None:
        self._old.update_page(content_id, title, body)

    def move(self, content_id: int, parent: int) -> None:
        title = self._old.get_page_by_id(content_id)["title"]
        self._old.update_page(content_id, title, parent_id=parent, always_update=True)

    def label(self, content_id: int, label: str) -> None:
        self._old.set_page_label(content_id, label)

    def attach(self, content_id: int, name: str, data: bytes) -> None:
        self._old.api_version = "1.0"  # its way to the documented address of new versions
        self._old.attach_content(data, name, "text/plain", page_id=content_id)

    def restrict(self, content_id: int, user: str, group: str) -> None:
        who = {"type": "known", ("accountId" if self._wiki.cloud else "userKey"): user}
        named = {"user": [who], "group": [{"type": "group", "name": group}]}
        self._old.set_restrictions_for_content(content_id, [{"operation": "read", "restrictions": named}])

    def trash(self, content_id: int) -> None:
        assert self._old.remove_page(content_id) == 204

    def restore(self, content_id: int) -> None:
        before = self._old.get_page_by_id(content_id, status="trashed", expand="version")
        said = {"version": {"number": before["version"]["number"] + 1}, "status": "current", "type": "page"}
        self._old.update_content(content_id, {**said, "title": before["title"]})

    def listed(self, space: str, *, limit: int, status: str = "current") -> list[int]:
        rows = self._old.get_all_pages_from_space_as_generator(space, limit=limit, status=status)
        return [int(one["id"]) for one in rows]

    def found(self, cql: str, *, limit: int) -> list[int]:
        """By its own offsets in a data center; in the cloud along the cursors."""
        rows: list[dict[str, Any]] = []
        answer = self._old.cql(cql, limit=limit)
        while True:
            rows += answer["results"]
            if "next" not in answer["_links"]:
                return [int(one["content"]["id"].removeprefix("att")) for one in rows]
            answer = self._old.get(answer["_links"]["next"])

    def body(self, content_id: int) -> str:
        return str(self._old.get_page_by_id(content_id, expand="body.storage")["body"]["storage"]["value"])

    def version(self, content_id: int) -> int:
        return int(self._old.get_page_by_id(content_id, expand="version")["version"]["number"])

    def files(self, content_id: int) -> dict[str, bytes]:
        rows = self._old.get_attachments_from_content(content_id)["results"]
        return {one["title"]: self._fetched(content_id, one) for one in rows}

    def _fetched(self, _content_id: int, file: dict[str, Any]) -> bytes:
        return bytes(self._old.get(file["_links"]["download"], not_json_response=True))

    def labels(self, content_id: int) -> list[str]:
        return [one["name"] for one in self._old.get_page_labels(content_id)["results"]]

    def ancestors(self, content_id: int) -> list[int]:
        return [int(one["id"]) for one in self._old.get_page_ancestors(content_id)]

    def readers(self, content_id: int) -> set[str]:
        read = self._old.get_all_restrictions_for_content(content_id)["read"]["restrictions"]
        key = "accountId" if self._wiki.cloud else "userKey"
        users = {f"user:{one[key]}" for one in read["user"]["results"]}
        return users | {f"group:{one['name']}" for one in read["group"]["results"]}


class New(Old):
    """Through version 2 of the cloud's API, where it has what is needed."""

    def __init__(self, wiki: Confluence, login: dict[str, str]) -> None:
        super().__init__(wiki, login)
        self._new = ConfluenceV2(wiki.url, cloud=True, **login)

    def create(self, space: str, title: str, body: str, parent: int | None = None) -> int:
        where = self._new.get_space_by_key(space)["id"]
        above = None if parent is None else str(parent)
        made = self._new.create_page(where, title, body, parent_id=above, representation="storage")
        return int(made["id"])

    def edit(self, content_id: int, title: str, body: str) -> None:
        number = self.version(content_id)
        self._new.update_page(str(content_id), title, body, status="current", version=number, representation="storage")

    def trash(self, content_id: int) -> None:
        self._new.delete_page(str(content_id))

    def restore(self, content_id: int) -> None:
        before = self._new.get(f"api/v2/pages/{content_id}", params={"status": "trashed", "body-format": "storage"})
        said = {"id": before["id"], "status": "current", "title": before["title"], "body": before["body"]["storage"]}
        self._new.put(
            f"api/v2/pages/{content_id}", data={**said, "version": {"number": before["version"]["number"] + 1}}
        )

    def listed(self, space: str, *, limit: int, status: str = "current") -> list[int]:
        where = self._new.get_space_by_key(space)["id"]
        rows = self._new.get_pages(where, status=status, body_format="storage", limit=limit)
        return [int(one["id"]) for one in rows]

    def body(self, content_id: int) -> str:
        return str(self._new.get_page_by_id(str(content_id), body_format="storage")["body"]["storage"]["value"])

    def version(self, content_id: int) -> int:
        return int(self._new.get_page_by_id(str(content_id), body_format="storage")["version"]["number"])

    def _fetched(self, content_id: int, file: dict[str, Any]) -> bytes:
        """The client sends no login to the other host to which it is led."""
        path = f"rest/api/content/{content_id}/child/attachment/{file['id']}/download"
        return bytes(self._old.get(path, not_json_response=True))

    def labels(self, content_id: int) -> list[str]:
        return [one["name"] for one in self._new.get_page_labels(str(content_id))]

    def ancestors(self, content_id: int) -> list[int]:
        return [int(one["id"]) for one in self._new.get(f"api/v2/pages/{content_id}/ancestors")["results"]]


def client(wiki: Confluence, *, writes: bool = False) -> Client:
    user, secret = (WRITER, WRITERS_TOKEN) if writes else (READER, TOKEN)
    if wiki.cloud:
        return New(wiki, {"username": user.email, "password": secret})
    return Old(wiki, {"token": secret})


@pytest.fixture(params=list(Flavour))
def wiki(request: pytest.FixtureRequest) -> Iterator[Confluence]:
    with confluence(request.param, context="/wiki" if request.param is Flavour.CLOUD else "/confluence") as made:
        yield made


def current(site: Site, space: str) -> set[int]:
    return set(site.readable(spaces=[space], kinds=[Kind.PAGE]))


def play(wiki: Confluence) -> None:
    """The scenario; what differs from what the wiki holds fails it."""
    writer, reader, site = client(wiki, writes=True), client(wiki), wiki.site
    for key in ("DOC", "OPS"):
        writer.add_space(key)
    home = writer.create("DOC", "Home", "<p>Welcome.</p>")
    pages = [writer.create("DOC", f"Page {number}", f"<p>Text {number}.</p>", home) for number in range(7)]
    runbook = writer.create("OPS", "Runbook", "<p>Call us.</p>")
    assert set(reader.listed("DOC", limit=3)) == current(site, "DOC") == {home, *pages}
    assert reader.listed("OPS", limit=3) == [runbook]
    assert reader.ancestors(pages[2]) == [home]

    writer.edit(pages[0], "Page zero", "<p>Text anew.</p>")
    assert (reader.body(pages[0]), reader.version(pages[0])) == ("<p>Text anew.</p>", 2)
    assert site.contents[pages[0]].title == "Page zero"
    assert refused(stale, wiki, pages[0]) == 409

    writer.move(pages[1], pages[2])
    assert reader.ancestors(pages[1]) == [home, pages[2]]
    writer.label(pages[1], "draft")
    writer.label(pages[1], "policy")
    assert set(reader.labels(pages[1])) == {"draft", "policy"}
    writer.attach(pages[2], "plan.txt", b"The plan.")
    writer.attach(pages[2], "plan.txt", b"The plan, revised.")
    writer.attach(pages[2], "map \u00fc.txt", b"\x00\xff\r\n--")
    assert reader.files(pages[2]) == {"plan.txt": b"The plan, revised.", "map \u00fc.txt": b"\x00\xff\r\n--"}

    everything = "type in (page, attachment, blogpost) and space = DOC order by lastmodified desc, id"
    assert set(reader.found(everything, limit=4)) == set(site.readable(spaces=["DOC"]))
    assert reader.found("label = policy and type = page", limit=5) == [pages[1]]
    assert reader.found('title ~ "zero"', limit=5) == [pages[0]]
    assert refused(lambda: reader.found("nonsense = 1", limit=5)) == 400

    site.wait(3600)
    since = zoned(site.now(), READER.time_zone)
    writer.edit(pages[3], "Page 3", "<p>Later.</p>")
    recent = f'type = page and lastmodified >= "{since}" order by lastmodified'
    assert reader.found(recent, limit=5) == [pages[3]]

    writer.restrict(pages[2], WRITER.key, "secretaries")
    assert writer.readers(pages[2]) == {f"user:{WRITER.key}", "group:secretaries"}
    assert writer.readers(pages[1]) == set(), "what is inherited is not shown"
    hidden = {pages[1], pages[2]}
    assert set(reader.listed("DOC", limit=3)) == current(site, "DOC") == {home, *pages} - hidden
    assert set(writer.listed("DOC", limit=3)) == {home, *pages}
    assert {refused(reader.body, page) for page in hidden} == {404}
    assert not hidden & set(reader.found(everything, limit=4))

    writer.trash(pages[4])
    assert set(reader.listed("DOC", limit=3)) == current(site, "DOC") == {home, *pages} - hidden - {pages[4]}
    assert reader.listed("DOC", limit=3, status="trashed") == [pages[4]]
    assert pages[4] not in reader.found(everything, limit=4)
    assert refused(reader.body, pages[4]) == 404
    writer.restore(pages[4])
    assert (reader.body(pages[4]), reader.version(pages[4])) == ("<p>Text 4.</p>", 2)
    assert reader.ancestors(pages[4]) == [home]
    assert pages[4] in reader.listed("DOC", limit=3)
    assert not wiki.leaked


def refused(call: Callable[..., object], *given: object) -> int:
    """The status with which something is refused, however the client wraps it."""
    with pytest.raises((HTTPError, ApiError)) as found:
        call(*given)
    error: Any = found.value
    return int((getattr(error, "reason", None) or error).response.status_code)


def stale(wiki: Confluence, page: int) -> None:
    """An edit of a version that is not the last any more."""
    said = {"id": str(page), "type": "page", "title": "Lost", "status": "current", "version": {"number": 2}}
    body = {"representation": "storage", "value": "<p>Lost.</p>"}
    if wiki.cloud:
        login = {"username": WRITER.email, "password": WRITERS_TOKEN}
        ConfluenceV2(wiki.url, cloud=True, **login).put(f"api/v2/pages/{page}", data={**said, "body": body})
    else:
        OldClient(wiki.url, cloud=False, token=WRITERS_TOKEN).update_content(page, {**said, "body": {"storage": body}})


def zoned(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def test_a_foreign_client_and_the_scripted_wiki_agree_on_a_whole_scenario(wiki: Confluence) -> None:
    """What atlassian-python-api does and is answered is what the wiki holds."""
    play(wiki)


def test_the_scenario_notices_a_row_that_is_missing(wiki: Confluence) -> None:
    """It fails where listings lack one of their rows."""
    wiki.weather = on(("/pages", "/content"), one_missing(wiki))
    with pytest.raises(AssertionError):
        play(wiki)


@pytest.mark.parametrize(
    "broken",
    [
        lambda site: setattr(site, "may_read", lambda _user, _content: True),
        lambda site: setattr(site, "move", lambda *_args, **_more: None),
        lambda site: setattr(site, "label", lambda *_args: None),
    ],
    ids=["restrictions ignored", "moves ignored", "labels ignored"],
)
def test_the_scenario_notices_a_wiki_that_does_not_do_its_work(
    wiki: Confluence, broken: Callable[[Site], None]
) -> None:
    """It fails where restrictions, moves or labels have no effect."""
    broken(wiki.site)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        play(wiki)


def test_each_route_names_its_page(wiki: Confluence) -> None:
    """No route is there without the public page that it was made of, but for those that say so."""
    unknown = {f"{route.method} {route.path}" for route in wiki.routes if route.page == NO_PAGE}
    assert all(
        route.page == NO_PAGE or route.page.startswith("https://developer.atlassian.com/") for route in wiki.routes
    )
    assert unknown == (set() if wiki.cloud else UNDOCUMENTED)


def ask(wiki: Confluence, path: str, **fields: str) -> httpx.Response:
    """As the reader, without a client."""
    if wiki.cloud:
        return httpx.get(f"{wiki.url}{path}", params=fields, auth=(READER.email, TOKEN))
    return httpx.get(f"{wiki.url}{path}", params=fields, headers={"Authorization": f"Bearer {TOKEN}"})


def test_limits_of_the_older_api_fall_with_what_is_expanded(wiki: Confluence) -> None:
    """1000 contents come in an answer, 200 with expansions, 50 with bodies, whatever is asked for."""
    wiki.site.add_space("DOC")
    for number in range(1001):
        wiki.site.put("DOC", str(number))
    counts = [
        len(ask(wiki, "/rest/api/content/search", cql="type = page", limit="5000", expand=expand).json()["results"])
        for expand in ("", "version,space", "version,body.storage")
    ]
    assert counts == [1000, 200, 50]


@pytest.mark.parametrize("deleted", [0, 1, 2, 3])
def test_offsets_drift_and_cursors_do_not(wiki: Confluence, deleted: int) -> None:
    """What is deleted between two parts hides another row from offsets, and none from the cursors of version 2."""
    wiki.site.add_space("DOC")
    pages = [wiki.site.put("DOC", str(number)) for number in range(4)]
    path = "/api/v2/pages" if wiki.cloud else "/rest/api/content"
    first = ask(wiki, path, limit="2").json()
    wiki.site.trash(pages[deleted])
    following = fields_of(first["_links"]["next"].partition("?")[2])
    second = ask(wiki, path, **{name: values[-1] for name, values in following.items()}).json()
    seen = [int(one["id"]) for one in (*first["results"], *second["results"])]
    lost = [page for page in pages if page not in seen and page != pages[deleted]]
    assert lost == ([pages[2]] if deleted < 2 and not wiki.cloud else [])


@pytest.fixture(scope="module", params=list(Flavour))
def asked(request: pytest.FixtureRequest) -> Iterator[Confluence]:
    """A wiki of three pages for all queries: A of 23:13:20 of the caller's time, B and C of a minute later each."""
    with confluence(request.param, site=Site(tick=60)) as made:
        made.site.clock -= 60
        made.site.add_space("DOC")
        for title in "ABC":
            page = made.site.put("DOC", title, f"Text {title}")
            made.site.label(page, *(() if title == "A" else ("x",)))
        yield made


@pytest.mark.parametrize(
    ("cql", "found"),
    [
        ('lastmodified >= "2023-11-14 23:14"', "BC"),
        ('lastmodified > "2023/11/14 23:14"', "BC"),
        ('lastmodified < "2023-11-14 23:14"', "A"),
        ('lastmodified = "2023-11-14 23:14"', "B"),
        ('lastmodified >= "2023-11-15"', ""),
        ('lastmodified >= now("-1m")', "BC"),
        ("not (title = A or title = B)", "C"),
        ("title in (A, B) and title != B", "A"),
        ("title = A or title = B and title = C", "A"),
        ('text ~ "text b"', "B"),
        ("label = x order by title desc", "CB"),
        ("type = blogpost", ""),
        ("space = doc", "ABC"),
        ("type ~ page", None),
        ("lastmodified in (2023-11-14)", None),
        ("lastmodified > yesterday", None),
        ("title = A and", None),
        ("space = DOC limit 5", None),
    ],
)
def test_a_query_means_what_its_reference_says(asked: Confluence, cql: str, found: str | None) -> None:
    """Dates have minutes, of the caller's time zone; what no page knows is refused."""
    answer = ask(asked, "/rest/api/content/search", cql=cql)
    assert answer.status_code == (400 if found is None else 200)
    if found is not None:
        assert "".join(one["title"] for one in answer.json()["results"]) == found


def test_files_of_the_cloud_come_from_a_host_that_takes_no_login() -> None:
    """The old address refuses API tokens; the new one leads to another origin, which notices a login that follows."""
    with confluence(Flavour.CLOUD) as wiki:
        wiki.site.add_space("DOC")
        page = wiki.site.put("DOC", "Home")
        file = wiki.site.upload(page, "a.txt", b"content")
        assert ask(wiki, f"/download/attachments/{page}/a.txt").status_code == 401
        there = ask(wiki, f"/rest/api/content/{page}/child/attachment/att{file}/download").headers["Location"]
        assert httpx.get(there).content == b"content"
        assert httpx.get(there, auth=(READER.email, TOKEN)).status_code == 400
        assert len(wiki.leaked) == 1
        assert httpx.get(there.replace("token=", "token=x")).status_code == 403


UNDOCUMENTED = {
    "GET /rest/api/content/{}/restriction",
    "PUT /rest/api/content/{}/restriction",
    "DELETE /rest/api/content/{}/restriction",
    "PUT /rest/api/content/{}/move/{}/{}",
    "GET /rest/applinks/1.0/manifest",
    "POST /pages/movepage.action",
}
