"""Which requests that wait become one run, and which comes first."""

from __future__ import annotations

from concurrent.futures import Future

from connectors.base import WHOLE, Scope
from ingestor.model import Plan, RunReport, Trigger
from ingestor.service.requests import Request, Requests

PLAN = Plan(plan_id="1", source="s", reason="", items=(), created_at=0.0)


def ask(trigger: Trigger, scope: str = WHOLE, *, waits: bool = False, approve: Plan | None = None) -> Request:
    waiters = [Future[RunReport]()] if waits else []
    return Request(trigger=trigger, scopes=[Scope(scope)], waiters=waiters, approve=approve)


def test_hints_and_scans_wait_apart_and_hints_come_first() -> None:
    """Somebody just saved a file; a scan may take hours."""
    waiting = Requests()
    for request in (ask(Trigger.SCHEDULE), ask(Trigger.WATCH, "a"), ask(Trigger.SYNC), ask(Trigger.WATCH, "b")):
        waiting.put(request)
    assert waiting.hints()
    first, second = waiting.take(), waiting.take()
    assert first is not None
    assert second is not None
    assert (first.trigger, sorted(first.scopes)) == (Trigger.WATCH, ["a", "b"])
    assert second.scopes == [WHOLE]
    assert waiting.take() is None


def test_an_approval_is_a_run_of_its_own() -> None:
    """What a person approved is not mixed with what somebody else asked for."""
    waiting = Requests()
    for approve in (None, PLAN, PLAN):
        waiting.put(ask(Trigger.SYNC, approve=approve))
    assert len(waiting.take_all()) == 3
    assert not waiting


def test_only_hints_are_taken_while_a_scan_gives_way() -> None:
    """The scans that wait go on waiting."""
    waiting = Requests()
    waiting.put(ask(Trigger.SCHEDULE, waits=True))
    assert waiting.take(hints_only=True) is None
    assert waiting.people()
