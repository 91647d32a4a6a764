"""One request of a browser: who makes it, and how it is answered when it cannot be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connectors.errors import ConnectorError
from ingestor import log
from ingestor.errors import IngestorError, UnknownId
from ingestor.tokens import Role
from ingestor.web.access import SCOPE_KEY, Caller
from ingestor.web.failures import outward
from ingestor.web.guard import SESSION, cookie
from ingestor.web.page.rendering import HEADERS, render
from ingestor.web.problems import problem_of
from ingestor.web.sessions import Sessions

LOGIN = "/ui/login"
_MOST_FIELDS = 20

_log = log.get()


class Forbidden(Exception):
    """The visitor's role does not have this."""


class BadForm(Exception):
    """The form is not one that we gave to this browser, or not any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """``session`` is empty where nobody is logged in."""

    request: Request
    caller: Caller
    session: str
    sessions: Sessions

    @property
    def is_operator(self) -> bool:
        return self.caller.role is Role.OPERATOR

    def require_operator(self) -> None:
        if not self.is_operator:
            raise Forbidden

    def asked(self, name: str, most: int = 200) -> str:
        """A value of the query, cut at ``most`` characters; empty where there is none."""
        return self.request.query_params.get(name, "")[:most].strip()

    def show(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page, with what every page needs."""
        known = {
            "caller": self.caller,
            "operator": self.is_operator,
            "logged_in": bool(self.session),
            "mark": self.sessions.mark(self.session) if self.session else "",
            "notice": self._notice(),
            "query": "",
        }
        return render(template, known | values, code)

    def _notice(self) -> str:
        """Not for the script that keeps a page fresh: what it fetches is not read from the top."""
        is_shown = self.request.headers.get("sec-fetch-dest", "document") == "document"
        return self.sessions.told(self.session) if self.session and is_shown else ""


Handler = Callable[[Visit], Awaitable[Response]]


def visited(handler: Handler, sessions: Sessions) -> Callable[[Request], Awaitable[Response]]:
    """``handler`` for Starlette: only for who may look at all, and with a page for whatever goes wrong."""

    async def answer(request: Request) -> Response:
        value = cookie(request.headers, SESSION)
        # From elsewhere a browser sends no cookie of ours (SameSite); asked for by a page of ours it does.
        if not value and request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
            address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return render("again.html", {"address": address})
        caller = request.scope.get(SCOPE_KEY)
        if caller is None:
            return RedirectResponse(LOGIN, 303, headers=HEADERS)
        is_session = bool(value) and sessions.token(value) is not None
        visit = Visit(request=request, caller=caller, session=value if is_session else "", sessions=sessions)
        try:
            return await handler(visit)
        except Forbidden:
            return visit.show("message.html", 403, heading="Not for this login", text=_FORBIDDEN)
        except BadForm:
            return visit.show("message.html", 403, heading="Nothing was done", text=_BAD_FORM)
        except UnknownId:  # in words that are the same whether it is not there or not for this reader (R7)
            return visit.show("message.html", 404, heading="Not found", text=_UNKNOWN)
        except HTTPException as error:
            heading = "Not found" if error.status_code == 404 else "Not now"
            return visit.show("message.html", error.status_code, heading=heading, text=str(error.detail))
        except (IngestorError, ConnectorError) as error:
            reply, told = outward(error), problem_of(error)
            if reply is None or told is None:
                return visit.show("message.html", 500, heading="That did not work", text=_FAILED)
            text = f"{reply.message} {reply.hint}".strip()
            return visit.show("message.html", told.status_code, heading="That did not work", text=text)
        except Exception as error:
            _log.error("operation_crashed", operation=request.scope["path"], kind=type(error).__name__, exc_info=error)
            return visit.show("message.html", 500, heading="That did not work", text=_FAILED)

    return answer


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, each once. Raises ``BadForm``, also where the browser says that another site sent it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise BadForm
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadForm
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BadForm from error
    return dict(pairs)


_FORBIDDEN = (
    "You are logged in as a reader. This is for operators: `ingestor token add NAME --role operator` makes a token."
)
_BAD_FORM = "This form is out of date. Go back, load the page again and try once more."
_UNKNOWN = "There is nothing here by that name, or it is not for you to see."
_FAILED = "The service failed at this request; its log has the details."
