"""Run a question without the superuser's rights, so that refused permission is the kernel's own answer."""

from __future__ import annotations

import ctypes
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

NOBODY = 65534

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def reading_as_nobody() -> Iterator[None]:
    """Within, this thread alone meets the file system as uid 65534, without the superuser's rights
    (setfsuid(2)); the rest of the process goes on as it is."""
    before = _libc.setfsuid(NOBODY)
    try:
        yield
    finally:
        _libc.setfsuid(before)


class AsNobody:
    """A source whose every question is asked as nobody, in whatever thread."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return str(self._inner.name)

    def list(self, *arguments: Any) -> Iterator[Any]:
        with reading_as_nobody():
            found = [*self._inner.list(*arguments)]
        yield from found

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._inner, name)

        def asked(*arguments: Any) -> Any:
            with reading_as_nobody():
                return ask(*arguments)

        return asked


def as_nobody(question: Callable[[], T]) -> T:
    """The answer (or the exception) of ``question`` in a child of uid 65534; in this process where it is
    not the superuser's. Both cross a pipe, so they must pickle. Import before what the question needs."""
    if os.geteuid() != 0:
        return question()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                answer: tuple[bool, object] = True, question()
            except Exception as error:
                answer = False, error
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value
