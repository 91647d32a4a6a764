"""Searches while everything changes: a folder that never rests, a service that follows it, readers who ask all the time.

A search begins at a commit. What the ledger had superseded, deleted or hidden by then must not be among its hits; what
goes while it is under way may be, for it was so when it began.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ingestor import wire
from ingestor.ledger.ledger import Ledger
from tests.support.faults_churn import Corpus
from tests.support.faults_corpus import DOINGS, PLACES, word
from tests.support.served import Served

SOURCE = "desk"
MODES = ("hybrid", "dense", "keyword")

# Of a chunk and a revision of its document: whether both stood, bound to a place, at some commit after :began.
_STOOD = """
FROM chunk
JOIN document ON document.id = chunk.doc
JOIN cut ON cut.chunk = chunk.id AND (cut.died IS NULL OR cut.died > :began)
JOIN binding ON binding.doc = chunk.doc AND (binding.died IS NULL OR binding.died > :began)
JOIN layout ON layout.doc = chunk.doc AND (layout.died IS NULL OR layout.died > :began)
WHERE chunk.chunk_id = :chunk AND document.doc_id = :document AND coalesce(:revision, layout.revision) = layout.revision
"""
_GRANTED = """
AND EXISTS (SELECT 1 FROM acl_principal JOIN principal ON principal.id = acl_principal.principal
            WHERE acl_principal.acl = binding.acl AND principal.name IN (SELECT value FROM json_each(:principals))
              AND (acl_principal.died IS NULL OR acl_principal.died > :began))
"""


def commit_of(ledger: Ledger) -> int:
    """The last commit."""
    ((last,),) = ledger.search._db.read("SELECT coalesce(max(seq), 0) FROM commits")
    return int(last)


def outlived(ledger: Ledger, hit: wire.Place, began: int, principals: tuple[str, ...] | None) -> bool:
    """Whether what is shown had already gone, or was hidden from this reader, at the commit ``began``."""
    values: dict[str, object] = {
        "chunk": hit.chunk_id,
        "document": hit.document_id,
        "revision": hit.revision if isinstance(hit, wire.SearchHit) else None,
        "began": began,
        "principals": "[" + ",".join(f'"{name}"' for name in principals or ()) + "]",
    }
    stood = _STOOD if principals is None else _STOOD + _GRANTED
    return not ledger.search._db.read(f"SELECT 1 {stood} LIMIT 1", values)


@dataclass(kw_only=True)
class Asked:
    """What the readers were told. ``bad`` are hits that had gone before; ``late`` went while they were looked for."""

    searches: int = 0
    hits: int = 0
    late: int = 0
    commits: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


class Readers:
    """Threads that ask until ``total`` searches are answered, each as somebody else, in every mode."""

    def __init__(self, served: Served, total: int, seed: int) -> None:
        self.asked = Asked()
        self._served = served
        self._left = total
        self._seed = seed
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._loop, args=(n,), daemon=True) for n in range(2)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def done(self) -> bool:
        if self._failures:
            raise AssertionError("a search failed") from self._failures[0]
        return not any(thread.is_alive() for thread in self._threads)

    def _loop(self, number: int) -> None:
        rng = random.Random(self._seed + number)
        try:
            while self._take():
                self._ask(rng)
        except BaseException as error:
            self._failures.append(error)

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _ask(self, rng: random.Random) -> None:
        ledger = self._served.ledger
        principals = rng.choice([None, ("group:local",), ("user:nobody-here",), ("group:local", "public")])
        query = rng.choice([f"{rng.choice(PLACES)} {rng.choice(DOINGS)}", word(rng.randrange(200)), rng.choice(PLACES)])
        request = wire.SearchRequest.model_validate(
            {
                "query": query,
                "mode": rng.choice(MODES),
                "top": 20,
                "principals": principals,
                "merge": rng.random() < 0.1,
                "context": rng.choice([0, 0, 1]),
            }
        )
        began = commit_of(ledger)
        reply = self._served.operations.search(request)
        ended = commit_of(ledger)
        shown = [hit for one in reply.hits for hit in (one, *one.also)]
        bad = [hit.uri for hit in shown if outlived(ledger, hit, began, principals)]
        late = sum(outlived(ledger, hit, ended, principals) for hit in shown)
        with self._lock:
            self.asked.searches += 1
            self.asked.hits += len(shown)
            self.asked.late += late
            self.asked.notes[reply.note.partition(".")[0]] += 1
            self.asked.bad += [f"{query!r} as {principals} in {request.mode}: {uri}" for uri in bad]


def ask_under_churn(folder: Path, searches: int, seed: int) -> Asked:
    """The folder changes and is followed until so many searches were answered."""
    root = folder / "desk"
    root.mkdir()
    corpus = Corpus(root, seed, files=30)
    settings = f'[[source]]\nname = "{SOURCE}"\nkind = "files"\npath = "{root}"\npermissions = "posix"\n'
    served = Served(folder / "state", settings=settings)
    try:
        served.sync(SOURCE)
        readers, first = Readers(served, searches, seed), commit_of(served.ledger)
        readers.start()
        while not readers.done():
            for _ in range(4):
                corpus.step()
            served.sync(SOURCE)
        asked = readers.asked
        asked.steps, asked.commits = corpus.done, commit_of(served.ledger) - first
        return asked
    finally:
        served.close()
