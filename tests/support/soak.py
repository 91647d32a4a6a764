"""Churn for hours in minutes: what people and machines do to a folder and to the service that watches it, and what the
service takes of the machine meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestor import wire, wire_service
from tests.support.faults_kills import descendants, host_of
from tests.support.program import Service

FILES = 120
FOLDERS = 8
_SENTENCES = (
    300  # of which all texts are made: what is embedded comes to an end, and so does what may grow for a reason
)
_EVERY_S = 0.5  # a change
_LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """``memory`` is that of the service and of its index host, in bytes, without what only maps files: the kernel takes
    that back when it likes. Descriptors and threads are those of the service."""

    at: float
    memory: int
    descriptors: int
    threads: int


class Watched:
    """Looks at the processes of a service every second, from its making until ``stop``."""

    def __init__(self, pid: int) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def between(self, begin_s: float, end_s: float) -> list[Sample]:
        return [sample for sample in self.samples if begin_s <= sample.at < end_s]

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with contextlib.suppress(OSError, KeyError):
                host = host_of(descendants(self._pid))
                facts = _status(self._pid)
                self.samples.append(
                    Sample(
                        at=time.monotonic() - self._began,
                        memory=facts["RssAnon"] * 1024 + (_status(host)["RssAnon"] * 1024 if host is not None else 0),
                        descriptors=len(os.listdir(f"/proc/{self._pid}/fd")),
                        threads=facts["Threads"],
                    )
                )


def _status(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def median(samples: Sequence[Sample], what: Callable[[Sample], float]) -> float:
    return statistics.median(what(sample) for sample in samples)


class Churn:
    """A folder that people work in. Its size stays about the same, and so does the stock of sentences."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.rng = random.Random(seed)
        self.done: Counter[str] = Counter()
        words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("ner", "lo", "mi", "rat", "so")]
        self._stock = [f"The {' '.join(self.rng.choices(words, k=9))}." for _ in range(_SENTENCES)]
        self._made = 0
        for _ in range(FILES):
            self._add()
        self.done.clear()

    def step(self) -> None:
        """One thing that happens; each kind as often as it does in life, about."""
        kinds = (self._edit, self._swap, self._add, self._delete, self._move, self._folder, self._break, self._close)
        (kind,) = self.rng.choices(kinds, weights=(40, 15, 12, 12, 10, 1, 5, 5))
        kind()

    def readable(self) -> int:
        """How many documents there are now."""
        return len(self._texts())

    def _texts(self) -> list[Path]:
        return sorted(self.root.rglob("*.md"))

    def _text(self) -> str:
        return f"# {self.rng.choice(self._stock)}\n\n" + " ".join(self.rng.choices(self._stock, k=8)) + "\n"

    def _add(self) -> None:
        if len(self._texts()) > 1.1 * FILES:
            return
        folder = self.root / f"folder-{self.rng.randrange(FOLDERS)}"
        folder.mkdir(exist_ok=True)
        (folder / f"{self._made}.md").write_text(self._text())
        self._made += 1
        self.done["added"] += 1

    def _edit(self) -> None:
        path = self.rng.choice(self._texts())
        parts = path.read_text().split(". ")
        parts[self.rng.randrange(len(parts))] = self.rng.choice(self._stock).rstrip(".")
        path.write_text(". ".join(parts))
        self.done["edited"] += 1

    def _swap(self) -> None:
        """As many editors save."""
        path = self.rng.choice(self._texts())
        beside = path.with_name(f"{path.name}.tmp")
        beside.write_text(self._text())
        beside.replace(path)
        self.done["saved by rename"] += 1

    def _delete(self) -> None:
        if len(texts := self._texts()) > 0.9 * FILES:
            self.rng.choice(texts).unlink()
            self.done["deleted"] += 1

    def _move(self) -> None:
        path = self.rng.choice(self._texts())
        target = self.root / f"folder-{self.rng.randrange(FOLDERS)}"
        target.mkdir(exist_ok=True)
        if not (target / path.name).exists():
            path.rename(target / path.name)
            self.done["moved"] += 1

    def _folder(self) -> None:
        folder = self.rng.choice([path for path in sorted(self.root.iterdir()) if path.is_dir()])
        there = folder.with_name(f"{folder.name.partition('~')[0]}~{self._made}")
        if not there.exists():
            folder.rename(there)
            self.done["folders renamed"] += 1

    def _break(self) -> None:
        broken = self.root / f"broken-{self.rng.randrange(5)}.pdf"
        if broken.exists():
            broken.unlink()
        else:
            broken.write_bytes(b"%PDF-1.7\n" + self.rng.randbytes(200))
        self.done["unreadable files"] += 1

    def _close(self) -> None:
        path = self.rng.choice(self._texts())
        path.chmod(0o600 if path.stat().st_mode & 0o044 else 0o644)
        self.done["permissions changed"] += 1


class Asking:
    """What is asked of the service meanwhile, each in its time: searches, monitoring, commands, reloads, pauses."""

    def __init__(self, service: Service, port: int, rng: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.took_ms: list[tuple[float, float]] = []  # (when, how long) of searches
        self._service = service
        self._port = port
        self._rng = rng
        self._began = time.monotonic()
        self._due = {self._search: 1.0, self._monitor: 5.0, self._sync: 20.0, self._reload: 45.0, self._pause: 60.0}
        self._next = {ask: self._began + every for ask, every in self._due.items()}

    def step(self) -> None:
        for ask, every in self._due.items():
            if time.monotonic() >= self._next[ask]:
                self._next[ask] = time.monotonic() + every
                ask()

    def _search(self) -> None:
        began = time.monotonic()
        for mode in ("keyword", "hybrid"):
            self._service.search(f"the {self._rng.choice(('baner', 'delo', 'firat', 'goso'))} harbour", mode=mode)
        self.took_ms.append((began - self._began, (time.monotonic() - began) * 1000))
        self.done["searches"] += 2

    def _monitor(self) -> None:
        for page in ("metrics", "healthz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{page}", timeout=60) as answer:
                assert answer.status == 200
                answer.read()
        self.done["looks of monitoring"] += 1

    def _sync(self) -> None:
        self._service.operations.sync(wire.SyncRequest(), lambda _: None)
        self.done["syncs"] += 1

    def _reload(self) -> None:
        self._service.process.send_signal(signal.SIGHUP)
        self.done["reloads"] += 1

    def _pause(self) -> None:
        names = wire_service.PauseRequest(sources=("desk",))
        self._service.operations.pause(names)
        self._service.operations.resume(names)
        self.done["pauses"] += 1


def soak(service: Service, churn: Churn, asking: Asking, seconds: float) -> Watched:
    """So long of both, with a look every second."""
    watched, end = Watched(service.process.pid), time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            assert service.process.poll() is None, f"the service ended with {service.process.returncode}"
            began = time.monotonic()
            churn.step()
            asking.step()
            time.sleep(max(0.0, began + _EVERY_S - time.monotonic()))
    finally:
        watched.stop()
    return watched
