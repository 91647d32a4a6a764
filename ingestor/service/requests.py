"""What a source's runner is asked for, and which requests that wait become one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from connectors.base import WHOLE, Scope, within
from ingestor.model import Plan, RunReport, Tally, Trigger

_SCOPES_AT_ONCE = 64  # more hinted places than this are one scan of the whole

Watch = Callable[[str, Tally], None]
"""(stage, tally) of a run under way."""


@dataclass(kw_only=True, slots=True)
class Request:
    """What a run is asked for. Requests that wait are merged into one."""

    trigger: Trigger
    scopes: list[Scope]
    approve: Plan | None = None
    waiters: list[Future[RunReport]] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    request_id: str = ""  # of whoever asked for it over the socket, for the log

    @property
    def is_hint(self) -> bool:
        return self.trigger is Trigger.WATCH

    def merges_with(self, other: Request) -> bool:
        """Hints with hints and scans with scans; an approval stands for itself."""
        return self.is_hint == other.is_hint and self.approve is None and other.approve is None

    def merge(self, other: Request) -> None:
        """Take the other one in."""
        if other.waiters and not self.waiters:
            self.trigger = other.trigger  # whose run it is: that of who waits for it
        self.request_id = self.request_id or other.request_id
        self.waiters += other.waiters
        self.watches += other.watches
        self.scopes = collapsed([*self.scopes, *other.scopes])

    def resolve(self, *, report: RunReport | None = None, error: BaseException | None = None) -> None:
        """Tell those who wait how it ended."""
        for waiter in self.waiters:
            if error is not None:
                waiter.set_exception(error)
            elif report is not None:
                waiter.set_result(report)


class Requests:
    """Those that wait. The caller locks, except for ``hints``, which any thread may ask."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def hints(self) -> bool:
        """Whether a hint waits."""
        return any(request.is_hint for request in self._waiting)

    def people(self) -> bool:
        """Whether somebody waits for an answer."""
        return any(request.waiters for request in self._waiting)

    def put(self, request: Request) -> None:
        same = next((waiting for waiting in self._waiting if waiting.merges_with(request)), None)
        if same is None:
            self._waiting.append(request)
        else:
            same.merge(request)

    def take(self, *, hints_only: bool = False) -> Request | None:
        """The next one, hints first: somebody just saved a file."""
        chosen = next((request for request in self._waiting if request.is_hint), None)
        if chosen is None and not hints_only and self._waiting:
            chosen = self._waiting[0]
        if chosen is not None:
            self._waiting.remove(chosen)
        return chosen

    def take_all(self) -> list[Request]:
        left, self._waiting = self._waiting, []
        return left


def collapsed(scopes: Sequence[Scope]) -> list[Scope]:
    """Without repeats and without what stands beneath another; too many are the whole."""
    distinct = sorted(set(scopes), key=len)
    if WHOLE in distinct or len(distinct) > 16 * _SCOPES_AT_ONCE:
        return [WHOLE]
    kept: list[Scope] = []
    for scope in distinct:
        if not any(within(scope, above) for above in kept):
            kept.append(scope)
    return kept if len(kept) <= _SCOPES_AT_ONCE else [WHOLE]
