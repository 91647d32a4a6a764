"""The HTTP API: the operations of ``ingestor.web.api`` for programs, described by OpenAPI.

Importing this costs half a second, so only a service does. Each operation says here which role it takes; what is shown
is decided where the principals go, in the ledger (R7), and for what a reader may not see the answer is that of what
is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from connectors.errors import ConnectorError
from ingestor import __version__, log, wire, wire_reading
from ingestor.errors import IngestorError
from ingestor.search.prompt import build
from ingestor.tokens import Role
from ingestor.web.access import SCOPE_KEY, Caller
from ingestor.web.api import Api, Hook, Operations, Reads, Report
from ingestor.web.bodies import ContextBody, Problem, SearchBody, Started
from ingestor.web.hooks import PREFIX, proves
from ingestor.web.problems import CHALLENGE, MEDIA_TYPE, problem, problem_of
from ingestor.web.turns import Turns

Answer = TypeVar("Answer")

_log = log.get()


class Forbidden(Exception):
    """The caller's role does not have this operation."""


async def caller_of(request: Request) -> Caller:
    """Set by the gate of the listener; without one nothing is answered."""
    caller: Caller = request.scope[SCOPE_KEY]
    return caller


async def operator_of(request: Request) -> Caller:
    caller = await caller_of(request)
    if caller.role is not Role.OPERATOR:
        raise Forbidden
    return caller


Reader = Annotated[Caller, Depends(caller_of)]
Operator = Annotated[Caller, Depends(operator_of)]
Id = Annotated[str, Path(min_length=1, max_length=200)]
SourceName = Annotated[str, Path(min_length=1, max_length=200)]


def application(
    operations: Operations,
    api: Api,
    routes: Sequence[BaseRoute] = (),
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> FastAPI:
    """``routes`` are served besides, and are no part of the description; ``beside`` runs as long as the server does."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with beside():
            yield

    app = FastAPI(
        title="ingestor",
        version=__version__,
        description="Search over what an organisation's sources hold now, with citations, as its permissions allow.",
        routes=list(routes),
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(HTTPBearer(auto_error=False, description="`ingestor token add` makes one."))],
        responses={
            code: {"model": Problem, "description": what, "content": {MEDIA_TYPE: {}}}
            for code, what in _REFUSALS.items()
        },
    )
    _answers(app)
    turns = Turns()
    _reading(app, operations, api.reads, turns)
    _operating(app, operations, api.reads, turns)
    _hooking(app, api.hook)
    return app


_REFUSALS: dict[int | str, str] = {
    400: "What was asked for cannot be",
    401: "No valid token",
    403: "Not with this token's role",
    404: "Nothing by that name, for this reader",
    413: "The body is too long",
    421: "Not a name of this server",
    422: "The request does not fit its description",
    429: "Too many requests",
    503: "Busy, or a part of the service is away",
}


def _reading(app: FastAPI, operations: Operations, reads: Reads, turns: Turns) -> None:
    """For every caller: what he may read."""

    @app.post("/v1/search")
    async def search(body: SearchBody, caller: Reader) -> wire.SearchReply:
        """Find passages, each with the place that it stands at."""
        return await turns.ask(lambda: operations.search(body.request(caller)))

    @app.post("/v1/context")
    async def context(body: ContextBody, caller: Reader) -> wire_reading.ContextReply:
        """Find passages and write them down for a language model, numbered, within a budget, marked as data."""

        def answer() -> wire_reading.ContextReply:
            found = operations.search(body.request(caller))
            made = build(found.query, found.hits, body.budget, note=found.note)
            return made.model_copy(update={"answer_id": found.answer_id})

        return await turns.ask(answer)

    @app.get("/v1/documents/{document_id}")
    async def document(
        document_id: Id,
        caller: Reader,
        first: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        count: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> wire_reading.DocumentReply:
        """A document by its passages, from the one at place `first`."""
        return await turns.ask(lambda: reads.document(document_id, first, count, caller.reads_as()))

    @app.get("/v1/documents/{document_id}/history")
    async def history(document_id: Id, caller: Reader) -> wire_reading.HistoryReply:
        """What happened to a document: revisions and what they changed, moves, deletions, returns."""
        return await turns.ask(lambda: reads.history(document_id, document_id, caller.reads_as()))

    @app.get("/v1/chunks/{chunk_id}")
    async def chunk(chunk_id: Id, caller: Reader, context: Annotated[int, Query(ge=0, le=10)] = 0) -> wire.SearchHit:
        """A passage as it stands now, with the `context` passages before and after it."""
        return await turns.ask(lambda: reads.passage(chunk_id, context, caller.reads_as()))

    @app.get("/v1/chunks/{chunk_id}/trace")
    async def trace(chunk_id: Id, caller: Reader) -> wire_reading.TraceReply:
        """Where a cited passage comes from, and whether it still stands there."""
        return await turns.ask(lambda: reads.trace(chunk_id, caller.reads_as()))

    @app.get("/v1/answers/{answer_id}")
    async def answer(answer_id: Id, caller: Reader) -> wire_reading.AnswerReply:
        """Which passages of an answer still stand, which were changed, and which are not to be seen any more."""
        return await turns.ask(lambda: reads.answer(answer_id, caller.reads_as()))

    @app.get("/v1/sources")
    async def sources(caller: Reader) -> wire_reading.FreshnessReply:
        """The sources that hold something for this reader, and how fresh they are."""
        return await turns.ask(lambda: reads.freshness(caller.reads_as()))


def _operating(app: FastAPI, operations: Operations, reads: Reads, turns: Turns) -> None:
    """For operators: how the sources fare, and what can be done about it."""
    started: dict[int | str, dict[str, Any]] = {
        202: {"model": Started, "description": "It goes on; status and runs show it"}
    }

    async def work(call: Callable[[Report], Answer], name: str, response: Response) -> Answer | Started:
        done = await turns.work(lambda: call(lambda _progress: None), name)
        if done is None:
            response.status_code = 202
            return Started()
        return done

    @app.get("/v1/status")
    async def status(_caller: Operator) -> wire.StatusReply:
        """Every source: state, counts, what waits, last and next run, lag."""
        return await turns.ask(reads.status)

    @app.get("/v1/runs")
    async def runs(
        _caller: Operator, source: str | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 20
    ) -> wire.RunsReply:
        """The latest runs."""
        return await turns.ask(lambda: reads.runs(limit, source))

    @app.post("/v1/sync", responses=started)
    async def sync(body: wire.SyncRequest, _caller: Operator, response: Response) -> wire.RunsReply | Started:
        """Look at these sources now, or at all."""
        return await work(lambda report: operations.sync(body, report), "sync", response)

    @app.get("/v1/sources/{source}/plan")
    async def plan(source: SourceName, _caller: Operator) -> wire.PlanReply:
        """The deletions of a source that wait for a person."""
        return await turns.ask(lambda: operations.plan(wire.PlanRequest(source=source)))

    @app.post("/v1/approve", responses=started)
    async def approve(body: wire.ApproveRequest, _caller: Operator, response: Response) -> wire.RunsReply | Started:
        """Carry out exactly this plan."""
        return await work(lambda report: operations.approve(body, report), "approve", response)

    @app.get("/v1/quarantine")
    async def quarantine(_caller: Operator, source: str | None = None, ignored: bool = False) -> wire.QuarantineReply:
        """The documents that no parser could take."""
        return await turns.ask(lambda: reads.quarantine(source, ignored=ignored))

    @app.post("/v1/quarantine/retry", responses=started)
    async def quarantine_retry(
        body: wire.QuarantineRequest, _caller: Operator, response: Response
    ) -> wire.RunsReply | Started:
        """Try documents again now."""
        return await work(lambda report: operations.quarantine_retry(body, report), "retry", response)

    @app.post("/v1/quarantine/ignore")
    async def quarantine_ignore(body: wire.QuarantineRequest, _caller: Operator) -> wire.QuarantineReply:
        """Leave documents alone until their content changes."""
        return await turns.ask(lambda: operations.quarantine_ignore(body))


def _hooking(app: FastAPI, take: Hook) -> None:
    """For the systems that the sources are in."""

    @app.post(f"{PREFIX}{{source}}", status_code=202, response_class=Response)
    async def hook(source: str, request: Request) -> None:
        """Look at this source soon. The call proves that it knows the source's secret, by a signature of its body
        (`X-Hub-Signature-256`, `X-Hub-Signature`, `X-Gitea-Signature`, `X-Forgejo-Signature`) or by the secret itself
        (`X-Gitlab-Token`, or as a bearer token). What else it says is not read."""
        body = await request.body()
        if not await run_in_threadpool(take, source, lambda secret: proves(secret, request.headers, body)):
            raise HTTPException(401, NO_HOOK, headers=CHALLENGE)


NO_HOOK = "No source of this name takes this call: it has no webhook_secret, or the call does not prove to know it."


def _answers(app: FastAPI) -> None:
    """Errors as problems."""

    @app.exception_handler(Forbidden)
    async def forbidden(_request: Request, _error: Forbidden) -> Response:
        return problem(403, "This token's role is reader; this operation takes an operator.")

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        # Where and why, and not what: the value may be anything, a secret too.
        places = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        return problem(422, "; ".join(places)[:1_000])

    async def failed(request: Request, error: Exception) -> Response:
        told = problem_of(error)
        if told is not None:
            return told
        route = request.scope.get("route")
        name = route.name if isinstance(route, APIRoute) else "?"
        _log.error("operation_crashed", operation=name, kind=type(error).__name__, exc_info=error)
        return problem(500, "The service failed at this request; its log has the details.")

    for kind in (IngestorError, ConnectorError, Exception):
        app.exception_handler(kind)(failed)
