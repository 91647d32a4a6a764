"""Another embedding model, blue and green: a whole service with a real Chroma and stubs for the models."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingestor import faultpoint, wire, wire_models
from ingestor.errors import ConfigError, EmbedderError, IndexUnavailable, UserError
from ingestor.index import leftovers
from ingestor.model import Generation, GenerationState, ModelId
from ingestor.service import switching
from tests.support.served import Served
from tests.support.stub_embedder import StubEmbedder

pytestmark = pytest.mark.slow

FILES = 30
NEW = "/models/new"
WORDS = ("harbour", "lantern", "granite", "orchard", "saddle", "thimble", "velvet", "walnut", "zeppelin", "anchor")


class Useless(StubEmbedder):
    """Every text looks the same to it."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        super().embed(texts)
        return np.tile(self.embed_query(""), (len(texts), 1))

    def embed_query(self, _text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        vector[7] = 1.0
        return vector


class Gated(StubEmbedder):
    """Fails until it is opened, but for the text it is tried with: a seeding that takes as long as a test wants."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.broken = "The model ran out of memory."

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.broken and len(texts) > 1:
            raise EmbedderError(self.broken)
        return super().embed(texts)

    def open(self, served: Served) -> None:
        self.broken = ""
        served.service.parts.pump.kick()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.md").write_text(page(number))
    return folder


@pytest.fixture
def start(tmp_path: Path, folder: Path) -> Iterator[Callable[..., Served]]:
    """A service over the folder; each start is a new one over the same state."""
    running: list[Served] = []

    def begin(others: dict[str, StubEmbedder] | None = None, settings: str = "") -> Served:
        for one in running:
            one.close()
        running[:] = [Served(tmp_path / "state", others=others, settings=settings)]
        if not running[0].ledger.sources.all():
            running[0].add(folder, "docs")
        running[0].sync("docs")
        return running[0]

    yield begin
    faultpoint.install(None)
    for one in running:
        one.close()


def page(number: int, word: str = "") -> str:
    subject = word or WORDS[number % len(WORDS)]
    return f"# Page {number}\n\nThe {subject} of number {number} stands in the {WORDS[number % 7]} room.\n"


def switch(served: Served, name: str = NEW, **more: object) -> wire_models.ModelReply:
    request = wire_models.ModelSwitchRequest.model_validate({"name": name, "keep_s": 3_600.0, **more})
    return served.operations.model_switch(request, lambda _progress: None)


def roll_back(served: Served) -> wire_models.ModelReply:
    return served.operations.model_rollback(wire_models.ModelRollbackRequest())


def generations(served: Served, state: GenerationState) -> list[Generation]:
    return [g for g in served.ledger.index.generations() if g.state is state]


def model(served: Served) -> str:
    (serving,) = generations(served, GenerationState.SERVING)
    return serving.model


def found(served: Served, number: int) -> bool:
    """Whether the page is the first hit of a search by meaning, answered by the index and not by a scan."""
    reply = served.search(page(number).split("\n")[2], "dense", top=3)
    return not reply.note and bool(reply.hits) and reply.hits[0].uri.endswith(f"/{number}.md")


def questions() -> str:
    asked = [
        {"question": f"what stands in number {number}", "answer": page(number).split("\n")[2]}
        for number in range(FILES)
    ]
    return "\n".join(json.dumps(one) for one in asked)


def test_the_new_model_takes_over_while_the_old_one_serves(start: Callable[..., Served], folder: Path) -> None:
    """Search answers from the index all the while, each unit is embedded once, and what was changed meanwhile is in."""
    new = Gated(NEW)
    served = start({NEW: new})
    units, old, answers, end = served.embedder.embedded, model(served), [], threading.Event()

    def ask() -> None:
        while not end.is_set():
            answers.append(found(served, 7))
            time.sleep(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    replies: list[wire_models.ModelReply] = []
    switching_ = threading.Thread(target=lambda: replies.append(switch(served)))
    switching_.start()
    served.until(lambda: generations(served, GenerationState.BUILDING), "the building to begin")
    assert model(served) == old
    (folder / "7b.md").write_text(page(77, "telescope"))
    (folder / "3.md").unlink()
    report = served.sync("docs")  # is not kept waiting by the seeding
    assert (report.counts.added, report.counts.deleted, report.counts.embedded) == (1, 1, 2)
    new.open(served)
    switching_.join(60)
    end.set()
    asking.join(60)

    assert [(reply.outcome, reply.model) for reply in replies] == [("done", NEW)]
    assert model(served) == NEW
    assert len(answers) > 5
    assert all(answers)
    assert new.embedded == served.ledger_units() + 1  # one to try it
    assert served.embedder.embedded == units + 2
    verdict = served.verify()
    assert (verdict.ok, verdict.checked) == (True, FILES)
    assert found(served, 8)
    assert served.search("telescope", "dense").hits[0].uri.endswith("/7b.md")


def test_rolled_back_at_once_and_current(start: Callable[..., Served], folder: Path) -> None:
    """What was replaced follows the ledger: taken back it knows the edits of the time between, and embeds nothing."""
    served = start()
    assert switch(served).outcome == "done"
    (folder / "new.md").write_text(page(50, "bagpipe"))
    served.sync("docs")
    (kept,) = generations(served, GenerationState.KEPT)
    served.until(lambda: served.ledger.index.settled(kept.generation_id), "the kept generation to follow")
    embedded = served.embedder.embedded + served.others[NEW].embedded
    reply = roll_back(served)
    assert (reply.outcome, model(served)) == ("done", "stub")
    served.until(lambda: found(served, 4), "the old index to answer")
    assert served.search("bagpipe", "dense").hits[0].uri.endswith("/new.md")
    assert served.embedder.embedded + served.others[NEW].embedded == embedded
    assert served.verify().ok
    assert roll_back(served).name == NEW  # and forth
    assert model(served) == NEW


def test_what_is_taken_back_is_compared(start: Callable[..., Served]) -> None:
    """Damage that came to the kept index while nobody asked it is mended soon after it serves again."""
    served = start()
    assert switch(served).outcome == "done"
    (kept,) = generations(served, GenerationState.KEPT)
    served.until(lambda: served.ledger.index.settled(kept.generation_id), "the kept generation to follow")
    (opened,) = [one for one in served.service.parts.index._stores.opened() if one.generation.location == kept.location]
    opened.index.delete(opened.index.page(0, 2))
    assert roll_back(served).outcome == "done"
    served.until(lambda: opened.index.count() == FILES, "the lost rows to come back")
    assert served.verify().ok


def test_what_is_not_kept_goes(start: Callable[..., Served], tmp_path: Path) -> None:
    """Without --keep-old the old folder goes with the switch, the vectors with the next maintenance."""
    served = start()
    (old,) = generations(served, GenerationState.SERVING)
    assert switch(served, keep_s=0.0).outcome == "done"
    served.until(lambda: not (tmp_path / "state/chroma" / old.location).exists(), "the old folder to go")
    with pytest.raises(UserError, match="No earlier model is kept"):
        roll_back(served)
    served.service.maintain()
    files = len(list((tmp_path / "state").glob("vectors-*.sqlite3")))
    assert files == 2  # the configured model's vectors stay
    assert switch(served, "/models/third", keep_s=0.0).outcome == "done"
    served.service.maintain()
    assert len(list((tmp_path / "state").glob("vectors-*.sqlite3"))) == 2
    assert served.verify().ok


def test_what_was_kept_long_enough_goes(
    start: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A kept generation goes when its days are over."""
    served = start()
    switch(served, keep_s=86_400.0)
    (kept,) = generations(served, GenerationState.KEPT)
    served.service.maintain()
    served.sync("docs")
    assert (tmp_path / "state/chroma" / kept.location).exists()
    now = time.time()
    monkeypatch.setattr(leftovers, "now", lambda: now + 2 * 86_400.0)
    served.service.maintain()
    served.service.parts.pump.kick()
    served.until(lambda: not (tmp_path / "state/chroma" / kept.location).exists(), "the kept folder to go")
    assert generations(served, GenerationState.KEPT) == []


def test_a_model_that_finds_less_is_refused(start: Callable[..., Served]) -> None:
    """With an evaluation set the old model goes on serving, and nothing of the new one stays in the index."""
    served = start({NEW: Useless(NEW)})
    reply = switch(served, questions=questions())
    assert reply.outcome == "refused"
    assert reply.evaluation is not None
    worse = {one.mode: one.before.recall - one.after.recall for one in reply.evaluation.modes}
    assert worse["dense"] > 0.5
    assert model(served) == "stub"
    served.until(lambda: len(served.ledger.index.generations()) - len(condemned(served)) == 1, "the new one to go")
    assert found(served, 5)
    assert served.verify().ok


def condemned(served: Served) -> list[Generation]:
    return generations(served, GenerationState.CONDEMNED)


def test_a_model_that_finds_as_much_passes(start: Callable[..., Served]) -> None:
    """With an evaluation set that it answers as well, the new model serves; the figures are reported."""
    served = start()
    reply = switch(served, questions=questions())
    assert (reply.outcome, model(served)) == ("done", NEW)
    assert reply.evaluation is not None
    for one in reply.evaluation.modes:
        assert one.after == one.before
        assert one.after.questions == FILES
        assert one.after.recall > 0.9


def test_an_interrupted_switch_goes_on(start: Callable[..., Served]) -> None:
    """Stopped in the middle of the seeding, the next process goes on where it was, embedding nothing twice."""
    first = Gated(NEW)
    served = start({NEW: first})
    waiting = threading.Thread(target=switch, args=(served,))
    waiting.start()
    served.until(lambda: generations(served, GenerationState.BUILDING), "the building to begin")
    served.service.stop.set()
    waiting.join(60)
    second = StubEmbedder(NEW)
    served = start({NEW: second})
    served.until(lambda: model(served) == NEW, "the switch to be done")
    assert first.embedded + second.embedded == served.ledger_units() + 1  # one to try it
    assert served.verify().ok


def test_a_killed_swap_is_whole_or_not_at_all(start: Callable[..., Served]) -> None:
    """Dying on either side of the swap leaves one generation that serves, and the next start finishes."""
    for point, after in (("index.promote", "stub"), ("index.promote.done", NEW)):
        served = start()
        if model(served) == NEW:
            roll_back(served)
            served.sync("docs")
        died = threading.Event()

        def die(name: str, point: str = point, died: threading.Event = died) -> None:
            if name == point and not died.is_set():
                died.set()
                raise SystemError(point)

        faultpoint.install(die)
        served.ledger.models.begin(ModelId(NEW), NEW, keep_s=60.0, questions=None, margin=0.0)
        served.service.parts.pump.kick()
        served.until(died.is_set, point)
        faultpoint.install(None)
        assert model(served) == after
        served = start()
        served.until(lambda served=served: model(served) == NEW, "the switch to be done")
        assert served.verify().ok


def test_a_switch_is_given_up(start: Callable[..., Served]) -> None:
    """A rollback in the middle of a switch ends it: the old one serves, what was built goes, a new try is allowed."""
    new = Gated(NEW)
    served = start({NEW: new})
    replies: list[wire_models.ModelReply] = []
    waiting = threading.Thread(target=lambda: replies.append(switch(served)))
    waiting.start()
    served.until(lambda: generations(served, GenerationState.BUILDING), "the building to begin")
    with pytest.raises(UserError, match="is under way"):
        switch(served, "/models/third")
    assert roll_back(served).outcome == "cancelled"
    new.open(served)
    waiting.join(60)
    assert [reply.outcome for reply in replies] == ["cancelled"]
    assert model(served) == "stub"
    served.until(lambda: not generations(served, GenerationState.BUILDING), "what was built to go")
    assert switch(served).outcome == "done"


def test_a_model_that_fails_does_not_disturb_the_one_that_serves(
    start: Callable[..., Served], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch says what is wrong; runs, searches and edits go on, and later so does the switch."""
    monkeypatch.setattr(switching, "PATIENCE_S", 0.2)
    new = Gated(NEW)
    served = start({NEW: new})
    said: list[str] = []

    def wait() -> None:
        try:
            switch(served)
        except IndexUnavailable as error:
            said.append(error.message)

    failing = threading.Thread(target=wait)
    served.ledger.models.begin(ModelId(NEW), NEW, keep_s=60.0, questions=None, margin=0.0)
    failing.start()
    failing.join(60)
    assert len(said) == 1
    assert "out of memory" in said[0]
    (folder / "more.md").write_text(page(60, "xylophone"))
    assert served.sync("docs").counts.added == 1
    assert served.search("xylophone", "dense").hits[0].uri.endswith("/more.md")
    new.open(served)
    served.until(lambda: model(served) == NEW, "the switch to go on by itself")
    assert served.verify().ok


def test_bad_requests_change_nothing(start: Callable[..., Served]) -> None:
    """A wrong evaluation set is refused with every problem; the serving model is said to serve already."""
    served = start()
    with pytest.raises(ConfigError) as raised:
        switch(served, questions='{"question": "a"}\nnonsense\n{"question": "", "answer": "b"}')
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["line 1", "line 2", "line 3"]
    assert switch(served, "builtin:all-MiniLM-L6-v2").outcome == "unchanged"
    assert len(served.ledger.index.generations()) == 1
    assert served.ledger.models.wish() is None


def test_the_first_run_of_all_is_complete_when_it_ends(start: Callable[..., Served], tmp_path: Path) -> None:
    """Nothing of the public name is in the way of a store that does not exist yet."""
    served = start()
    assert served.operations.backfill(wire.BackfillRequest(), lambda _progress: None).index_note == ""
    assert served.service.parts.pump.settled()
    assert (tmp_path / "state/chroma/serving/chroma.sqlite3").exists()


def test_another_model_in_the_configuration_is_switched_to(start: Callable[..., Served]) -> None:
    """A changed line of the configuration is a switch: the old one serves until the new one is complete."""
    start()
    new = Gated(NEW)
    served = start({NEW: new}, f'[embedding]\nmodel = "{NEW}"\n')
    assert model(served) == "stub"
    assert found(served, 9)
    new.open(served)
    served.until(lambda: model(served) == NEW, "the switch to be done")
    assert roll_back(served).outcome == "done"
    served = start({NEW: StubEmbedder(NEW)}, f'[embedding]\nmodel = "{NEW}"\n')
    assert model(served) == "stub"  # by hand, until the configuration changes again


def test_the_public_link_follows_what_serves(start: Callable[..., Served], tmp_path: Path) -> None:
    """chroma/serving leads to the serving folder, after a switch and again after somebody broke it."""
    served = start()
    link = tmp_path / "state/chroma/serving"

    def right() -> bool:
        (serving,) = generations(served, GenerationState.SERVING)
        return link.is_symlink() and link.readlink() == Path(serving.location)

    served.until(right, "the link")
    switch(served)
    served.until(right, "the link to follow")
    link.unlink()
    link.symlink_to("nowhere")
    served = start({NEW: StubEmbedder(NEW)})
    served.service.parts.pump.kick()
    served.until(right, "the link to be put right")


def test_models_are_listed(start: Callable[..., Served], tmp_path: Path) -> None:
    """`model list` names each model with its state; `status` the one that serves."""
    from ingestor.service.reading import LedgerReading

    served = start()
    switch(served)
    reading = LedgerReading(
        state_dir=tmp_path / "state",
        holder="",
        configured=list,
        make_source=served.service.parts.make_source,
        item_at=lambda _row, _where: None,
    )
    listed = {fact.name: (fact.state, fact.configured, fact.waiting) for fact in reading.models().models}
    assert listed == {NEW: ("serving", False, 0), "builtin:all-MiniLM-L6-v2": ("kept", True, 0)}
    assert reading.status().model == NEW
