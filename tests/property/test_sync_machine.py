"""Any edits, any order, any faults: after a complete run the corpus is f(source), for every reader.

The machine edits a real folder and runs the real engine, ledger, parser, cutter, embed worker and projector on
it; only the models and Chroma are replaced. Between its steps processes die, Chroma fails by plan, the source is
away or half of it cannot be read, permissions, recipe and model change. After each complete run everything that
is held is compared with f(source), which is computed without a ledger.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from connectors.base import Scope
from connectors.paths import item_id
from ingestor.model import ChunkId, Outcome
from tests.benchmarks.tables import commit, machine, today
from tests.support.faults_corpus import word
from tests.support.faults_world import Death, hooked
from tests.support.machine_edits import PARAGRAPHS, Editing, contents, modes, picks, places
from tests.support.machine_world import READERS, MachineWorld

SEED = 20_261_120
SHORT_STEPS, LONG_STEPS = 1_000, 20_000
RESULTS = Path(__file__).parents[1] / "results/property.md"

SETTINGS = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

_SHM = Path("/dev/shm")  # commits wait for the disk there is; the source stays on a real one
_POINTS = 35  # fault points of a pass over such a folder, about
plans = st.text("..EDHCK", min_size=1, max_size=6)

counted: Counter[str] = Counter()
"""What all machines of this process did: steps by rule, deaths by point, faults by letter, outages by kind."""


class Syncing(Editing):
    """Rules edit, run stages, break things; the checks stand in ``complete``, in the invariants, and in the world."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="ingestor-property-"))
        self.states = Path(tempfile.mkdtemp(prefix="ingestor-property-", dir=_SHM if _SHM.is_dir() else None))
        self.root, self.aside = self.place / "root", self.place / "aside"
        self.root.mkdir()
        self.world = MachineWorld(self.root, self.states)
        self.steps = 0
        self.outage = ""
        self.known: dict[str, str] | None = {}

    def teardown(self) -> None:
        try:
            self.complete()
        finally:
            counted.update({f"died at {point}": count for point, count in self.world.crashes.items()})
            self.world.close()
            shutil.rmtree(self.place)
            shutil.rmtree(self.states)

    # -- permissions, recipe, model ----------------------------------------------------------------

    @precondition(Editing.has_files)
    @rule(pick=picks, mode=modes)
    def chmod(self, pick: int, mode: int) -> None:
        self.pick(pick).chmod(mode)

    @precondition(Editing.has_folders)
    @rule(pick=picks, mode=st.sampled_from([0o755, 0o750, 0o700]))
    def chmod_folder(self, pick: int, mode: int) -> None:
        self.pick_folder(pick).chmod(mode)

    @precondition(Editing.has_files)
    @rule(pick=picks, content=contents)
    def narrow_and_run(self, pick: int, content: bytes) -> None:
        """R7: once the run is over, and from its first reading on, the public does not find it."""
        path = self.pick(pick)
        path.chmod(0o600)
        path.write_bytes(content)
        item = item_id(os.fsencode(path.relative_to(self.root)))
        self.known = None
        self.world.sync()
        assert item not in {shown.partition("#")[0] for shown in self.world.visible(READERS[1])}

    @rule(length=st.sampled_from([150, 400, 750]))
    def change_recipe(self, length: int) -> None:
        self.known = None
        self.world.change_recipe(length)

    @rule(scope=st.sampled_from(["", "acme", "zeta"]))
    def move(self, scope: str) -> None:
        """All of it goes to another collection of every generation, whatever is on its way."""
        counted["moves between scopes"] += scope != self.world.scope
        self.world.move(scope)

    @rule(number=st.integers(0, 3))
    def change_model(self, number: int) -> None:
        """Another model's generation is built beside the one that serves."""
        counted["generations begun"] += self.world.begin_model(number)

    @rule()
    def swap_model(self) -> None:
        """It takes over, if it lacks nothing."""
        counted["models swapped"] += self.world.swap_model()

    # -- outages -----------------------------------------------------------------------------------

    @precondition(lambda self: not self.outage)
    @rule(kind=st.sampled_from(["away", "other root", "emptied"]))
    def lose_root(self, kind: str) -> None:
        """The share is not mounted, another one is, or somebody emptied it."""
        self.outage = kind
        counted[f"outage: {kind}"] += 1
        if kind == "emptied":
            self.aside.mkdir()
            for path in list(self.root.iterdir()):
                path.rename(self.aside / path.name)
            return
        self.root.rename(self.aside)
        if kind == "other root":
            self.root.mkdir()

    @precondition(lambda self: not self.outage and self.has_folders())
    @rule(pick=picks)
    def break_folder(self, pick: int) -> None:
        """Reading one folder gives EIO."""
        self.outage = "broken folder"
        counted["outage: broken folder"] += 1
        self.world.broken = self.pick_folder(pick)

    @precondition(lambda self: self.outage)
    @rule()
    def end_outage(self) -> None:
        if self.outage == "emptied":
            for path in list(self.aside.iterdir()):
                path.rename(self.root / path.name)
            self.aside.rmdir()
        elif self.outage in {"away", "other root"}:
            if self.root.exists():
                self.root.rmdir()
            self.aside.rename(self.root)
        self.world.broken = None
        self.outage = ""

    @precondition(lambda self: self.outage)
    @rule()
    def run_in_outage(self) -> None:
        """Nothing goes, and nobody is asked to approve it away."""
        self.known = None
        before = self.world.doc_ids()
        report = self.world.sync()
        after = self.world.doc_ids()
        if self.outage != "broken folder":
            assert after == before
        allowed = {
            "away": {Outcome.UNAVAILABLE},
            "other root": {Outcome.UNAVAILABLE} if before else {Outcome.OK},
            "emptied": {Outcome.HELD} if before else {Outcome.OK},
            "broken folder": {Outcome.PARTIAL, Outcome.HELD, Outcome.OK},  # OK: it was moved or deleted since
        }
        assert report.outcome in allowed[self.outage], report

    # -- running -----------------------------------------------------------------------------------

    @rule(drained=st.booleans())
    def run(self, drained: bool) -> None:
        """A complete run; with ``drained`` the index, too."""
        self.complete(drained=drained)

    @precondition(Editing.is_there)
    @rule()
    def run_without_approval(self) -> None:
        """What is held stays, and everything else goes on."""
        self.known = None
        report = self.world.sync()
        counted["runs held"] += report.outcome is Outcome.HELD

    @rule(place=places)
    def run_part(self, place: str) -> None:
        """A watcher's hint: what is below one place, or it alone."""
        self.known = None
        scope = Scope(item_id(os.fsencode(place)))
        self.world.sync((scope, Scope(item_id(os.fsencode(place.rpartition("/")[0])))))

    @rule(steps=st.integers(1, 3))
    def embed(self, steps: int) -> None:
        for _ in range(steps):
            self.world.embed()

    @rule(steps=st.integers(1, 4), plan=plans)
    def project(self, steps: int, plan: str) -> None:
        """Steps of the projector, while Chroma fails, doubts or takes the process with it, by plan."""
        met = self.world.project_to(plan, steps)
        counted.update({f"index fault {letter}": count for letter, count in met.items()})

    @rule(at=picks)
    def die(self, at: int) -> None:
        """Death at some point of a complete pass; what is left contradicts nothing."""
        self.known = None
        world = self.world
        work = world.everything if not self.outage else lambda: (world.sync(), world.embed(), world.project())
        if not world.dies(Death(1 + self.spread(at) % _POINTS), work) and not self.outage:
            self.complete()

    @precondition(Editing.has_files)
    @rule(pick=picks, content=contents, at=picks, point=st.sampled_from(["list", "fetch", "parse"]))
    def run_while_edited(self, pick: int, content: bytes, at: int, point: str) -> None:
        """Somebody writes while the run reads; the next run may have to look again, and no more."""
        self.known = None
        path, left = self.pick(pick), 1 + self.spread(at) % 12

        def edit(name: str) -> None:
            nonlocal left
            left -= name == point
            if left == 0:
                left = -1
                path.write_bytes(content)

        with hooked(edit):
            self.world.sync()

    @rule(pick=picks, how=st.sampled_from(["nothing", "lost", "orphan", "elsewhere", "text", "acl", "vector"]))
    def verify(self, pick: int, how: str) -> None:
        """After a complete run the probe finds nothing; what is damaged then it finds, and mending mends it."""
        self.complete()
        assert self.world.probe_all() == []
        track = self.world.tracks[self.spread(pick) % len(self.world.tracks)]
        rows = track.index.of(self.world.scope)
        if how == "nothing" or not rows:
            return
        chunk = sorted(rows)[self.spread(pick) % len(rows)]
        vector, text, metadata = rows[chunk]
        if how == "lost":
            del rows[chunk]
        elif how == "orphan":
            chunk = ChunkId("intruder")
            rows[chunk] = (vector, text, metadata)
        elif how == "elsewhere":
            track.index.upsert([chunk], vector[None], [text], [metadata], "elsewhere")
        elif how == "text":
            rows[chunk] = (vector, f"{text} And more.", metadata)
        elif how == "acl":
            rows[chunk] = (vector, text, {**metadata, "acl": 99_999})
        else:
            rows[chunk] = (-vector, text, metadata)
        found = {"lost": "lost", "orphan": "orphan", "elsewhere": "orphan"}.get(how, "stale")
        assert self.world.probe_all() == [(found, chunk)]
        counted[f"damage: {how}"] += 1
        self.world.drain()
        assert self.world.probe_all() == []
        self.world.check_index()

    @invariant()
    def nothing_contradicts(self) -> None:
        """Whatever happened, no two tables of the ledger disagree."""
        counted["steps"] += 1
        self.world.check_rows()

    # -- the checks --------------------------------------------------------------------------------

    def complete(self, *, drained: bool = True) -> None:
        """The end of every outage, a run of everything, and what must hold after it."""
        if self.outage:
            self.end_outage()
        self.world.sync_all()
        expected = self.world.check_ledger()
        self.world.check_readers(expected)
        for number in range(PARAGRAPHS):
            items = {passage.item for passage in expected.passages if word(number) in passage.text}
            assert self.world.found(word(number)) == items
        # R9: nothing is left to read or to change.
        before = self.world.dump()
        again = self.world.sync()
        assert (again.counts.bytes_read, again.counts.unchanged) == (0, expected.listed)
        assert self.world.dump() == before
        # R11: an item that stayed listed is the document that it was.
        doc_ids = self.world.doc_ids()
        assert len(set(doc_ids.values())) == len(doc_ids)
        for item, doc_id in (self.known or {}).items():
            assert doc_ids.get(item, doc_id) == doc_id
        self.known = doc_ids
        if drained:
            self.world.drain()
            self.world.check_index(expected)


def _play(goal: int, first_seed: int) -> Counter[str]:
    """Rounds of machines, each with the next seed, until so many steps were made; what they did."""
    counted.clear()
    number = first_seed
    while counted["steps"] < goal:
        made = type("Syncing", (Syncing,), {})  # Hypothesis writes the seed to the class
        run_state_machine_as_test(seed(number)(made), settings=SETTINGS)
        number += 1
    return Counter(counted)


def _lines(done: Counter[str], seconds: float) -> list[str]:
    return [
        f"{done['steps']:,} steps in {seconds:,.0f} s",
        *(f"{name}: {count:,}" for name, count in sorted(done.items()) if name != "steps"),
    ]


@pytest.mark.slow
def test_any_history_ends_in_the_corpus_that_the_source_holds() -> None:
    """A thousand steps over files, permissions, recipe, model, deaths, faults of Chroma and outages."""
    began = time.monotonic()
    done = _play(SHORT_STEPS, SEED)
    print(f"\nseed {SEED}", *_lines(done, time.monotonic() - began), sep="\n")
    for kind in ("died at", "index fault", "outage:", "damage:"):
        assert any(name.startswith(kind) for name in done), kind


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_any_history_ends_in_the_corpus_that_the_source_holds_long() -> None:
    """20,000 steps, from a seed of the day; every kind of death, fault and outage was met."""
    began, first_seed = time.monotonic(), time.time_ns() % 1_000_000
    print(f"\nseed {first_seed}")
    done = _play(LONG_STEPS, first_seed)
    lines = _lines(done, time.monotonic() - began)
    print(*lines, sep="\n")
    assert done["models swapped"] > 0
    assert all(done[f"index fault {letter}"] for letter in "EDHCK")
    head = f"{machine()}\n{commit()}, {today()}, seed {first_seed}"
    what = "`python -m pytest -m long tests/property/test_sync_machine.py -s`"
    RESULTS.write_text(f"# Property\n\n{what}\n\n{head}\n\n" + "".join(f"- {line}\n" for line in lines))
