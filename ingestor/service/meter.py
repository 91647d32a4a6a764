"""What was done since the process began: counted where it is done, read by monitoring, and put to the account of each
source in the ledger."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from connectors.base import Scope
from ingestor.errors import LedgerError, ParseFailure
from ingestor.ledger.runs import Runs
from ingestor.ledger.usage import Spent, Usage
from ingestor.model import Document, ParseRequest, RunId, RunReport, SourceState, Trigger
from ingestor.ports import Parser

Labels = tuple[str, ...]

_CHANGES = ("added", "updated", "moved", "deleted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """Something that is counted, under which labels."""

    name: str
    help: str
    labels: Labels


RUNS = Counted(name="runs", help="Runs that ended.", labels=("source", "trigger", "outcome"))
RUN_SECONDS = Counted(name="run_seconds", help="Seconds that runs were open.", labels=("source",))
CHANGED = Counted(
    name="changed_documents",
    help="Documents that runs added, updated, moved, deleted, or failed to take in.",
    labels=("source", "change"),
)
BYTES_READ = Counted(name="read_bytes", help="Bytes that were read from a source.", labels=("source",))
UNITS = Counted(
    name="units", help="Units that were embedded, or whose vector was there (reused).", labels=("source", "how")
)
INDEX_WRITES = Counted(
    name="index_writes", help="Rows written to the vector index or deleted there.", labels=("source",)
)
CPU_SECONDS = Counted(
    name="cpu_seconds",
    help="Processor seconds by stage: read (list, read, cut, commit), parse, embed, index.",
    labels=("source", "stage"),
)
BUSY_SECONDS = Counted(name="stage_busy_seconds", help="Seconds in which a loop was at work.", labels=("stage",))
COUNTED = (RUNS, RUN_SECONDS, CHANGED, BYTES_READ, UNITS, INDEX_WRITES, CPU_SECONDS, BUSY_SECONDS)


class Meter:
    """Called from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[Counted, dict[Labels, float]] = {counted: defaultdict(float) for counted in COUNTED}
        self._paid: dict[str, Spent] = {}

    def add(self, what: Counted, amount: float, *labels: str) -> None:
        if amount > 0:
            with self._lock:
                self._totals[what][labels] += amount

    def share(self, what: Counted, amount: float, by: Mapping[str, int], *labels: str) -> None:
        """Divide ``amount`` among the sources as ``by`` says."""
        total = sum(by.values())
        for source, part in by.items():
            self.add(what, amount * part / total if total else 0.0, source, *labels)

    def read(self, what: Counted) -> Mapping[Labels, float]:
        with self._lock:
            return dict(self._totals[what])

    def sources(self) -> Sequence[str]:
        """Those that something was counted for."""
        with self._lock:
            return sorted({labels[0] for what in (CHANGED, UNITS, CPU_SECONDS) for labels in self._totals[what]})

    def settle(self, source: str, usage: Usage) -> None:
        """Put to the source's account what is not there yet. What the ledger cannot take now is put there the next
        time."""
        with self._lock:
            total, paid = self._spent(source), self._paid.get(source, Spent())
        owed = Spent(
            documents=total.documents - paid.documents,
            embedded=total.embedded - paid.embedded,
            reused=total.reused - paid.reused,
            cpu_s=total.cpu_s - paid.cpu_s,
        )
        if owed:
            with contextlib.suppress(LedgerError):
                usage.add(source, owed)
                self._paid[source] = total

    def _spent(self, source: str) -> Spent:
        changed, units, cpu = self._totals[CHANGED], self._totals[UNITS], self._totals[CPU_SECONDS]
        return Spent(
            documents=round(sum(changed.get((source, change), 0) for change in _CHANGES)),
            embedded=round(units.get((source, "embedded"), 0)),
            reused=round(units.get((source, "reused"), 0)),
            cpu_s=sum(seconds for labels, seconds in cpu.items() if labels[0] == source),
        )


class CountedRuns:
    """Implements ``ports.RunLedger`` for the loop of one source, in whose thread it is called: the processor time of
    that thread is the source's."""

    def __init__(self, runs: Runs, usage: Usage, meter: Meter) -> None:
        self._runs = runs
        self._usage = usage
        self._meter = meter
        self._counted_s = 0.0

    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId:
        return self._runs.start_run(source, trigger, scope)

    def finish_run(self, report: RunReport) -> None:
        self._runs.finish_run(report)
        meter, counts, source = self._meter, report.counts, report.source
        meter.add(RUNS, 1, source, report.trigger.value, report.outcome.value)
        meter.add(RUN_SECONDS, report.ended_at - report.started_at, source)
        for change in (*_CHANGES, "failed"):
            meter.add(CHANGED, getattr(counts, change), source, change)
        meter.add(BYTES_READ, counts.bytes_read, source)
        spent_s = time.thread_time()
        meter.add(CPU_SECONDS, spent_s - self._counted_s, source, "read")
        self._counted_s = spent_s
        meter.settle(source, self._usage)

    def set_state(self, source: str, state: SourceState, note: str = "") -> None:
        self._runs.set_state(source, state, note)


class CountedParser:
    """Implements ``ports.Parser`` for one source, to whose account parsing goes."""

    def __init__(self, parser: Parser, meter: Meter, source: str) -> None:
        self._parser = parser
        self._meter = meter
        self._source = source

    def recipe(self, name: str, media_type: str | None) -> str:
        return self._parser.recipe(name, media_type)

    def submit(self, request: ParseRequest) -> Future[Document]:
        future = self._parser.submit(request)
        future.add_done_callback(self._count)
        return future

    def close(self) -> None:
        self._parser.close()

    def _count(self, future: Future[Document]) -> None:
        try:
            seconds = future.result().cpu_s
        except ParseFailure as failure:
            seconds = failure.cpu_s
        except (Exception, CancelledError):  # about no document; whoever waits for it is told
            return
        self._meter.add(CPU_SECONDS, seconds, self._source, "parse")
