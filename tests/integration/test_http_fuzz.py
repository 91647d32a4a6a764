"""The HTTP API under requests that are made from its description, by schemathesis: fitting ones and others."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import structlog
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from ingestor import log
from ingestor.tokens import Role
from tests.support.faults_report import write_report
from tests.support.portal import HOST, Portal
from tests.support.world import World

EACH = 6
LONG_EACH = 400
CANARY = re.compile(r"canary-[0-9a-z]+")


def _asked(portal: Portal, each: int) -> dict[str, Counter[int]]:
    """Every operation, with ``each`` requests that fit its description and as many that do not: the statuses of its
    answers."""
    token = portal.token(everything=True, role=Role.OPERATOR)
    # What is not checked: whether a request that fits is taken. It may name what is not there.
    must = [checks.not_a_server_error, content_type_conformance, response_schema_conformance]
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", portal.gate, headers={"host": HOST})
    statuses: dict[str, Counter[int]] = defaultdict(Counter)

    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=each,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                answer = case.call(headers={"host": HOST, "authorization": f"Bearer {token}"})
                statuses[case.operation.label][answer.status_code] += 1
                case.validate_response(answer, checks=must)

            ask()
    return statuses


@pytest.fixture
def portal(world: World) -> Portal:
    world.write("harbour.md", "# Harbour\n\nThe pump leaks.\n")
    world.sync()
    world.drain()
    return Portal(world)


@pytest.mark.slow
def test_no_request_makes_the_service_fail(portal: Portal) -> None:
    """No 5xx, and each answer is as it is described."""
    assert sum(map(Counter.total, _asked(portal, EACH).values())) >= 15 * EACH


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_request_makes_the_service_fail_long(portal: Portal) -> None:
    """The long form."""
    statuses = _asked(portal, LONG_EACH)
    count = sum(map(Counter.total, statuses.values()))
    assert count >= 15 * LONG_EACH
    write_report(
        "http_fuzz.md",
        "The HTTP API under requests that are made from its description",
        [
            f"{count:,} requests by schemathesis: of each of {len(statuses)} operations at most {LONG_EACH} that fit,",
            "and as many that do not; always the same ones, so that there is no seed. No answer was a 5xx,",
            "and each had a content type and a body as they are described.",
            "",
            "| operation | answers |",
            "| --- | --- |",
            *(
                f"| `{name}` | {', '.join(f'{status}: {times:,}' for status, times in sorted(answered.items()))} |"
                for name, answered in statuses.items()
            ),
        ],
    )


@pytest.fixture
def talkative(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything is logged, as a service does it, but what the client that asks says of itself."""
    root, clients = logging.getLogger(), [logging.getLogger(name) for name in ("httpx", "httpx2")]
    handlers, level = root.handlers[:], root.level
    log.configure(level="debug", form="json")
    caplog.set_level(logging.DEBUG)
    for client in clients:
        client.setLevel(logging.WARNING)
    yield caplog
    for client in clients:
        client.setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_no_secret_is_logged(
    portal: Portal, capfd: pytest.CaptureFixture[str], talkative: pytest.LogCaptureFixture
) -> None:
    """Neither tokens nor questions, texts, bodies or headers, at the most talkative level, also where things go wrong."""
    portal.world.write("secret.md", "# Secret\n\nThe text is canary-1text.\n")
    portal.world.sync()
    token = portal.token(everything=True, role=Role.OPERATOR)
    bodies = ({"query": "canary-2query"}, {"query": 3, "canary-3key": "canary-4value"}, ["canary-5list"])
    with portal.client(token) as client:
        said = [client.post("/v1/search", json=body) for body in bodies]
        said.append(client.get("/v1/documents/canary-6id", headers={"x-canary": "canary-7header"}))
        said.append(client.get("/v1/sources", headers={"authorization": "Bearer canary-8token"}))
        said.append(client.get("/v1/sources", headers={"host": "canary-9host"}))
        said.append(client.get("/canary-apath?canary-bquery=canary-cvalue"))
        portal.operations.error = RuntimeError("canary-dbug")
        said.append(client.post("/v1/search", json={"query": "canary-equery"}))
    logged = "".join(capfd.readouterr()) + talkative.text
    assert "operation_crashed" in logged  # it does log
    assert token not in logged
    assert token.split("_", 2)[2] not in logged
    # What an exception says is ours; that of a bug stands in the traceback, and nothing of a request does.
    assert set(CANARY.findall(logged)) <= {"canary-dbug"}
    told = {word for answer in said[1:] for word in CANARY.findall(answer.text)}
    assert told <= {"canary-3key", "canary-6id"}  # the name of a wrong key, and the id that was asked for
