"""``verify``: the ledger against itself, then the vector index against the ledger; and mending.

What is wrong in the ledger is counted where a person would look for it: a chunk without vectors is lost
to search by meaning, a keyword index out of step is stale.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ingestor import wire
from ingestor.index.probe import Damage, ProbeReport
from ingestor.service.core import Service
from ingestor.service.runner import PATIENCE_S

_SETTLE_S = 600.0
_DETAILS = 1_000

Report = Callable[[wire.Progress], None]


def verify(service: Service, request: wire.VerifyRequest, progress: Report) -> wire.VerifyReply:
    """Look; with ``repair`` mend and look again. What is only not written yet is waited for first: work in
    progress is no damage. Raises ``IndexUnavailable`` when the index does not answer."""
    _settle(service)
    progress(wire.Progress(stage="verify"))
    found = _Findings()
    _check_ledger(service, found, repair=request.repair)
    report = service.parts.index.verify(repair=request.repair, stopping=service.stop.is_set)
    found.add_probe(report)
    repaired = 0
    if request.repair and not found.ok:
        service.parts.pump.kick()
        _settle(service, progress)
        again = _Findings()
        _check_ledger(service, again, repair=False)
        again.add_probe(service.parts.index.verify(stopping=service.stop.is_set))
        repaired = max(0, found.total - again.total)
        again.details = [*found.details, *again.details]
        found = again
    return wire.VerifyReply(
        ok=found.ok,
        checked=found.checked,
        lost=found.lost,
        orphan=found.orphan,
        duplicate=found.duplicate,
        stale=found.stale,
        repaired=repaired,
        details=tuple(found.details[:_DETAILS]) if request.details else (),
    )


class _Findings:
    def __init__(self) -> None:
        self.checked = self.lost = self.orphan = self.duplicate = self.stale = 0
        self.details: list[str] = []

    @property
    def total(self) -> int:
        return self.lost + self.orphan + self.duplicate + self.stale

    @property
    def ok(self) -> bool:
        return self.total == 0

    def add_probe(self, report: ProbeReport) -> None:
        self.checked += report.checked
        self.lost += report.count(Damage.LOST)
        self.orphan += report.count(Damage.ORPHAN)
        self.duplicate += report.count(Damage.DUPLICATE)
        self.stale += report.count(Damage.STALE)
        if report.wrecked:
            self.lost += max(1, report.checked)
            self.details.append(f"the vector index is wrecked: {report.reason}")
        for finding in report.findings[:_DETAILS]:
            note = f" ({finding.note})" if finding.note else ""
            self.details.append(f"{finding.damage.value} {finding.chunk_id}{note}")


def _check_ledger(service: Service, found: _Findings, *, repair: bool) -> None:
    upkeep = service.ledger.upkeep
    for problem in upkeep.quick_check():
        found.lost += 1
        found.details.append(f"ledger file: {problem}")
    for problem in upkeep.keyword_problems():
        found.stale += 1
        found.details.append(problem)
        if repair:
            upkeep.rebuild_keyword()
    for problem in upkeep.row_problems():
        found.orphan += 1
        found.details.append(f"ledger: {problem}")
        if repair:
            upkeep.repair_rows()
            for generation in service.ledger.index.generations():
                service.ledger.index.rewant(generation.generation_id)
    vectors = service.parts.vectors
    lacking = vectors.missing(sorted(upkeep.settled_unit_ids()))
    if lacking:
        found.lost += len(lacking)
        found.details.append(f"{len(lacking)} unit(s) of live chunks have no vector")
        if repair:
            for generation in service.ledger.index.generations():
                service.ledger.index.unready(generation.generation_id)


def _settle(service: Service, progress: Report | None = None) -> None:
    deadline = time.monotonic() + _SETTLE_S
    while not service.stop.is_set() and not service.parts.pump.settled():
        if service.parts.pump.trouble(PATIENCE_S) or time.monotonic() > deadline:
            return
        if progress is not None:
            to_embed, to_index = service.parts.pump.backlog()
            progress(wire.Progress(stage="repair", to_embed=to_embed, to_index=to_index))
        time.sleep(0.05)
