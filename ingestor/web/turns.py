"""What blocks, asked for by an asynchronous server: each in a thread of its own that ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from starlette.exceptions import HTTPException

ANSWER_S = 30.0
"""A question that takes longer is given up; work that takes longer is gone on with, and the answer says so."""

_AT_ONCE = 8
_WAITING = 32  # questions that wait for their turn; above it we are busy

Answer = TypeVar("Answer")


class Turns:
    """Of one server, in its loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """For what only reads: so many at once. Raises ``HTTPException`` where it is not answered in time."""
        if self._asked >= _AT_ONCE + _WAITING:
            raise HTTPException(503, "Too many questions at once.", headers={"Retry-After": "1"})
        self._asked += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._turn.acquire()
                answer = _begun(question, "question")
                # Not before the thread ends, which may be after the question was given up.
                answer.add_done_callback(lambda _: self._turn.release())
                return await asyncio.shield(answer)
        except TimeoutError:
            raise HTTPException(503, f"No answer within {ANSWER_S:.0f} s.", headers={"Retry-After": "10"}) from None
        finally:
            self._asked -= 1

    async def work(self, work: Callable[[], Answer], name: str, patience_s: float | None = None) -> Answer | None:
        """For what may take long: None when it goes on behind our back, after ``patience_s`` (``ANSWER_S``)."""
        ending = _begun(work, name)
        done, _ = await asyncio.wait({ending}, timeout=ANSWER_S if patience_s is None else patience_s)
        return ending.result() if done else None


def _begun(call: Callable[[], Answer], name: str) -> asyncio.Future[Answer]:
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[Answer] = loop.create_future()

    def settle(result: Answer | None, error: BaseException | None) -> None:
        if ending.done():
            return
        if error is not None:
            ending.set_exception(error)
            ending.exception()  # looked at: perhaps nobody waits for it any more
        else:
            ending.set_result(result)  # type: ignore[arg-type]  # of a call that raised nothing

    def run() -> None:
        result, failed = None, None
        try:
            result = call()
        except Exception as error:  # whatever it is reaches who waits
            failed = error
        with contextlib.suppress(RuntimeError):  # the server stopped; nobody waits any more
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name=f"ingestor-{name}", daemon=True).start()
    return ending
