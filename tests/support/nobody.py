"""Run a question without the superuser's rights, so that refused permission is the kernel's own answer."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

NOBODY = 65534

T = TypeVar("T")


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
