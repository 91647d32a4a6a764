"""What a scripted Confluence may answer instead: its refusals, the wire's failures, and answers that are whole and wrong.

The headers of a rate limit are those of https://developer.atlassian.com/cloud/confluence/rate-limiting/; that
``Retry-After`` may be 9223372036854775807 was reported of the cloud (community.atlassian.com, question 3125730).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.support.confluence_routes import fields_of, sent
from tests.support.confluence_server import Confluence
from tests.support.web_server import Answer, Asked

Weather = Callable[[Asked], Answer | None]

ABSURD = "9223372036854775807"
_LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form action='/login'></form></body></html>"
_WHOLE = json.dumps({"results": [{"id": "1", "title": "A page", "status": "current"}], "_links": {}}).encode()


def limited(retry_after: str) -> Answer:
    headers = [("Retry-After", retry_after)] if retry_after else []
    more = [("X-RateLimit-Limit", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-NearLimit", "true")]
    reset = ("X-RateLimit-Reset", "2023-11-14T22:20Z")
    return sent({"code": 429, "message": "Rate limit exceeded"}, status=429, headers=(*headers, *more, reset))


def moved(where: str) -> Answer:
    return Answer(status=302, headers=(("Location", where),))


INSTEAD: dict[str, Answer] = {
    "login refused": sent({"statusCode": 401, "message": "Unauthorized; scope does not match"}, status=401),
    "forbidden": sent({"statusCode": 403, "message": "Current user not permitted to use Confluence"}, status=403),
    "nothing there": Answer(status=404, body=b"<html>Dead link</html>"),
    "asked too often": limited("1"),
    "absurd Retry-After": limited(ABSURD),
    "broken": sent({"statusCode": 500, "message": "java.lang.NullPointerException"}, status=500),
    "bad gateway": Answer(status=502, body=b"<html>Bad gateway</html>"),
    "maintenance": Answer(status=503, body=b"<html>Confluence is under maintenance</html>"),
    "gateway time-out": Answer(status=504, body=b"upstream request timeout"),
    "cut on the way": Answer(body=_WHOLE, cut=len(_WHOLE) // 2),
    "half of the JSON": Answer(body=_WHOLE[: len(_WHOLE) // 2], headers=(("Content-Type", "application/json"),)),
    "a page to log in": Answer(body=_LOGIN, headers=(("Content-Type", "text/html"),)),
    "no answer": Answer(dead=True),
    "nothing listed": sent({"results": [], "start": 0, "limit": 25, "size": 0, "_links": {}}),
    "an empty object": sent({}),
    "another form": sent([]),
    "another host": moved("https://elsewhere.example/wiki/"),
    "a private address": moved("http://169.254.169.254/latest/meta-data/"),
}
"""One answer for whatever is asked."""

SLOW = Answer(body=_WHOLE, stall_s=20.0)


def always(name: str) -> Weather:
    return lambda _asked: INSTEAD[name]


def cursors_refused(asked: Asked) -> Answer | None:
    """What follows the first part of a listing is refused, as with a cursor that is too old."""
    fields = fields_of(asked.query)
    if "cursor" in fields or fields.get("start", ["0"])[-1] != "0":
        return sent({"errors": [{"status": 400, "code": "INVALID_REQUEST_PARAMETER", "title": "cursor"}]}, status=400)
    return None


def half_working(asked: Asked) -> Answer | None:
    """The search works, contents do not."""
    return None if "search" in asked.path or "/user/" in asked.path else INSTEAD["broken"]


def searchless(asked: Asked) -> Answer | None:
    """Contents work, the search does not."""
    return INSTEAD["broken"] if "search" in asked.path else None


def one_missing(wiki: Confluence, *, which: Callable[[int], int] = lambda _rows: 0) -> Weather:
    """Each listing lacks one of its rows, and says nothing of it."""

    def weather(asked: Asked) -> Answer | None:
        whole = wiki.really(asked)
        if asked.method != "GET" or whole.status != 200 or not whole.body.startswith(b"{"):
            return whole
        said = json.loads(whole.body)
        rows = said.get("results")
        if not isinstance(rows, list) or not rows:
            return whole
        del rows[which(len(rows)) % len(rows)]
        return replace(whole, body=json.dumps(said).encode())

    return weather


def on(words: Sequence[str], weather: Weather) -> Weather:
    """Only where one of these stands in the path."""
    return lambda asked: weather(asked) if any(word in asked.path for word in words) else None
