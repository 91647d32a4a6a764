"""The pages and what each shows. What a visitor may see is decided where the principals go, in the ledger (R7); how the
sources fare is for operators, who are told names whoever may read them, and no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingestor import wire, wire_reading
from ingestor.errors import UnknownId
from ingestor.web.api import Api, Operations
from ingestor.web.page import plots
from ingestor.web.page.actions import Actions
from ingestor.web.page.rendering import HEADERS, assets
from ingestor.web.page.visits import Visit, visited
from ingestor.web.sessions import Sessions
from ingestor.web.turns import Turns

Mode = Literal["hybrid", "dense", "keyword"]

HITS = 10
_PASSAGE = 600  # characters of a hit
_RUNS = 20
_DOCUMENTS = 50  # on a page of a list
_PASSAGES = 100  # on a page of a document
_QUARANTINED = 50
_HELD = 500  # names of a plan that are shown


class Page:
    """Of one service."""

    def __init__(self, operations: Operations, api: Api, sessions: Sessions) -> None:
        self._operations = operations
        self._reads = api.reads
        self._under_way = api.under_way
        self._sessions = sessions
        self._turns = Turns()
        self._actions = Actions(operations, self._turns)

    def routes(self) -> Sequence[BaseRoute]:
        shown = {
            "/": self.overview,
            "/ui/search": self.search,
            "/ui/sources/{name}": self.source,
            "/ui/sources/{name}/plan": self.plan,
            "/ui/documents/{document_id}": self.document,
            "/ui/quarantine": self.quarantine,
        }
        done = {"/ui/do/{action}": self._actions.do, "/ui/logout": self._actions.logout}
        return [
            *(Route(at, visited(one, self._sessions), methods=["GET"], name=one.__name__) for at, one in shown.items()),
            *(Route(at, visited(one, self._sessions), methods=["POST"], name=one.__name__) for at, one in done.items()),
            Route("/ui/login", self._actions.login(self._sessions), methods=["GET", "POST"], name="login"),
            Route("/ui/static/{name}", static, methods=["GET"], name="static"),
        ]

    # -- pages -----------------------------------------------------------------------------------------------

    async def overview(self, visit: Visit) -> Response:
        """For an operator how everything fares; for a reader what there is to search."""
        if not visit.is_operator:
            fresh = await self._turns.ask(lambda: self._reads.freshness(visit.caller.reads_as()))
            return visit.show("reader.html", sources=fresh.sources)
        status, activity = await self._turns.ask(lambda: (self._reads.status(), self._reads.activity(None)))
        return visit.show(
            "overview.html",
            status=status,
            progress=await self._progress(status.sources),
            plots=(plots.lag_plot(activity), plots.throughput_plot(activity)),
        )

    async def source(self, visit: Visit) -> Response:
        """Raises ``UnknownId``, for a reader also for a source of which he may read nothing."""
        name, after = str(visit.request.path_params["name"]), visit.asked("after", 2_000)
        principals = visit.caller.reads_as()
        shelf = await self._turns.ask(lambda: self._reads.shelf(name, after, _DOCUMENTS, principals))
        if not visit.is_operator:
            fresh = await self._turns.ask(lambda: self._reads.freshness(principals))
            row = next((row for row in fresh.sources if row.name == name), None)
            if row is None:
                raise _nothing()
            return visit.show("reader_source.html", source=row, shelf=shelf, after=after)
        status, runs, activity = await self._turns.ask(
            lambda: (self._reads.status(), self._reads.runs(_RUNS, name), self._reads.activity(name))
        )
        found = next((row for row in status.sources if row.name == name), None)
        if found is None:
            raise _nothing()
        return visit.show(
            "source.html",
            source=found,
            progress=await self._progress([found]),
            runs=runs.runs,
            shelf=shelf,
            after=after,
            plots=(plots.lag_plot(activity), plots.throughput_plot(activity)),
        )

    async def plan(self, visit: Visit) -> Response:
        """The deletions of a source that wait for a person."""
        visit.require_operator()
        name = str(visit.request.path_params["name"])
        plan = await self._turns.ask(lambda: self._operations.plan(wire.PlanRequest(source=name)))
        return visit.show("plan.html", plan=plan, items=plan.items[:_HELD])

    async def quarantine(self, visit: Visit) -> Response:
        """Documents that no parser could take."""
        visit.require_operator()
        ignored, source = visit.asked("ignored") == "1", visit.asked("source")
        found = await self._turns.ask(lambda: self._reads.quarantine(source or None, ignored=ignored))
        first = _number(visit.asked("first"))
        return visit.show(
            "quarantine.html",
            items=found.items[first : first + _QUARANTINED],
            total=len(found.items),
            all_ignored=found.ignored,
            first=first,
            count_a_page=_QUARANTINED,
            ignored=ignored,
            source=source,
        )

    async def search(self, visit: Visit) -> Response:
        """Passages with the places that they stand at."""
        query, source, mode = visit.asked("q", 2_000), visit.asked("source"), visit.asked("mode")
        mode = mode if mode in {"hybrid", "dense", "keyword"} else "hybrid"
        principals = visit.caller.reads_as()
        fresh = await self._turns.ask(lambda: self._reads.freshness(principals))
        found = None
        if query:
            request = wire.SearchRequest(
                query=query,
                top=HITS,
                mode=cast("Mode", mode),
                sources=(source,) if source else (),
                principals=principals,
                passage=None if mode == "keyword" else _PASSAGE,  # it is made around what is near in meaning
            )
            found = await self._turns.ask(lambda: self._operations.search(request))
        return visit.show(
            "search.html", query=query, source=source, mode=mode, sources=fresh.sources, found=found, most=HITS
        )

    async def document(self, visit: Visit) -> Response:
        """A document by its passages, and what happened to it. Raises ``UnknownId``."""
        key, passage = str(visit.request.path_params["document_id"]), visit.asked("passage")
        principals, first = visit.caller.reads_as(), _number(visit.asked("first"))

        def look() -> tuple[wire_reading.DocumentReply, wire_reading.HistoryReply]:
            history = self._reads.history(key, key, principals)
            part = self._reads.document(key, first, _PASSAGES, principals)
            while passage and passage not in {one.chunk_id for one in part.passages}:
                behind = part.first + _PASSAGES
                if behind >= part.total:  # it is gone from there: the beginning is shown
                    part = self._reads.document(key, 0, _PASSAGES, principals)
                    break
                part = self._reads.document(key, behind, _PASSAGES, principals)
            return part, history

        document, history = await self._turns.ask(look)
        return visit.show("document.html", document=document, history=history, passage=passage, count_a_page=_PASSAGES)

    # -- helpers ---------------------------------------------------------------------------------------------

    async def _progress(self, sources: Sequence[wire.SourceStatus]) -> dict[str, wire.Progress]:
        running = [source.name for source in sources if source.state == "running"]
        return dict(await self._turns.ask(lambda: self._under_way(running))) if running else {}


async def static(request: Request) -> Response:
    """A file of ours, by its name among those that there are."""
    found = assets().get(request.path_params["name"])
    if found is None:
        raise HTTPException(404, "Not Found")
    content, media_type = found
    return Response(content, media_type=media_type, headers=HEADERS)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _nothing() -> UnknownId:
    return UnknownId("There is nothing by that name.")
