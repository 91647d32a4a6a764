"""A MediaWiki that a test scripts: the part of its action API that the connector asks, over real HTTP.

It keeps pages, revisions, files, recent changes and logs as the real one does (``tests/integration`` runs the same
against the real one), gives answers in small parts, and breaks on demand: ``weather`` may replace any answer.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.support.web_server import Answer, Asked, WebServer

NAMESPACES = {0: "", 1: "Talk", 2: "User", 3: "User talk", 6: "File", 8: "MediaWiki", 10: "Template", 100: "Manual"}
CONTENT, FILES = 0, 6
BEGAN = 1_700_000_000

_CATEGORY = re.compile(r"\[\[Category:([^\]|]+)\]\]\n?")


@dataclass(frozen=True, kw_only=True)
class Page:
    page_id: int
    title: str
    revid: int
    text: str
    at: float
    file: bytes | None = None
    file_at: float = 0.0
    user: str = "Ann"
    file_user: str = "Ann"
    rendered: str = ""
    rendered_at: float = 0.0

    @property
    def ns(self) -> int:
        head = self.title.partition(":")[0]
        return next((number for number, name in NAMESPACES.items() if name and name == head), 0)

    @property
    def redirect(self) -> bool:
        return self.text.startswith("#REDIRECT")

    @property
    def hidden(self) -> bool:
        """Whether it is a category that is not shown."""
        return "__HIDDENCAT__" in self.text

    @property
    def templates(self) -> list[str]:
        return sorted({f"Template:{name}" for name in re.findall(r"\{\{([^}|]+)\}\}", self.text)})


@dataclass
class MediaWiki:
    """``part`` is how many results an answer has at most. A ``private`` wiki is read by ``login`` or ``token`` only."""

    part: int = 3
    private: bool = False
    login: tuple[str, str] = ("Reader@sync", "right-password")
    token: str = "right-token"
    wikiid: str = "wiki"
    lazy: bool = False
    """Pages keep what was rendered of them until ``run_jobs``."""
    weather: Callable[[Asked], Answer | None] = lambda _asked: None
    pages: dict[int, Page] = field(default_factory=dict)
    gone: dict[int, Page] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    between: Callable[[], None] | None = None
    """Called before each part of a listing of everything but the first."""
    count: int = 0
    clock: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self.clock = BEGAN
        self._log("create", "create", 1, "Main Page")
        self.server = WebServer(self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/w/api.php"

    def close(self) -> None:
        self.server.close()

    # -- what people do ----------------------------------------------------------------------------

    def put(self, title: str, text: str | None = None, *, file: bytes | None = None, user: str = "Ann") -> int:
        """Write a page, upload a file, or both; the page's id. A ``user`` without a name is a suppressed one."""
        with self._lock:
            before = self._titled(title)
            at = self._tick()
            page_id = before.page_id if before else self._next()
            made = Page(
                page_id=page_id,
                title=title,
                revid=self._next(),
                text=text if text is not None else (before.text if before else ""),
                at=at,
                file=file if file is not None else (before.file if before else None),
                file_at=at if file is not None else (before.file_at if before else 0.0),
                user=user,
                file_user=user if file is not None else (before.file_user if before else ""),
                rendered=before.rendered if before and text is None else "",
            )
            self.pages[page_id] = made
            if file is not None:
                self._log("upload", "upload" if before is None else "overwrite", page_id, title)
            else:
                self._change("edit" if before else "new", page_id, title, revid=made.revid)
            self._touch_users(title)
            return page_id

    def delete(self, title: str) -> int:
        with self._lock:
            page = self._must(title)
            self._tick()
            self.gone[page.page_id] = self.pages.pop(page.page_id)
            self.changes = [one for one in self.changes if one["pageid"] != page.page_id or one["type"] == "log"]
            self._log("delete", "delete", page.page_id, title)
            self._touch_users(title)
            return page.page_id

    def restore(self, title: str) -> int:
        with self._lock:
            page_id = next(one.page_id for one in reversed(self.gone.values()) if one.title == title)
            self._tick()
            self.pages[page_id] = replace(self.gone.pop(page_id), rendered="")
            self._log("delete", "restore", page_id, title)
            return page_id

    def move(self, old: str, new: str, *, redirect: bool = True) -> int:
        with self._lock:
            page = self._must(old)
            at = self._tick()
            self.pages[page.page_id] = replace(page, title=new, revid=self._next(), at=at)
            if redirect:
                left = self._next()
                self.pages[left] = Page(page_id=left, title=old, revid=self._next(), text=f"#REDIRECT [[{new}]]", at=at)
            self._log("move", "move", page.page_id, old, params={"target_title": new})
            return page.page_id

    def protect(self, title: str) -> None:
        with self._lock:
            page = self._must(title)
            self.pages[page.page_id] = replace(page, revid=self._next(), at=self._tick())
            self._log("protect", "protect", page.page_id, title)

    def run_jobs(self) -> None:
        """Make anew what templates changed."""
        with self._lock:
            self.clock += 1
            for page in list(self.pages.values()):
                self.pages[page.page_id] = replace(page, rendered="")

    def purge(self) -> None:
        """Forget recent changes, as age does."""
        self.changes = []

    def end_sessions(self) -> None:
        self.sessions.clear()

    # -- what a reader should see ------------------------------------------------------------------

    def readable(self, *, namespaces: tuple[int, ...] = (0, 2, 6, 100)) -> dict[str, bytes]:
        """Item to content of all that is to be indexed."""
        found = {}
        for page in self.pages.values():
            if page.ns not in namespaces or page.redirect:
                continue
            if page.text:
                found[str(page.page_id)] = self.document(page)
            if page.file is not None:
                found[f"{page.page_id}/file"] = page.file
        return found

    def document(self, page: Page) -> bytes:
        title = html.escape(page.title)
        head = f'<head><meta charset="utf-8"><title data-named>{title}</title></head>'
        return f"<!DOCTYPE html>\n<html>{head}\n<body>{self._render(page)}</body></html>\n".encode()

    def _expanded(self, page: Page) -> str:
        def expand(match: re.Match[str]) -> str:
            template = self._titled(f"Template:{match[1]}")
            return template.text if template else f"[Template:{match[1]}]"

        return re.sub(r"\{\{([^}|]+)\}\}", expand, page.text)

    def _render(self, page: Page) -> str:
        text = self._expanded(page)
        blocks = []
        for line in _CATEGORY.sub("", text).splitlines():
            if heading := re.fullmatch(r"== (.*) ==", line):
                name = heading[1]
                blocks.append(f'<h2><span class="mw-headline" id="{name.replace(" ", "_")}">{name}</span></h2>')
            elif line:
                blocks.append(f"<p>{html.escape(line)}</p>")
        return f'<div class="mw-parser-output">{"".join(blocks)}</div>'

    # -- helpers of the script ---------------------------------------------------------------------

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _tick(self) -> float:
        self.clock += 1
        return self.clock

    def _titled(self, title: str) -> Page | None:
        return next((page for page in self.pages.values() if page.title == title), None)

    def _must(self, title: str) -> Page:
        page = self._titled(title)
        assert page is not None, title
        return page

    def _touch_users(self, title: str) -> None:
        if not self.lazy:
            for page in self.pages.values():
                if title in page.templates:
                    self.pages[page.page_id] = replace(page, rendered="")

    def _change(self, kind: str, page_id: int, title: str, **more: Any) -> None:
        row = {"type": kind, "pageid": page_id, "title": title, "rcid": self._next(), "timestamp": stamp(self.clock)}
        self.changes.append({**row, **more})

    def _log(self, kind: str, action: str, page_id: int, title: str, params: dict[str, Any] | None = None) -> None:
        number, told = self._next(), params or {}
        row = {"logid": number, "title": title, "logpage": page_id, "params": told, "timestamp": stamp(self.clock)}
        self.logs.append({**row, "type": kind, "action": action, "pageid": page_id})
        if kind != "create":
            self._change("log", page_id, title, logid=number, logtype=kind, logaction=action, logparams=told)

    # -- the API -----------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Answer:
        if (instead := self.weather(asked)) is not None:
            return instead
        with self._lock:
            if asked.path.startswith("/files/"):
                return self._send_file(asked)
            if asked.path != "/w/api.php":
                return Answer(status=404, body=b"<html>not here</html>")
            return self._api(asked)

    def _send_file(self, asked: Asked) -> Answer:
        if self.private and not self._in(asked):
            return Answer(status=403, body=b"<html>denied</html>")
        page = self.pages.get(int(asked.path.split("/")[2]))
        if page is None or page.file is None:
            return Answer(status=404)
        return Answer(body=page.file)

    def _in(self, asked: Asked) -> bool:
        cookies = dict(part.strip().split("=", 1) for part in asked.headers.get("Cookie", "").split(";") if "=" in part)
        return cookies.get("session") in self.sessions or asked.headers.get("Authorization") == f"Bearer {self.token}"

    def _api(self, asked: Asked) -> Answer:
        fields = asked.fields
        action = fields.get("action")
        if action in {"login", "clientlogin"}:
            return self._log_in(fields, action)
        if fields.get("type") == "login":
            return sent({"batchcomplete": True, "query": {"tokens": {"logintoken": "t+\\"}}})
        if fields.get("assert") == "user" and not self._in(asked):
            return error("assertuserfailed")
        if self.private and not self._in(asked):
            return error("readapidenied")
        if action == "parse":
            return self._parse(fields)
        return self._query(fields)

    def _log_in(self, fields: Any, action: str) -> Answer:
        bot = action == "login"
        given = (fields["lgname"], fields["lgpassword"]) if bot else (fields["username"], fields["password"])
        fine = given == self.login and fields["lgtoken" if bot else "logintoken"] == "t+\\"
        if not fine:
            said = {"result": "Failed", "reason": "Incorrect username or password entered."}
            return sent({"login": said} if bot else {"clientlogin": {"status": "FAIL", "message": "Incorrect."}})
        session = f"s{self._next()}"
        self.sessions.add(session)
        said = {"login": {"result": "Success"}} if bot else {"clientlogin": {"status": "PASS"}}
        return sent(said, ("Set-Cookie", f"session={session}; path=/; HttpOnly"))

    def _parse(self, fields: Any) -> Answer:
        page = self.pages.get(int(fields["pageid"]))
        if page is None:
            return error("nosuchpageid")
        if not page.rendered:
            page = self.pages[page.page_id] = replace(page, rendered=self._render(page), rendered_at=self.clock)
        made = datetime.fromtimestamp(page.rendered_at, UTC).strftime("%Y%m%d%H%M%S")
        said = {"title": page.title, "pageid": page.page_id, "revid": page.revid, "text": page.rendered}
        if "categories" in fields["prop"].split("|"):
            said["categories"] = self._categories(page)
        said["limitreportdata"] = [{"name": "cachereport-timestamp", "0": made}]
        return sent({"parse": said, "curtimestamp": stamp(self.clock)})

    def _categories(self, page: Page) -> list[dict[str, Any]]:
        found = []
        for name in _CATEGORY.findall(self._expanded(page)):
            about = self._titled(f"Category:{name}")
            mark = {"missing": True} if about is None else {"hidden": True} if about.hidden else {}
            found.append({"sortkey": "", "category": name.replace(" ", "_"), **mark})
        return found

    def _query(self, fields: Any) -> Answer:
        query: dict[str, Any] = {}
        following: dict[str, str] = {}
        for name in filter(None, fields.get("meta", "").split("|")):
            query |= self._meta(name)
        for name in filter(None, fields.get("list", "").split("|")):
            self._feed(name, fields, query, following)
        pages, complete = self._page_set(fields, following)
        if pages is not None:
            complete = self._properties(pages, fields, query, following) and complete
        answer: dict[str, Any] = {"query": query} if query else {}
        if not following or complete:
            answer["batchcomplete"] = True
        if following:
            answer["continue"] = {**following, "continue": "-||"}
        if "curtimestamp" in fields:
            answer["curtimestamp"] = stamp(self.clock)
        return sent(answer)

    def _meta(self, name: str) -> dict[str, Any]:
        if name == "userinfo":
            return {"userinfo": {"rights": [] if self.private else ["read"]}}
        spaces = {str(n): {"id": n, "name": name, "canonical": name} for n, name in NAMESPACES.items()}
        general = {"wikiid": self.wikiid, "server": self.server.url, "script": "/w/index.php"}
        return {"general": general, "namespaces": spaces, "namespacealiases": [{"id": 6, "alias": "Image"}]}

    def _feed(self, name: str, fields: Any, query: dict[str, Any], following: dict[str, str]) -> None:
        short, key = ("rc", "rcid") if name == "recentchanges" else ("le", "logid")
        rows = self.changes if name == "recentchanges" else self.logs
        newer = fields.get(f"{short}dir" if short == "rc" else "ledir") == "newer"
        rows = sorted(rows, key=lambda row: (row["timestamp"], row[key]), reverse=not newer)
        rows = [row for row in rows if row["timestamp"] >= fields.get(f"{short}start", "")]
        start = int(fields.get(f"{short}continue", "0"))
        limit = self.part if fields[f"{short}limit"] == "max" else int(fields[f"{short}limit"])
        query[name] = rows[start : start + limit]
        if start + limit < len(rows):
            following[f"{short}continue"] = str(start + limit)

    def _page_set(self, fields: Any, following: dict[str, str]) -> tuple[list[dict[str, Any] | Page] | None, bool]:
        if "pageids" in fields:
            wanted = [int(one) for one in fields["pageids"].split("|")]
            return [self.pages.get(one) or {"pageid": one, "missing": True} for one in wanted], True
        if "titles" in fields:
            titles = fields["titles"].split("|")
            return [self._titled(one) or {"title": one, "ns": 0, "missing": True} for one in titles], True
        if "generator" not in fields:
            return None, True
        start = fields.get("gapcontinue", "")
        if start and self.between is not None and "tlcontinue" not in fields:
            self.between()
        space = int(fields["gapnamespace"])
        found = sorted(
            (p for p in self.pages.values() if p.ns == space and not p.redirect and p.title >= start),
            key=lambda page: page.title,
        )
        if len(found) > self.part:
            following["gapcontinue"] = found[self.part].title
        return list(found[: self.part]), True

    def _properties(self, pages: list[Any], fields: Any, query: dict[str, Any], following: dict[str, str]) -> bool:
        """The pages with their properties; templates in parts of their own. Whether this set of pages is done."""
        wanted = fields.get("prop", "").split("|")
        skip, shown, done = int(fields.get("tlcontinue", "0")), 0, True
        told = []
        for page in pages:
            if isinstance(page, dict):
                told.append(page)
                continue
            facts: dict[str, Any] = {"pageid": page.page_id, "ns": page.ns, "title": page.title}
            if "info" in wanted:
                facts |= {"length": len(page.text), "fullurl": f"{self.server.url}/wiki/{page.title}"}
                facts |= {"redirect": True} if page.redirect else {}
            if "revisions" in wanted:
                sha1 = hashlib.sha1(page.text.encode()).hexdigest()
                facts["revisions"] = [{"revid": page.revid, "timestamp": stamp(page.at), "sha1": sha1}]
                facts["revisions"][0] |= {"user": page.user} if page.user else {"userhidden": True}
            if "imageinfo" in wanted and page.file is not None:
                sha1 = hashlib.sha1(page.file).hexdigest()
                where = f"{self.server.url}/files/{page.page_id}/{page.title.partition(':')[2]}"
                image = {"sha1": sha1, "size": len(page.file), "mime": "text/plain", "url": where}
                image |= {"user": page.file_user} if page.file_user else {"userhidden": True}
                facts |= {"imagerepository": "local", "imageinfo": [{**image, "timestamp": stamp(page.file_at)}]}
            if "transcludedin" in wanted:
                users = [{"pageid": one.page_id} for one in self.pages.values() if page.title in one.templates]
                facts |= {"transcludedin": users} if users else {}
            if "templates" in wanted:
                names = [name for name in page.templates if done]
                for name in names:
                    shown += 1
                    if shown <= skip:
                        continue
                    if shown > skip + self.part:
                        following["tlcontinue"], done = str(skip + self.part), False
                        break
                    facts.setdefault("templates", []).append({"ns": 10, "title": name})
            told.append(facts)
        if not done:
            following.pop("gapcontinue", None)
            if "gapcontinue" in fields:
                following["gapcontinue"] = fields["gapcontinue"]
        if told:
            query["pages"] = told
        return done


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sent(said: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(body=json.dumps(said).encode(), headers=(("Content-Type", "application/json"), *headers))


def error(code: str, info: str = "", *, retry_after: str = "") -> Answer:
    said = sent({"error": {"code": code, "info": info}})
    return replace(said, headers=(("Retry-After", retry_after),)) if retry_after else said
