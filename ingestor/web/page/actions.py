"""What a visitor does: log in and out, and as an operator set sources to work. Each form carries a mark that only the
page of the same browser could give it (CSRF)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connectors.errors import ConnectorError
from ingestor import log, wire, wire_service
from ingestor.errors import IngestorError
from ingestor.web.api import Operations
from ingestor.web.failures import outward
from ingestor.web.guard import SESSION, cookie
from ingestor.web.page.rendering import HEADERS, render
from ingestor.web.page.visits import LOGIN, BadForm, Visit, form_of
from ingestor.web.page.wording import count, runs_told
from ingestor.web.sessions import LIFE_S, Sessions, fresh_value
from ingestor.web.turns import Turns

PATIENCE_S = 2.0
"""So long a page waits for what it set to work; then it says that it goes on."""

_BEFORE_LOGIN = "ingestor_login"  # ties the form of the login to the browser, and is worth nothing else
_GOES_ON = "It was begun and goes on; this page shows how far it is."

_log = log.get()

Fields = Mapping[str, str]
Told = Callable[[Operations, Fields], str]


def _silent(_progress: wire.Progress) -> None:
    """The page shows progress by the status."""


def _sync(operations: Operations, fields: Fields) -> str:
    sources = (fields["source"],) if fields.get("source") else ()
    return runs_told(operations.sync(wire.SyncRequest(sources=sources), _silent).runs)


def _pause(operations: Operations, fields: Fields) -> str:
    name = fields["source"]
    operations.pause(wire_service.PauseRequest(sources=(name,)))
    return f"{name} is paused: it is neither watched nor looked at until it is resumed."


def _resume(operations: Operations, fields: Fields) -> str:
    name = fields["source"]
    operations.resume(wire_service.PauseRequest(sources=(name,)))
    return f"{name} is resumed, and is being looked at."


def _approve(operations: Operations, fields: Fields) -> str:
    return runs_told(
        operations.approve(wire.ApproveRequest(source=fields["source"], plan_id=fields["plan"]), _silent).runs
    )


def _retry(operations: Operations, fields: Fields) -> str:
    return runs_told(operations.quarantine_retry(_chosen(fields), _silent).runs)


def _ignore(operations: Operations, fields: Fields) -> str:
    found = operations.quarantine_ignore(wire.QuarantineRequest(documents=(fields["document"],)))
    return f"{count(found.ignored, 'document')} left alone until the content changes."


def _chosen(fields: Fields) -> wire.QuarantineRequest:
    """One document, those of a source, or all."""
    if fields.get("document"):
        return wire.QuarantineRequest(documents=(fields["document"],))
    if fields.get("source"):
        return wire.QuarantineRequest(sources=(fields["source"],))
    return wire.QuarantineRequest(everything=True)


ACTIONS: Mapping[str, Told] = {
    "sync": _sync,
    "pause": _pause,
    "resume": _resume,
    "approve": _approve,
    "retry": _retry,
    "ignore": _ignore,
}


class Actions:
    def __init__(self, operations: Operations, turns: Turns) -> None:
        self._operations = operations
        self._turns = turns

    async def do(self, visit: Visit) -> Response:
        """One of ``ACTIONS``; then the page that it was asked from, with a word about what came of it."""
        fields = await _marked(visit)
        visit.require_operator()
        name = str(visit.request.path_params["action"])
        act = ACTIONS.get(name)
        if act is None:
            raise HTTPException(404, "There is no such action.")
        try:
            told = await self._turns.work(lambda: act(self._operations, fields), name, PATIENCE_S)
            visit.sessions.tell(visit.session, _GOES_ON if told is None else told)
        except KeyError as error:
            raise BadForm from error
        except (IngestorError, ConnectorError) as error:
            reply = outward(error)
            if reply is None:
                raise
            visit.sessions.tell(visit.session, f"{reply.message} {reply.hint}".strip())
        _log.info("page_action", action=name, source=fields.get("source", ""), caller=visit.caller.key)
        return RedirectResponse(_back(fields), 303, headers=HEADERS)

    async def logout(self, visit: Visit) -> Response:
        await _marked(visit)
        visit.sessions.end(visit.session)
        answer = RedirectResponse("/", 303, headers=HEADERS)
        answer.delete_cookie(SESSION, path="/", httponly=True, samesite="strict")
        return answer

    def login(self, sessions: Sessions) -> Callable[[Request], Awaitable[Response]]:
        """The form, and what it sends. Anybody may: without a valid token it leads nowhere."""

        async def answer(request: Request) -> Response:
            own = cookie(request.headers, _BEFORE_LOGIN)
            if request.method != "POST":
                return _login_form(sessions, own)
            try:
                fields = await form_of(request)
            except BadForm:
                return _login_form(sessions, own, "This was no form of ours. Try again.", 403)
            if not own or not sessions.is_marked(own, fields.get("mark", "")):
                return _login_form(sessions, own, "The form was out of date. Try again.", 403)
            value = sessions.begin(fields.get("token", "").strip())
            if value is None:
                _log.warning("page_login_refused")
                return _login_form(sessions, own, "This token is not valid, or not any more.", 401)
            sessions.end(cookie(request.headers, SESSION))
            done = RedirectResponse("/", 303, headers=HEADERS)
            _set(done, SESSION, value, secure=_is_https(request), max_age=int(LIFE_S))
            done.delete_cookie(_BEFORE_LOGIN, path=LOGIN, httponly=True, samesite="strict")
            return done

        return answer


async def _marked(visit: Visit) -> Fields:
    """The fields of a form of ours. Raises ``BadForm``."""
    fields = await form_of(visit.request)
    if not visit.session or not visit.sessions.is_marked(visit.session, fields.get("mark", "")):
        raise BadForm
    return fields


def _login_form(sessions: Sessions, own: str, trouble: str = "", status: int = 200) -> Response:
    value = own or fresh_value()
    values = {
        "mark": sessions.mark(value),
        "trouble": trouble,
        "operator": False,
        "logged_in": False,
        "notice": "",
        "query": "",
    }
    answer = render("login.html", values, status)
    if not own:
        _set(answer, _BEFORE_LOGIN, value, secure=False, path=LOGIN)
    return answer


def _set(answer: Response, name: str, value: str, *, secure: bool, path: str = "/", max_age: int | None = None) -> None:
    answer.set_cookie(name, value, max_age=max_age, path=path, secure=secure, httponly=True, samesite="strict")


def _is_https(request: Request) -> bool:
    """As the browser that sent the form says itself: a proxy ends TLS before us."""
    return request.headers.get("origin", "").startswith("https://") or (
        request.headers.get("x-forwarded-proto", "") == "https"
    )


def _back(fields: Fields) -> str:
    """One of our own pages, whatever the form says."""
    match fields.get("back", ""):
        case "source":
            return f"/ui/sources/{quote(fields.get('source', ''), safe='')}"
        case "quarantine":
            return "/ui/quarantine"
        case _:
            return "/"
