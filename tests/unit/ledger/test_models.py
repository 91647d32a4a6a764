"""Models by name, the wish to switch, and how far behind a generation is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectors.base import WHOLE
from ingestor.ledger.ledger import Ledger
from ingestor.model import Generation, GenerationState, ModelId, SwitchOutcome, Trigger
from tests.data.make_ledger import revision

OLD, NEW, THIRD = ModelId("old-1"), ModelId("new-2"), ModelId("third-3")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    ledger.sources.put("handbook", "files", {"path": "/srv/handbook"}, "registered")
    ledger.models.configure(OLD, "old", keep_s=60.0)
    ledger.index.add_generation(OLD, "generation-1", GenerationState.SERVING)
    yield ledger
    ledger.close()


def write(ledger: Ledger, name: str, text: str) -> None:
    run = ledger.runs.start_run("handbook", Trigger.SYNC, WHOLE)
    ledger.sync.apply("handbook", run, [revision(ledger, name, text)])


def follow(ledger: Ledger, generation: Generation) -> None:
    """Embed and settle everything that waits."""
    vectors = ledger.vectors(generation.model)
    while waiting := ledger.index.unembedded(generation.generation_id, 50):
        units = [unit for _, chunk in waiting for unit in chunk]
        vectors.add(units, np.full((len(units), 4), 0.5, dtype=np.float32))
        ledger.index.mark_ready(generation.generation_id, [row for row, _ in waiting])
    while rows := ledger.index.pending(generation.generation_id, 50):
        ledger.index.settle(generation.generation_id, rows)


def states(ledger: Ledger) -> dict[str, str]:
    return {generation.location: generation.state.value for generation in ledger.index.generations()}


def test_the_configured_model_is_switched_to_when_it_changes(ledger: Ledger) -> None:
    """The first one is no switch, the same one neither, another one is; back again gives the switch up."""
    assert ledger.models.wish() is None
    assert not ledger.models.configure(OLD, "old", keep_s=60.0)
    assert ledger.models.configure(NEW, "new", keep_s=60.0)
    wish = ledger.models.wish()
    assert wish is not None
    assert (wish.model, wish.name, wish.keep_s) == (NEW, "new", 60.0)
    ledger.index.add_generation(NEW, "generation-2", GenerationState.BUILDING)
    assert not ledger.models.configure(OLD, "old", keep_s=60.0)
    assert ledger.models.wish() is None
    assert states(ledger) == {"generation-1": "serving", "generation-2": "kept"}


def test_a_switch_by_hand_holds_while_the_configuration_stays(ledger: Ledger) -> None:
    """The configuration's model is compared with that of the last start, not with what serves."""
    ledger.models.begin(NEW, "new", keep_s=60.0, questions=None, margin=0.1)
    made = ledger.index.add_generation(NEW, "generation-2", GenerationState.BUILDING)
    ledger.index.set_generation(made.generation_id, GenerationState.SERVING, keep_until=99.0)
    assert not ledger.models.configure(OLD, "old", keep_s=60.0)
    assert ledger.models.wish() is None
    assert ledger.models.configure(THIRD, "third", keep_s=60.0)


def test_a_wish_is_fulfilled_by_the_swap(ledger: Ledger) -> None:
    """One update: the new one serves, the old one is kept until then, the wish is done."""
    assert ledger.models.begin(NEW, "new", keep_s=60.0, questions="{}", margin=0.1)
    made = ledger.index.add_generation(NEW, "generation-2", GenerationState.BUILDING)
    ledger.index.set_generation(made.generation_id, GenerationState.SERVING, keep_until=99.0)
    old, new = ledger.index.generations()
    assert (old.state, old.kept_until) == (GenerationState.KEPT, 99.0)
    assert (new.state, new.kept_until) == (GenerationState.SERVING, None)
    latest = ledger.models.latest()
    assert latest is not None
    assert (latest.model, latest.outcome, ledger.models.wish()) == (NEW, SwitchOutcome.DONE, None)
    assert not ledger.models.begin(NEW, "new", keep_s=60.0, questions=None, margin=0.1)


def test_a_kept_generation_is_used_again(ledger: Ledger) -> None:
    """Switched back, the one that followed the ledger all the time takes its place; given up, its time goes on."""
    ledger.models.begin(NEW, "new", keep_s=60.0, questions=None, margin=0.1)
    made = ledger.index.add_generation(NEW, "generation-2", GenerationState.BUILDING)
    ledger.index.set_generation(made.generation_id, GenerationState.SERVING, keep_until=99.0)
    ledger.models.begin(OLD, "old", keep_s=60.0, questions=None, margin=0.1)
    assert states(ledger) == {"generation-1": "building", "generation-2": "serving"}
    ledger.models.end(OLD, SwitchOutcome.CANCELLED)
    assert states(ledger) == {"generation-1": "kept", "generation-2": "serving"}
    assert ledger.index.generations()[0].kept_until == 99.0


def test_a_wish_is_asked_for_again_on_other_terms(ledger: Ledger) -> None:
    """The same wish with another evaluation set is judged anew, and stays one wish."""
    ledger.models.begin(NEW, "new", keep_s=60.0, questions="first", margin=0.1)
    ledger.models.judge(NEW, "a verdict")
    ledger.models.begin(NEW, "new", keep_s=9.0, questions="second", margin=0.2)
    wish = ledger.models.wish()
    assert wish is not None
    assert (wish.questions, wish.margin, wish.keep_s, wish.report) == ("second", 0.2, 9.0, "")


def test_a_generation_is_overdue_until_its_seed_is_whole(ledger: Ledger) -> None:
    """What it was seeded with has to be there, however young; what came later may be young, and not old."""
    write(ledger, "seed.md", "What stood there before the generation was made.")
    made = ledger.index.add_generation(NEW, "generation-2", GenerationState.BUILDING)
    assert ledger.index.overdue(made.generation_id, 60.0)
    follow(ledger, made)
    assert not ledger.index.overdue(made.generation_id, 60.0)
    write(ledger, "later.md", "What came after it.")
    write(ledger, "seed.md", "What stood there was changed later.")
    assert not ledger.index.settled(made.generation_id)
    assert not ledger.index.overdue(made.generation_id, 60.0)
    assert ledger.index.overdue(made.generation_id, 0.0)
    follow(ledger, made)
    assert not ledger.index.overdue(made.generation_id, 0.0)


def test_vectors_of_a_model_that_nothing_uses_are_deleted(ledger: Ledger, tmp_path: Path) -> None:
    """Only those: of a generation that serves, is built or kept, and of models that are asked for, they stay."""
    write(ledger, "seed.md", "Something to embed.")
    for model, name in ((NEW, "new"), (THIRD, "third")):
        ledger.models.begin(model, name, keep_s=0.0, questions=None, margin=0.0)
        made = ledger.index.add_generation(model, f"generation-{name}", GenerationState.BUILDING)
        follow(ledger, made)
        ledger.models.end(model, SwitchOutcome.CANCELLED)
        ledger.index.set_generation(made.generation_id, GenerationState.CONDEMNED)
    follow(ledger, ledger.index.generations()[0])
    assert len(list(tmp_path.glob("vectors-*.sqlite3"))) == 3
    assert ledger.retire_models({THIRD}) == 1
    assert len(list(tmp_path.glob("vectors-*.sqlite3"))) == 2
    assert ledger.retire_models({THIRD}) == 0
    assert ledger.vectors(THIRD).missing([next(ledger.vectors(OLD).units())]) == []
