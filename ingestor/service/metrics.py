"""``/metrics``: how the service does, for Prometheus. Names of sources stand in it, and no other name of theirs: who
reads it need not be allowed to read a document.

Reading it costs a walk over some indexes of the ledger, at most a fiftieth of the time: what took 0.1 s to count is
shown for the next 5 s.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ingestor import __version__, log, space, wire_service
from ingestor.errors import LedgerError
from ingestor.index.health import IndexState
from ingestor.index.probe import Damage
from ingestor.ledger.measures import Edit, Measures, SourceMeasures
from ingestor.ledger.sources import SourceRow
from ingestor.model import SourceState
from ingestor.service.core import Service
from ingestor.service.jobs import Job, JobOutcome, JobState, job_states
from ingestor.service.meter import COUNTED
from ingestor.sync.lag import lag

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "ingestor_"

_REST = 50.0  # times what counting took, until it is counted again
_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
_MILESTONES: Mapping[str, Callable[[Edit], float | None]] = {
    "seen": lambda edit: edit.seen_at,
    "committed": lambda edit: edit.committed_at,
    "embedded": lambda edit: edit.embedded_at,
    "searchable": lambda edit: edit.searchable_at,
}

_BAD = frozenset({JobOutcome.FAILED, JobOutcome.DIFFERS})

Health = Callable[[], wire_service.HealthReply]

_log = log.get()


@dataclass(kw_only=True, slots=True)
class _Histogram:
    """Not frozen: it counts."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    total: float = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(_BUCKETS, value)] += 1
        self.total += value

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Cumulated, as the format wants them."""
        so_far = 0
        for limit, count in zip((*map(str, _BUCKETS), "+Inf"), self.counts, strict=True):
            so_far += count
            yield limit, so_far


class Lags:
    """How long edits took to be seen, committed, embedded and searchable, since this was made. The ledger has the
    times; each look takes in those that it has not had."""

    def __init__(self, measures: Measures, since: float) -> None:
        self._measures = measures
        self._since = since
        self._there: set[tuple[int, int]] = set()  # those of that very moment, which are in already
        self._histograms: dict[tuple[str, str], _Histogram] = {}

    def look(self) -> Mapping[tuple[str, str], _Histogram]:
        """By (source, milestone)."""
        for edit in self._measures.edits(self._since, self._there):
            if edit.searchable_at > self._since:
                self._since, self._there = edit.searchable_at, set()
            self._there.add(edit.revision)
            for milestone, moment in _MILESTONES.items():
                if (at := moment(edit)) is not None:
                    histogram = self._histograms.setdefault((edit.source, milestone), _Histogram())
                    histogram.observe(lag(edit.edited_at, at))
        return self._histograms


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What the ledger said at one look."""

    rows: Sequence[SourceRow]
    measures: SourceMeasures
    lags: Mapping[tuple[str, str], _Histogram]
    generations: Sequence[tuple[str, str]]  # (location, state)
    jobs: Mapping[Job, JobState]


class Metrics:
    """A collector as ``prometheus_client`` wants one. ``render`` may be called from any thread."""

    def __init__(self, service: Service, health: Health, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._health = health
        self._clock = clock
        self._began = time.time()
        self._lags = Lags(service.ledger.measures, self._began)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._again_at = float("-inf")

    def render(self) -> bytes:
        """The page, in the text format of Prometheus."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        with self._lock:  # one count at a time, whoever asks
            return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        seen = self._look()
        yield from self._process()
        if seen is not None:
            yield from self._sources(seen)
            yield from self._index(seen)
            yield from _maintenance(seen.jobs)
            yield self._histograms(seen.lags)
        yield from self._counters()

    def _look(self) -> _Seen | None:
        """None while the ledger cannot be read, which ``ingestor_live`` tells."""
        if self._clock() < self._again_at:
            return self._seen
        began, ledger = self._clock(), self._service.ledger
        try:
            self._seen = _Seen(
                rows=ledger.sources.all(),
                measures=ledger.measures.sources(),
                lags=self._lags.look(),
                generations=[(g.location, g.state.value) for g in ledger.index.generations()],
                jobs=job_states(ledger.upkeep),
            )
        except LedgerError as error:
            _log.warning("metrics_without_ledger", error=str(error))
            self._seen = None
        ended = self._clock()
        self._again_at = ended + _REST * (ended - began)
        return self._seen

    # -- families ----------------------------------------------------------------------------------

    def _process(self) -> Iterator[Metric]:
        health, state = self._health(), self._service.ledger.folder
        yield _gauge("info", "The version of the program.", ("version",), [((__version__,), 1)])
        yield _gauge("live", "Whether no restart is needed (as /healthz says).", (), [((), health.live)])
        yield _gauge("ready", "Whether all that it is for can be had (as /readyz says).", (), [((), health.ready)])
        yield _gauge(
            "stage_waits",
            "Whether a loop cannot go on just now, for want of the model, the index or room.",
            ("stage",),
            [((stage,), waits) for stage, waits in self._service.parts.pump.waits().items()],
        )
        yield _gauge("state_free_bytes", "Free room on the disk of the state folder.", (), [((), space.free(state))])
        yield _gauge(
            "state_bytes",
            "Size of the ledger's files: ledger, vectors, and the logs that are not folded into them yet (wal).",
            ("file",),
            [((name,), size) for name, size in _sizes(state).items()],
        )

    def _sources(self, seen: _Seen) -> Iterator[Metric]:
        measures, names = seen.measures, [row.name for row in seen.rows]
        yield _gauge(
            "source_state",
            "1 for the state that the source is in, as `ingestor status` shows it.",
            ("source", "state"),
            [
                ((row.name, state.value), (SourceState.PAUSED if row.paused else row.state) is state)
                for row in seen.rows
                for state in SourceState
            ],
        )
        for name, text, counts in (
            ("documents", "Documents, without those in quarantine.", measures.documents),
            ("chunks", "Live chunks.", measures.chunks),
            ("held_deletions", "Deletions that wait for a person.", measures.held),
        ):
            yield _gauge(name, text, ("source",), [((source,), counts.get(source, 0)) for source in names])
        yield _gauge(
            "pending_rows",
            "Chunks that wait to be embedded, rows that wait to be written to the index or deleted there.",
            ("source", "stage"),
            [
                ((source, stage), counts.get(source, 0))
                for source in names
                for stage, counts in (("embed", measures.to_embed), ("index", measures.to_index))
            ],
        )
        yield _gauge(
            "quarantined_documents",
            "Documents that no parser could take, by reason, without the ignored ones.",
            ("source", "reason"),
            sorted(measures.quarantined.items()),
        )
        yield _gauge(
            "last_good_run_timestamp_seconds",
            "When a run of the source last came to its end (ok, partial or held).",
            ("source",),
            [((source,), at) for source, at in sorted(measures.well.items())],
        )
        yield _gauge(
            "next_run_timestamp_seconds",
            "When the source is looked at next by its schedule.",
            ("source",),
            [((row.name,), row.next_run) for row in seen.rows if row.next_run is not None],
        )

    def _index(self, seen: _Seen) -> Iterator[Metric]:
        index = self._service.parts.index
        state, probed = index.health().state, index.probed
        yield _gauge(
            "index_state",
            "1 for the state of the vector index.",
            ("state",),
            [((known.value,), known is state) for known in IndexState],
        )
        yield _gauge(
            "generation",
            "Generations of the vector index.",
            ("generation", "state"),
            [(generation, 1) for generation in seen.generations],
        )
        if probed is None:
            return
        yield _gauge(
            "probe_timestamp_seconds", "When the index was last compared with the ledger.", (), [((), probed.at)]
        )
        yield _gauge("probe_rows", "Rows that the last probe compared.", (), [((), probed.rows)])
        yield _gauge(
            "probe_findings",
            "Rows of the last probe that were not as the ledger wants them; wrecked: the store could not be read.",
            ("damage",),
            [*(((damage.value,), probed.found[damage]) for damage in Damage), (("wrecked",), probed.wrecked)],
        )

    def _histograms(self, lags: Mapping[tuple[str, str], _Histogram]) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            f"{PREFIX}lag_seconds",
            "From an edit in the source, where its time can be believed, until it was seen, committed, embedded and"
            " searchable.",
            labels=("source", "until"),
        )
        for labels, histogram in sorted(lags.items()):
            family.add_metric(labels, list(histogram.buckets()), histogram.total)
        return family

    def _counters(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        meter = self._service.parts.meter
        found: list[tuple[str, str, Sequence[str], Iterable[tuple[Sequence[str], float]]]] = [
            (counted.name, counted.help, counted.labels, meter.read(counted).items()) for counted in COUNTED
        ]
        found.append(("log_events", "Warnings and errors by name.", ("event", "level"), log.tallied().items()))
        for name, text, labels, values in found:
            family = CounterMetricFamily(f"{PREFIX}{name}", text, labels=labels)
            for key, value in sorted(values):
                family.add_metric(key, value)
            yield family


def _maintenance(jobs: Mapping[Job, JobState]) -> Iterator[Metric]:
    yield _gauge(
        "maintenance_good_timestamp_seconds",
        "When a job of maintenance last went well.",
        ("task",),  # "job" is a label of Prometheus itself
        [((job.value,), state.well_at) for job, state in jobs.items() if state.well_at is not None],
    )
    yield _gauge(
        "maintenance_failed",
        "Whether a job of maintenance failed the last time, or found a difference.",
        ("task",),
        [((job.value,), state.outcome in _BAD) for job, state in jobs.items() if state.done_at is not None],
    )


def _gauge(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for key, value in values:
        family.add_metric(key, float(value))
    return family


def _sizes(state: Path) -> Mapping[str, int]:
    """Bytes of the ledger's files, together by what they are."""
    sizes = {"ledger": 0, "vectors": 0, "wal": 0}
    for path in state.glob("*.sqlite3*"):
        kind = "wal" if path.name.endswith("-wal") else "vectors" if path.name.startswith("vectors-") else "ledger"
        with contextlib.suppress(OSError):  # it comes and goes
            sizes[kind] += path.stat().st_size
    return sizes
