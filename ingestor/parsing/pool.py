"""The parser port: documents parsed in expendable processes, several at once.

A thread and a process per document in flight. The thread hands the content over, waits until the deadline
and then ends the whole process group; so a document can hang, crash or grow without hurting another, and
what it started (pandoc) ends with it. Workers are kept warm and given up after many documents, after a
failure that may have left something behind, or by themselves when nothing is asked of them.

Plain ``subprocess`` and a pipe each, instead of a pool from a library: those share a lock among their
workers that one death can leave held, end a process and not its group, and start by importing ``__main__``.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from ingestor import space
from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import reply
from ingestor.parsing.limits import Limits
from ingestor.parsing.ocr import Ocr
from ingestor.parsing.parse import parse as parse_in_process
from ingestor.parsing.process import Retired, Worker, end_leftovers, not_started
from ingestor.parsing.recipe import recipe as recipe_of

_UNSETTLING = frozenset({ParseReason.TIMEOUT, ParseReason.MEMORY, ParseReason.CRASHED, ParseReason.EXPANSION})


class InlineParser:
    """The port without a sandbox, for one document in the foreground: no limits, no other process."""

    def recipe(self, name: str, media_type: str | None) -> str:
        return recipe_of(name, media_type)

    def submit(self, request: ParseRequest) -> Future[Document]:
        future: Future[Document] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(parse_in_process(request))
        except ParseFailure as failure:
            future.set_exception(failure)
        return future

    def close(self) -> None:
        """Nothing to end."""


class ParserPool:
    """The port as the program uses it. No process starts before the first ``submit``."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        parse: Callable[[ParseRequest], Document] = parse_in_process,
        scratch: Path | None = None,
        ocr: Ocr | None = None,
    ) -> None:
        """``parse`` is any importable function; it runs in the workers. ``scratch`` is a folder of this pool
        alone for their temporary files: what a killed predecessor left there, lying or running, goes at the first
        worker. While its disk is full, futures raise ``NoSpace``, which is about no document."""
        self._limits = limits or Limits()
        self._parse_name = f"{parse.__module__}:{parse.__qualname__}"
        self._ocr = ocr or Ocr()
        self._threads = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)), thread_name_prefix="ingestor-parse")
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._closed = False
        self._scratch = scratch
        self._swept = scratch is None

    def recipe(self, name: str, media_type: str | None) -> str:
        return recipe_of(name, media_type, self._ocr)

    def submit(self, request: ParseRequest) -> Future[Document]:
        try:
            return self._threads.submit(self._parse, request)
        except RuntimeError:  # closed
            future: Future[Document] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    def close(self) -> None:
        """Ends every worker at once; what runs or waits is cancelled."""
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
            self._idle.clear()
        for worker in workers:
            worker.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _parse(self, request: ParseRequest) -> Document:
        self._require_room()
        try:
            return self._ask(request)
        except ParseFailure:
            if self._is_closed():  # the failure is that of a worker which was ended
                raise CancelledError from None
            self._require_room()  # no verdict on a document that had no room to be read in
            raise

    def _require_room(self) -> None:
        if self._scratch is not None:
            space.require(self._scratch)

    def _ask(self, request: ParseRequest) -> Document:
        worker = self._take()
        keep, before = False, worker.cpu_s()
        try:
            document = reply.decode(worker.ask(request, self._limits))
            document = replace(document, cpu_s=max(0.0, worker.cpu_s() - before))
            keep = True
        except Retired:
            return self._ask(request)  # once: a new worker never retires before its first answer
        except ParseFailure as failure:
            # A verdict on the content leaves a worker as it was; the rest may not.
            keep = failure.reason not in _UNSETTLING
            failure.cpu_s = max(0.0, worker.cpu_s() - before)  # nothing can be told of one that was ended meanwhile
            raise
        finally:
            self._give_back(worker, keep=keep)
        return document

    def _take(self) -> Worker:
        """A warm worker, else a new one. The most recently used first, so that the others fall idle."""
        while True:
            with self._lock:
                if self._closed:
                    raise CancelledError
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                break
            if worker.alive():
                return worker
            self._discard(worker)
        try:
            worker = Worker(self._settings(), self._swept_scratch(), ocr_pages=self._ocr.pages)
        except OSError as error:  # no memory, descriptors or temporary space for another process
            raise not_started() from error
        with self._lock:
            self._all.add(worker)
        if self._is_closed():
            self._discard(worker)
            raise CancelledError
        return worker

    def _settings(self) -> str:
        """What a worker is told. The languages are those that the recipe speaks of, not those that it would find."""
        return json.dumps(
            {
                "parse": self._parse_name,
                "processor": self._limits.processor,
                "memory": self._limits.memory,
                "scratch": self._limits.scratch,
                "idle": self._limits.idle,
                "page": self._limits.page,
                "stretches": self._limits.stretches,
                "ocr": asdict(self._ocr.here()),
            }
        )

    def _give_back(self, worker: Worker, *, keep: bool) -> None:
        if keep and worker.asked < self._limits.documents:
            with self._lock:
                if not self._closed:
                    self._idle.append(worker)
                    return
        self._discard(worker)

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()

    def _is_closed(self) -> bool:
        with self._lock:
            return self._closed

    def _swept_scratch(self) -> Path | None:
        with self._lock:
            if not self._swept and self._scratch is not None:
                end_leftovers(self._scratch)
                shutil.rmtree(self._scratch, ignore_errors=True)
                self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._swept = True
        return self._scratch
