"""Errors as answers over HTTP: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

from connectors.errors import ConnectorError
from ingestor.errors import EmbedderError, IndexFailure, SourceHeld, UnknownId, UserError
from ingestor.web.failures import outward

MEDIA_TYPE = "application/problem+json"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="ingestor"'}


def problem(status: int, detail: str, *, hint: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if hint:
        body["hint"] = hint
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def problem_of(error: BaseException) -> JSONResponse | None:
    """What a caller is told of ``error``; None when he is told nothing, and the log has it."""
    reply = outward(error)
    return None if reply is None else problem(_status(error), reply.message, hint=reply.hint)


def _status(error: BaseException) -> int:
    match error:
        case UnknownId():
            return HTTPStatus.NOT_FOUND
        case UserError():
            return HTTPStatus.BAD_REQUEST
        case SourceHeld():
            return HTTPStatus.CONFLICT
        case IndexFailure() | EmbedderError() | ConnectorError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR
