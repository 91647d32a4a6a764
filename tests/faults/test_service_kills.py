"""kill -9 of the service while its source changes all the time: one state, one kill after the other.

The next service starts at once, on what the killed one left, while the source goes on changing. Then the
changes are held until the service has come to rest: its ledger must equal f(source), which is computed
without a ledger and without a past, its index must equal its ledger (``verify``), and nothing may have
been embedded twice but what the kill cost. Then the changes go on, and the service is killed again. So
damage that one check does not see meets the next ones.

A kill counts only while a run is open and some, not all, documents are committed as they are at that moment.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.parsing.pool import InlineParser
from tests.support.chroma_server import ChromaServer
from tests.support.faults_account import account, keep
from tests.support.faults_churn import Churn, Corpus
from tests.support.faults_kills import ROOT, Site, await_gone
from tests.support.faults_marks import Wish
from tests.support.faults_oracle import Passage, difference, wanted
from tests.support.faults_phases import Phase, histogram, phase_at, wish_for
from tests.support.faults_report import campaign_seed, write_report
from tests.support.faults_service import LivingService

pytestmark = pytest.mark.slow

PAGED = sorted((ROOT / "tests/data/handbook").rglob("tideline*.pdf"))
FOLDER, SERVER = "Chroma folder", "Chroma server"
MOST_AGAIN = 256  # units: one batch of the embed loop
CHANGE_EVERY_S, LINGER_S = 0.05, 0.7
KILLS, LEAST = 100, 10  # of each kind of index, and in each phase of it


@dataclass
class Count:
    """What happened, for the report."""

    seed: int
    embedder: str
    kills: Counter[tuple[str, Phase]] = field(default_factory=Counter)
    not_counted: Counter[str] = field(default_factory=Counter)
    in_recovery: int = 0
    with_children: Counter[str] = field(default_factory=Counter)
    again: list[int] = field(default_factory=list)
    checks: int = 0
    rebuilt: Counter[str] = field(default_factory=Counter)
    approved: Counter[str] = field(default_factory=Counter)
    sizes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def on(self, kind: str) -> int:
        return sum(count for (at, _), count in self.kills.items() if at == kind)

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def lines(self) -> list[str]:
        seconds = time.monotonic() - self.began
        left_out = ", ".join(f"{why}: {count}" for why, count in self.not_counted.items()) or "none"
        again = ", ".join(f"{units} x{count}" for units, count in sorted(Counter(self.again).items()))
        kinds = sorted({kind for kind, _ in self.kills})
        each = "; ".join(
            f"{kind}: {self.with_children[kind]} with its host and parsers killed too, {self.rebuilt[kind]} rebuilds"
            for kind in kinds
        )
        return [
            f"seed {self.seed}; {self.embedder} embedder; {self.total} kills counted,",
            f"{sum(self.not_counted.values())} not counted ({left_out}); {seconds:.0f} s in all,",
            f"{seconds / max(1, self.checks):.1f} s for each kill with its check.",
            *self.sizes,
            "",
            *histogram(self.kills),
            "",
            f"{each}.",
            f"{self.in_recovery} more kills hit a service while it was mending the kill before; these two share a check.",
            f"{self.checks} checks, each with the changes held: 0 lost, 0 duplicate, 0 orphan, 0 stale (`verify`), and",
            "the ledger equal to f(source) as a multiset of (source, item, text, span, heading path, page, principals).",
            f"Plans of deletions that the guard had to hold and that were approved first: {self.approved.total()}.",
            f"Units embedded again, by kill: {again}; at most {max(self.again, default=0)} (promise: {MOST_AGAIN}).",
        ]


class Campaign:
    """Kills on one state. Every service but the first starts on what a killed one left."""

    def __init__(self, place: Path, count: Count, *, files: int, url: str = "") -> None:
        self._random = random.Random(f"{count.seed} {url and 'server'}")
        self._count = count
        self.kind = SERVER if url else FOLDER
        place.mkdir()
        self._corpus = Corpus(place / "corpus", count.seed, files=files, formats=PAGED)
        self._site = Site(
            corpus=place / "corpus", state=place / "state", embedder=count.embedder, url=url, schedule="10s"
        )
        self._source = FilesSource(FilesConfig(name="corpus", path=str(self._corpus.root)))
        self._service: LivingService | None = None
        self._left: dict[int, str] = {}
        self._churn = Churn(self._corpus, pause_s=CHANGE_EVERY_S)

    def kill(self, phase: Phase, *, in_recovery: bool = False, surely: bool = False) -> None:
        """Start the service on what there is, let it come to rest, and kill it in ``phase`` (as near as it can
        be had) once the source changes again; with ``in_recovery`` at once, in its first work. ``surely``: its
        threads wait for one another and for their end, so that the kill hits what it is meant for."""
        hold = 2 if surely else 0
        wish = wish_for(phase, self._random, listed=12, hold=hold, stay=surely, armed=in_recovery, pace_s=0.005)
        service = self._start(wish)
        if not in_recovery:
            service.await_ready()
            time.sleep(self._random.uniform(0.0, LINGER_S))  # the mending begins while the source changes
            self.check()
            time.sleep(self._random.uniform(0.0, LINGER_S))
            service.arm()
        service.await_met()
        if not wish.stay:
            time.sleep(self._random.choice([0.0, 0.002, 0.01, 0.03]))
        elif wish.hold_after:
            service.await_held()
        with self._churn.held():
            with_children = self._random.random() < 0.5
            self._left = service.kill(with_children=with_children)
            reached = phase_at(wish.role, service.marks.point(wish.role))
            counted = self._judge(reached, service.last_run, in_recovery=in_recovery)
            self._count.with_children[self.kind] += counted and with_children
            self._count.again.append(service.again())
        service.close()
        self._service = None
        assert self._count.again[-1] <= MOST_AGAIN

    def check(self) -> None:
        """With the source at rest: ledger and index are f(source), and the living service embedded nothing twice."""
        service = self._service or self._start(Wish())
        with self._churn.held():
            everything = wanted(self._source, InlineParser(), SemanticCutter())
            expected = everything.passages
            found = service.until_approved(everything)
            self._count.approved[self.kind] += service.approved
            service.approved = 0
            if found != expected:
                self._explain(service, found, expected)
            reply = service.verify()
            assert reply.ok, reply.details
            assert (reply.checked, reply.lost, reply.duplicate, reply.orphan, reply.stale) == (
                expected.total(), 0, 0, 0, 0,
            )  # fmt: skip
            assert difference(service.passages(), expected) == ""
            assert service.again() == 0
        await_gone(self._left)
        self._count.checks += 1

    def _explain(self, service: LivingService, found: Counter[Passage], expected: Counter[Passage]) -> None:
        """Keep what there is, and print all that tells why: an assertion cuts it off."""
        with service.reading() as read:
            print(account(read, found, expected, self._corpus.root), flush=True)
        print(f"kept: {keep(self._site.state.parent)}", flush=True)
        raise AssertionError(difference(found, expected))

    def end(self) -> None:
        """The last check, and the figures of the whole."""
        self.check()
        assert self._service is not None
        with self._service.reading() as read:
            ((generations, chunks),) = read(
                "SELECT (SELECT max(id) FROM generation), (SELECT count(*) FROM cut WHERE died IS NULL)"
            )
        self._count.rebuilt[self.kind] = generations - 1
        self._count.sizes.append(
            f"{self.kind}: {self._corpus.size()} documents, {chunks} chunks at the end; "
            f"{self._corpus.done.total()} changes ({', '.join(f'{n} {kind}' for kind, n in self._corpus.done.most_common())})."
        )

    def close(self) -> None:
        self._churn.close()
        if self._service is not None:
            self._service.close()

    def _start(self, wish: Wish) -> LivingService:
        self._service = LivingService(self._site, wish)
        return self._service

    def _judge(self, phase: Phase | None, last_run: int, *, in_recovery: bool) -> bool:
        """Count the kill, or say why it does not count."""
        is_open, committed, documents = self._site.progress(last_run)
        if in_recovery:
            self._count.in_recovery += 1
        elif phase is None:
            self._count.not_counted["between two phases"] += 1
        elif not is_open:
            self._count.not_counted["no run open"] += 1
        elif not 0 < committed < documents:
            self._count.not_counted["all committed" if committed else "none committed"] += 1
        else:
            self._count.kills[(self.kind, phase)] += 1
            return True
        return False


@contextmanager
def campaign(place: Path, count: Count, *, files: int, server: bool) -> Iterator[Campaign]:
    """A campaign, with a Chroma server of its own where one is asked for; the server is never killed."""
    chroma = ChromaServer(place.with_name(f"{place.name}-chroma")) if server else None
    if chroma is not None:
        chroma.start()
    made = Campaign(place, count, files=files, url=chroma.url if chroma else "")
    try:
        yield made
        made.end()
    finally:
        made.close()
        if chroma is not None:
            chroma.kill()


def test_a_killed_service_is_mended_by_the_next(tmp_path: Path) -> None:
    """One kill in each phase under churn, and two with a Chroma server: nothing lost, doubled, left over or stale."""
    count = Count(seed=20_261_120, embedder="stub")
    with campaign(tmp_path / "folder", count, files=40, server=False) as made:
        for _ in range(4):
            for phase in Phase:
                if not count.kills[(FOLDER, phase)]:
                    made.kill(phase, surely=True)
    with campaign(tmp_path / "remote", count, files=40, server=True) as made:
        for phase in (Phase.WRITE, Phase.SETTLE, Phase.EMBED, Phase.COMMIT):
            if count.on(SERVER) < 2:
                made.kill(phase, surely=True)
    print("\n" + "\n".join(count.lines()))
    assert all(count.kills[(FOLDER, phase)] for phase in Phase)
    assert count.on(SERVER) >= 2


@pytest.mark.long
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize(("kind", "report"), [(SERVER, "service_kills_server.md"), (FOLDER, "service_kills_folder.md")])
def test_a_hundred_killed_services_are_mended(kind: str, report: str, tmp_path: Path) -> None:
    """100 kills with the real model on either kind of index, at least 10 in each phase."""
    count = Count(seed=campaign_seed(), embedder="model")
    with campaign(tmp_path / "site", count, files=40, server=kind == SERVER) as made:
        for number in range(2 * KILLS):
            lacking = [phase for phase in Phase if count.kills[(kind, phase)] < LEAST]
            if count.on(kind) >= KILLS and not lacking:
                break
            phase = lacking[number % len(lacking)] if lacking else list(Phase)[number % len(Phase)]
            made.kill(phase, surely=number % 5 > 0)
            if number % 10 == 9:
                made.kill(list(Phase)[number // 10 % len(Phase)], in_recovery=True)
            if number % 20 == 19:
                print("\n".join(count.lines()), flush=True)
    assert count.on(kind) >= KILLS
    assert min(count.kills[(kind, phase)] for phase in Phase) >= LEAST
    write_report(report, f"kill -9 of the service under churn, {kind}", count.lines())
