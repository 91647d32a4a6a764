"""The log of answers: what was shown to programs and assistants, kept under an id that goes out with the answer.

Nobody waits for it: the ledger may be busy, or its disk full, and a search is not to notice. So an id that a process
took into its death means nothing, and the search of it is refused like that of any other id.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from ingestor import log
from ingestor.errors import LedgerError
from ingestor.model import Answer, Hit, Reader, Shown

PREFIX = "answer-"
_WAITING = 1_000
_AT_ONCE = 100
_PAUSE_S = 1.0

_log = log.get()


class AnswerLog:
    """``note`` is called from any thread. Its own begins with the first answer."""

    def __init__(self, record: Callable[[Sequence[Answer]], None], *, keeps: bool, questions: bool) -> None:
        """``record`` is tried again where it raises ``LedgerError``. ``questions``: their text is kept as well."""
        self.keeps = keeps
        self._record = record
        self._questions = questions
        self._waiting = queue.Queue[Answer | None](_WAITING)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, question: str, reader: Reader, hits: Sequence[Hit]) -> str:
        """The id of this answer; empty where none is kept, also because too many wait to be written."""
        if not self.keeps or self._closing.is_set():
            return ""
        answer = Answer(
            answer_id=PREFIX + secrets.token_hex(16),
            at=time.time(),
            reader=reader.principals,
            question=question if self._questions else None,
            passages=tuple(_shown(hits)),
        )
        try:
            self._waiting.put_nowait(answer)
        except queue.Full:
            _log.warning("answers_not_kept", reason="too many wait to be written")
            return ""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="answers", daemon=True)
                self._thread.start()
        return answer.answer_id

    def close(self, timeout: float) -> bool:
        """Write what waits, as far as that takes no longer; whether nothing was left. Safe to call twice."""
        self._closing.set()
        if self._thread is None:
            return True
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def flush(self) -> None:
        """Until everything that was noted so far is written, or given up."""
        self._waiting.join()

    def _write(self) -> None:
        while (answer := self._waiting.get()) is not None:
            batch = [answer]
            while len(batch) < _AT_ONCE and (more := self._next()) is not None:
                batch.append(more)
            self._keep(batch)
            for _ in batch:
                self._waiting.task_done()

    def _next(self) -> Answer | None:
        try:
            more = self._waiting.get_nowait()
        except queue.Empty:
            return None
        if more is None:
            self._waiting.put(None)  # the end: seen again by who takes the next batch
        return more

    def _keep(self, batch: Sequence[Answer]) -> None:
        while True:
            try:
                self._record(batch)
            except LedgerError as error:
                _log.warning("answers_not_kept", reason=str(error))
                if self._closing.wait(_PAUSE_S):
                    return  # what waits is lost with the process, as at a kill
            except Exception:
                _log.error("answers_crashed", exc_info=True)
                return
            else:
                return


def _shown(hits: Sequence[Hit]) -> list[Shown]:
    """Every chunk that stood in them, once: those that a hit is made of, and those beside it."""
    return list(
        dict.fromkeys(
            Shown(chunk_id=chunk, document_id=hit.document_id, revision=hit.revision)
            for hit in hits
            for chunk in (
                *(one.chunk_id for one in hit.before),
                *(hit.joined or (hit.chunk_id,)),
                *(one.chunk_id for one in hit.after),
            )
        )
    )
