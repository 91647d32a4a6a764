"""One command of ingestor in a process that writes down where it is, so that a test can kill it there.

    child.py MARKS WISH COMMAND...

MARKS is a file that the test maps, too (``Marks``); it outlives the process, as a flight recorder does.
WISH is JSON (``Wish``). Nothing of the program is replaced but, on request, the embedding model, whose
loading takes most of a short run; what it embeds and the index hosts that it starts are counted.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from ingestor import faultpoint
from tests.support.faults_marks import Marks, Wish, role_of

_HELD_S = 8.0  # what is held goes on after it: then the wish needs more work than there is so far
_STAY_S = 60.0


class Recorder:
    """The hook: writes each point down, holds and paces the source's thread, and tells when the wish is met."""

    def __init__(self, marks: Marks, wish: Wish) -> None:
        self._marks = marks
        self._wish = wish
        self._armed = wish.armed
        self._met = threading.Event()
        self._times = self._fetches = self._commits = 0

    def __call__(self, name: str) -> None:
        role = role_of(threading.current_thread().name)
        self._marks.at(role, name)
        if name == "index.write":
            self._marks.write_begun()
        elif name == "index.write.done":
            self._marks.write_done()
        self._armed = self._armed or self._marks.is_armed()
        if not self._armed:
            return
        if role == "sync":
            self._pace(name)
        if name == self._wish.point and self._wish.role in {role, ""} and not self._met.is_set():
            self._times += 1
            if self._times == self._wish.times and self._ripe():
                self._met.set()
                self._marks.met()
                if self._wish.stay:
                    time.sleep(_STAY_S)
            elif self._times == self._wish.times:
                self._times -= 1

    def _pace(self, name: str) -> None:
        """A run over few files takes long enough for the other threads to come to their work."""
        if name == "fetch":
            self._fetches += 1
            time.sleep(self._wish.pace_s)
            if (
                self._wish.hold_after
                and self._fetches > self._wish.hold_after
                and self._commits
                and not self._met.wait(_HELD_S)
            ):
                self._fetches = 0  # so many more are read: the others have used up what there was
            if self._wish.hold_after and self._met.is_set():
                self._marks.held()
                time.sleep(_STAY_S)
        elif name == "ledger.commit.done" and self._fetches:
            self._commits += 1

    def _ripe(self) -> bool:
        """Whether content of this run is committed, where the wish asks for that."""
        return self._commits > 0 or not self._wish.after_content


def count_embedded(marks: Marks, kind: str) -> None:
    """Put a counting embedder where wiring looks for it: the real one, or the stub."""
    from ingestor.embedding import embedder as module

    if kind == "stub":
        from tests.support.stub_embedder import StubEmbedder

        class Counting(StubEmbedder):
            def __init__(self, _name: str, *, whole: bool = False) -> None:
                assert not whole
                super().__init__()

            def embed(self, texts: Sequence[str]) -> Any:
                marks.embedded(len(texts))
                return super().embed(texts)

    else:

        class Counting(module.SentenceEmbedder):  # type: ignore[no-redef]  # one of the two
            def embed(self, texts: Sequence[str]) -> Any:
                marks.embedded(len(texts))
                return super().embed(texts)

    module.SentenceEmbedder = Counting  # type: ignore[misc,assignment]


def count_hosts(marks: Marks) -> None:
    from ingestor.index.host import Host

    start = Host.start

    def counted(self: Host) -> None:
        marks.host_started()
        start(self)

    Host.start = counted  # type: ignore[method-assign]


def main() -> int:
    marks, wish = Marks(Path(sys.argv[1])), Wish(**json.loads(sys.argv[2]))
    count_embedded(marks, os.environ.get("INGESTOR_TEST_EMBEDDER", "stub"))
    count_hosts(marks)
    faultpoint.install(Recorder(marks, wish))
    from ingestor.cli.main import main as command

    return command(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
