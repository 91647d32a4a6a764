"""Each rule broken on purpose: the check that should notice does. Unbroken, the same check passes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import IndexUnavailable, IngestorError, LedgerError
from ingestor.faultpoint import reached
from ingestor.index.projector import Projector
from ingestor.ledger.index import IndexStates
from ingestor.ledger.sources import SourceRow, Sources
from ingestor.ledger.sync import _Writer
from ingestor.model import Document, GenerationId, Passage, PendingRow, SourceMemory, Trigger
from ingestor.service.core import Service
from ingestor.service.schedule import Schedule, Timing
from ingestor.sync import deletions, diff, engine
from ingestor.sync.budget import ErrorBudget
from ingestor.sync.content import ContentStage
from ingestor.sync.deletions import GuardVerdict, Proof, Root
from ingestor.sync.engine import SyncEngine
from ingestor.sync.identity import Matching
from tests.support import faults_checks as checks
from tests.support.faults_world import SOURCE
from tests.support.served import PATIENCE_S

pytestmark = pytest.mark.slow


# -- mutants ------------------------------------------------------------------------------------------------


def keep_keyword_rows(patch: pytest.MonkeyPatch) -> None:
    end_cuts = _Writer._end_cuts

    def keeping(self: _Writer, cuts: Any, *, urgent: bool = False) -> None:
        execute = self._tx.execute

        def without_delete(sql: str, parameters: Any = ()) -> Any:
            return execute("SELECT 1" if "'delete'" in sql else sql, () if "'delete'" in sql else parameters)

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self._tx, "execute", without_delete)
            end_cuts(self, cuts, urgent=urgent)

    patch.setattr(_Writer, "_end_cuts", keeping)


def commit_halfway(patch: pytest.MonkeyPatch) -> None:
    lay_out = _Writer._layout

    def split(self: _Writer, *args: Any) -> None:
        self._tx.execute("COMMIT")
        reached("ledger.commit")
        self._tx.execute("BEGIN IMMEDIATE")
        lay_out(self, *args)

    patch.setattr(_Writer, "_layout", split)


def forget_what_is_wanted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Writer, "_rewant", lambda _self, _doc: None)


def leave_attachments_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Writer, "_attachments", lambda *_: [])


def forget_tombstones(patch: pytest.MonkeyPatch) -> None:
    end_cuts = _Writer._end_cuts

    def without(self: _Writer, cuts: Any, *, urgent: bool = False) -> None:
        end_cuts(self, cuts, urgent=urgent)
        for cut in cuts.values():  # what was never acknowledged was never written, one might think
            self._tx.execute("DELETE FROM index_state WHERE chunk = ? AND written IS NULL", (cut.chunk,))

    patch.setattr(_Writer, "_end_cuts", without)


def settle_first(patch: pytest.MonkeyPatch) -> None:
    write = Projector._write

    def settled(self: Projector, rows: Sequence[PendingRow]) -> None:
        self._ledger.settle(GenerationId(1), rows)
        write(self, rows)

    patch.setattr(Projector, "_write", settled)


def settle_whatever_is_wanted(patch: pytest.MonkeyPatch) -> None:
    def settle(self: IndexStates, generation: GenerationId, rows: Sequence[PendingRow]) -> None:
        with self._db.write() as tx:
            for row in rows:
                chunk = "(SELECT id FROM chunk WHERE chunk_id = ?)"
                tx.execute(
                    f"UPDATE index_state SET written = wanted WHERE alive = 1 AND chunk = {chunk}", (row.chunk_id,)
                )
                tx.execute(f"DELETE FROM index_state WHERE alive = 0 AND chunk = {chunk}", (row.chunk_id,))

    patch.setattr(IndexStates, "settle", settle)


def believe_silence(patch: pytest.MonkeyPatch) -> None:
    write = Projector._write

    def believing(self: Projector, rows: Sequence[PendingRow]) -> None:
        try:
            write(self, rows)
        except IndexUnavailable:
            return

    patch.setattr(Projector, "_write", believing)


def save_the_cursor_first(patch: pytest.MonkeyPatch) -> None:
    whole_list = SyncEngine._list

    def saving(self: SyncEngine, *args: Any) -> Any:
        listing = whole_list(self, *args)
        self._ledger.save_bookmark(
            SOURCE,
            cursor=listing.checkpoints[-1].cursor,
            identity=listing.identity_after,
            proven_at=None,
            counted=False,
        )
        return listing

    patch.setattr(SyncEngine, "_list", saving)


def believe_any_listing(patch: pytest.MonkeyPatch) -> None:
    def prove(missing: Any, _checkpoints: Any, **_: Any) -> Proof:
        return Proof(root=Root.HOLDS, provable=tuple(missing), unproven=())

    patch.setattr(engine, "prove", prove)


def hold_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deletions, "guard", lambda *_, **__: GuardVerdict(held=False))


def measure_by_what_is_kept(patch: pytest.MonkeyPatch) -> None:
    memory = Sources.memory

    def with_the_held(self: Sources, source: str) -> SourceMemory:
        found = memory(self, source)
        return replace(found, live_peak=max(found.live_peak, found.live))

    patch.setattr(Sources, "memory", with_the_held)


def ignore_narrowings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SyncEngine, "_regrant", lambda *_: None)
    bind = _Writer._acl

    def first_grant(self: _Writer, grant: Any) -> int:
        return bind(self, replace(grant, place="everywhere"))

    patch.setattr(_Writer, "_acl", first_grant)


def always_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(diff, "must_read", lambda *_: True)


def number_lines(patch: pytest.MonkeyPatch) -> None:
    cut = SemanticCutter.cut

    def with_lines(self: SemanticCutter, document: Document) -> tuple[Passage, ...]:
        return tuple(replace(passage, page=passage.lines and passage.lines[0]) for passage in cut(self, document))

    patch.setattr(SemanticCutter, "cut", with_lines)


def match_nothing(patch: pytest.MonkeyPatch) -> None:
    def nothing(missing: Any, fresh: Any, *_: Any, **__: Any) -> Matching:
        return Matching(matches=(), missing=tuple(missing), fresh=tuple(fresh))

    patch.setattr(engine, "match_by_file", nothing)
    patch.setattr(engine, "match_by_hash", nothing)


def arm_after_the_scan(patch: pytest.MonkeyPatch) -> None:
    attend = Service._attend

    def late(self: Service, row: SourceRow, *, scan: bool = True) -> None:
        if scan:
            self.runner(row.name).request(Trigger.STARTUP).result(PATIENCE_S)
        attend(self, row, scan=False)

    patch.setattr(Service, "_attend", late)


def rely_on_hints(patch: pytest.MonkeyPatch) -> None:
    add = Schedule.add

    def without_scans(self: Schedule, name: str, timing: Timing, action: Callable[[], None], **more: Any) -> None:
        if name != SOURCE:
            add(self, name, timing, action, **more)

    patch.setattr(Schedule, "add", without_scans)


def end_at_the_first_error(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ErrorBudget, "reason", property(lambda budget: "One item could not be read." * budget.errors))


def read_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ErrorBudget, "reason", property(lambda _: ""))


def go_on_without_the_ledger(patch: pytest.MonkeyPatch) -> None:
    flush = ContentStage._flush

    def careless(self: ContentStage, *args: Any, **options: Any) -> None:
        with contextlib.suppress(LedgerError):
            flush(self, *args, **options)

    patch.setattr(ContentStage, "_flush", careless)


@dataclass(frozen=True)
class Mutant:
    rule: str
    break_it: Callable[[pytest.MonkeyPatch], None]
    check: Callable[[Path], None]


MUTANTS = [
    Mutant("R1", commit_halfway, checks.deaths_at_commits),
    Mutant("R1", keep_keyword_rows, checks.edits),
    Mutant("R1", forget_what_is_wanted, checks.edits),
    Mutant("R1", leave_attachments_behind, checks.edits),
    Mutant("R2", forget_tombstones, checks.deaths_beside_the_index),
    Mutant("R2", settle_first, checks.deaths_beside_the_index),
    Mutant("R2", settle_whatever_is_wanted, checks.a_rename_during_the_write),
    Mutant("R3", believe_silence, checks.no_answer),
    Mutant("R4", save_the_cursor_first, checks.a_death_with_a_journal),
    Mutant("R5", believe_any_listing, checks.a_broken_listing),
    Mutant("R5", hold_nothing, checks.a_mass_deletion),
    Mutant("R5", measure_by_what_is_kept, checks.a_mass_deletion),
    Mutant("R6", arm_after_the_scan, checks.an_edit_during_the_first_scan),
    Mutant("R6", rely_on_hints, checks.a_change_that_nobody_told),
    Mutant("R7", ignore_narrowings, checks.edits),
    Mutant("R8", end_at_the_first_error, checks.one_bad_item),
    Mutant("R8", read_without_end, checks.a_broken_disk),
    Mutant("R8", go_on_without_the_ledger, checks.a_ledger_that_refuses),
    Mutant("R9", always_read, checks.a_second_run),
    Mutant("R10", number_lines, checks.an_insertion),
    Mutant("R11", match_nothing, checks.a_renamed_folder),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.rule}-{mutant.break_it.__name__}")
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check passes on the program as it is, and fails on the program with this rule broken."""
    mutant.check(tmp_path / "sound")
    mutant.break_it(monkeypatch)
    with pytest.raises((AssertionError, IngestorError)):
        mutant.check(tmp_path / "broken")
