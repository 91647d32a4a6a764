"""Any edits, any order, death at any point: after a complete run the corpus is f(source).

The machine edits a real folder and runs the real engine, ledger, parser, cutter, embed worker and projector
on it; only the model and Chroma are replaced. After each complete run everything that is held is compared
with f(source), which is computed without a ledger.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.base import Scope
from connectors.files.paths import item_id
from ingestor.errors import IndexUnavailable
from ingestor.model import Outcome
from tests.support.faults_corpus import markdown, paragraph, word
from tests.support.faults_world import SOURCE, Death, World, hooked
from tests.support.memory_index import MemoryIndex

SHORT = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,  # `make test` says the same each time; the long form searches at random
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
LONG = settings(SHORT, max_examples=600, stateful_step_count=40, derandomize=False)

_PARAGRAPHS = 16
_FOLDERS = ["", "a", "a/b", "c", "ü d"]
_NAMES = ["x.md", "y.md", "z.txt", "x.txt", "w ü.md", "data.csv"]

places = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(_FOLDERS), st.sampled_from(_NAMES)
)
picks = st.integers(min_value=0, max_value=50)
numbers = st.lists(st.integers(min_value=0, max_value=_PARAGRAPHS - 1), max_size=5)
odd = st.sampled_from(
    [
        b"",
        b"\n",
        b"x",
        b"\xff\xfe\x00bad",
        b"\x00\x01\x02" * 20,
        "cafe\u0301 é\r\nnext".encode(),
        "\ufeffBOM here".encode(),
    ]
)
contents = st.one_of(
    numbers.map(lambda chosen: markdown("Report", chosen).encode()),
    numbers.map(lambda chosen: "\n\n".join(map(paragraph, chosen)).encode()),
    odd,
)
modes = st.sampled_from([0o644, 0o640, 0o600, 0o604])


class Editing(RuleBasedStateMachine):
    """Rules edit, run stages, or kill; the checks stand in ``complete`` and in the invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="ingestor-property-"))
        self.root = self.place / "root"
        self.root.mkdir()
        self.answers = _Answers()
        self.index = MemoryIndex(fail=self.answers)
        self.world = World(self.root, self.place, index=self.index)
        self.steps = 0
        self.known: dict[str, str] | None = {}
        """DocIds as the last complete run left them; None once something else looked at the source since."""

    def teardown(self) -> None:
        try:
            self.complete()
        finally:
            self.world.close()
            shutil.rmtree(self.place)

    # -- editing -----------------------------------------------------------------------------------

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def folders(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_dir())

    def has_files(self) -> bool:
        return bool(self.files())

    def has_folders(self) -> bool:
        return bool(self.folders())

    def pick(self, number: int) -> Path:
        files = self.files()
        return files[self.spread(number) % len(files)]

    def spread(self, number: int) -> int:
        """A number that differs from step to step: what is drawn for one example repeats itself a lot."""
        self.steps += 1
        return random.Random(f"{number} {self.steps}").randrange(2**32)

    def target(self, place: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @initialize(chosen=st.lists(st.tuples(places, contents), min_size=2, max_size=8))
    def begin(self, chosen: list[tuple[str, bytes]]) -> None:
        for place, content in chosen:
            self.write(place, content)

    @rule(place=places, content=contents)
    def write(self, place: str, content: bytes) -> None:
        self.target(place).write_bytes(content)

    @rule(place=places, content=contents)
    def save_by_rename(self, place: str, content: bytes) -> None:
        path = self.target(place)
        path.with_name("t~").write_bytes(content)
        path.with_name("t~").rename(path)

    @precondition(has_files)
    @rule(pick=picks, number=st.integers(0, _PARAGRAPHS - 1))
    def append(self, pick: int, number: int) -> None:
        with self.pick(pick).open("ab") as stream:
            stream.write(b"\n\n" + paragraph(number).encode())

    @precondition(has_files)
    @rule(pick=picks, number=st.integers(0, _PARAGRAPHS - 1))
    def prepend(self, pick: int, number: int) -> None:
        path = self.pick(pick)
        path.write_bytes(paragraph(number).encode() + b"\n\n" + path.read_bytes())

    @precondition(has_files)
    @rule(pick=picks, part=st.floats(0, 1))
    def truncate(self, pick: int, part: float) -> None:
        path = self.pick(pick)
        os.truncate(path, int(path.stat().st_size * part))

    @precondition(has_files)
    @rule(pick=picks)
    def edit_keeping_size_and_mtime(self, pick: int) -> None:
        path = self.pick(pick)
        before = path.stat()
        path.write_bytes(path.read_bytes().replace(b"northern", b"southern").replace(b"rule 1", b"rule 2"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @precondition(has_files)
    @rule(pick=picks, place=places)
    def move(self, pick: int, place: str) -> None:
        self.pick(pick).rename(self.target(place))

    @precondition(has_files)
    @rule(one=picks, other=picks)
    def swap(self, one: int, other: int) -> None:
        first, second = self.pick(one), self.pick(other)
        aside = self.root / "aside~"
        first.rename(aside)
        if second.exists():
            second.rename(first)
        aside.rename(second)

    @precondition(has_files)
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        self.pick(pick).unlink()

    @precondition(has_files)
    @rule(pick=picks, place=places)
    def copy(self, pick: int, place: str) -> None:
        content = self.pick(pick).read_bytes()
        self.target(place).write_bytes(content)

    @precondition(has_files)
    @rule(pick=picks, place=places)
    def link(self, pick: int, place: str) -> None:
        path, target = self.pick(pick), self.target(place)
        if path != target:
            target.unlink(missing_ok=True)
            os.link(path, target)

    @precondition(has_files)
    @rule(pick=picks, mode=modes)
    def chmod(self, pick: int, mode: int) -> None:
        self.pick(pick).chmod(mode)

    @precondition(has_folders)
    @rule(pick=picks, mode=st.sampled_from([0o755, 0o750, 0o700]))
    def chmod_folder(self, pick: int, mode: int) -> None:
        folders = self.folders()
        folders[self.spread(pick) % len(folders)].chmod(mode)

    @precondition(has_files)
    @rule(pick=picks, age=st.integers(0, 100_000))
    def touch(self, pick: int, age: int) -> None:
        path = self.pick(pick)
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))

    @precondition(has_folders)
    @rule(pick=picks, name=st.sampled_from(["e", "f", "a"]))
    def move_folder(self, pick: int, name: str) -> None:
        folders = self.folders()
        source, target = folders[self.spread(pick) % len(folders)], self.root / name
        if not target.exists() and source not in target.parents:
            source.rename(target)

    @precondition(has_folders)
    @rule(pick=picks)
    def delete_folder(self, pick: int) -> None:
        folders = self.folders()
        shutil.rmtree(folders[self.spread(pick) % len(folders)])

    @rule(name=st.sampled_from([*_FOLDERS[1:], "g"]))
    def make_folder(self, name: str) -> None:
        with contextlib.suppress(FileExistsError):
            (self.root / name).mkdir(parents=True)

    # -- running -----------------------------------------------------------------------------------

    @rule(drained=st.booleans())
    def run(self, drained: bool) -> None:
        """A complete run; with ``drained`` the index, too."""
        self.complete(drained=drained)

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

    @rule(steps=st.integers(1, 3), failures=st.lists(st.sampled_from(["before", "after"]), max_size=2))
    def project(self, steps: int, failures: list[str]) -> None:
        """Steps of the projector, some of which get no answer: nothing was done, or all of it was."""
        self.answers.failures = failures
        for _ in range(steps):
            with contextlib.suppress(IndexUnavailable), hooked(self.answers.after):
                self.world.project()
        self.answers.failures = []

    @rule(at=picks)
    def die(self, at: int) -> None:
        """Death at some point of a complete pass; what is left contradicts nothing."""
        self.known = None
        if not self.world.dies(Death(1 + self.spread(at) % 35), self.world.everything):
            self.complete()

    @precondition(has_files)
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

    @invariant()
    def nothing_contradicts(self) -> None:
        """Whatever happened, no two tables of the ledger disagree."""
        self.world.check_rows()

    # -- the checks --------------------------------------------------------------------------------

    def complete(self, *, drained: bool = True) -> None:
        """A run of everything, and what must hold after it."""
        self.world.sync_all()
        expected = self.world.check_ledger()
        for number in range(_PARAGRAPHS):
            items = {passage.item for passage in expected.passages if word(number) in passage.text}
            assert self.world.found(word(number)) == items
        # R9: nothing is left to read or to change.
        before = self.world.dump()
        again = self.world.sync()
        assert (again.counts.bytes_read, again.counts.unchanged) == (0, len(expected.items))
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


class _Answers:
    """Lets the next operations of an index fail: before it did them, or after."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def __call__(self, operation: str) -> None:
        if operation in {"upsert", "delete"} and self.failures and self.failures[0] == "before":
            del self.failures[0]
            raise IndexUnavailable("no answer")

    def after(self, name: str) -> None:
        if name == "index.write.done" and self.failures and self.failures[0] == "after":
            del self.failures[0]
            raise IndexUnavailable("no answer")


TestEditing = Editing.TestCase
TestEditing.settings = SHORT
TestEditing = pytest.mark.slow(TestEditing)


@pytest.mark.long
@pytest.mark.timeout(3_600)
class TestEditingLong(Editing.TestCase):  # type: ignore[valid-type,misc]  # made by the class above
    """The same machine, at random and for long."""

    settings = LONG


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("rename"), st.sampled_from(["p.md", "q/p.md", "q/r.txt", "ß.md", "q/s/t.md"])),
        st.tuples(st.just("rename_folder"), st.sampled_from(["u", "v w"])),
        st.tuples(st.just("edit"), st.integers(0, 40)),
        st.tuples(st.just("save_by_rename"), st.integers(0, 40)),
        st.tuples(st.just("delete_and_restore"), st.just("")),
    ),
    min_size=1,
    max_size=7,
)


@given(steps=_steps, crash=st.integers(0, 60))
@settings(SHORT, max_examples=30)
def test_a_document_keeps_its_doc_id(steps: list[tuple[str, str | int]], crash: int) -> None:
    """R11: over renames, edits, saves by rename, folder renames, a return, and a death on the way."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        (root / "home").mkdir(parents=True)
        world, name = World(root, Path(place)), "home/n.md"
        (root / "other.md").write_text(markdown("Other", [90, 91]))
        (root / name).write_text(markdown("Named", [80, 81]))
        world.sync_all()
        doc_id = world.doc_ids()[name]
        for place_in_list, (what, value) in enumerate(steps):
            path = root / name
            if what == "rename":
                name = f"home/{place_in_list}{str(value).replace('/', str(place_in_list) + '/')}"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                path.rename(root / name)
            elif what == "rename_folder":
                folder, _, rest = name.partition("/")
                (root / folder).rename(root / f"{value}{place_in_list}")
                name = f"{value}{place_in_list}/{rest}"
            elif what == "edit":
                path.write_text(markdown("Named", [int(value), 60 + place_in_list]))
            elif what == "save_by_rename":
                path.with_name("t~").write_text(markdown("Named", [int(value), 50]))
                path.with_name("t~").rename(path)
            else:
                content = path.read_bytes()
                path.unlink()
                world.sync_all()
                path.write_bytes(content)
            world.dies(Death(crash), world.everything)
            world.sync_all()
            assert world.doc_ids()[item_id(os.fsencode(name))] == doc_id
        world.check_ledger()
        world.close()


def test_a_second_run_opens_no_file_and_commits_nothing(tmp_path: Path) -> None:
    """R9: over an unchanged folder a run reads 0 bytes and no row of the ledger but its own changes."""
    root = tmp_path / "root"
    root.mkdir()
    for number in range(30):
        (root / f"{number}.md").write_text(markdown("Steady", [number]))
    world = World(root, tmp_path / "state")
    world.everything()
    before = world.dump()
    points: list[str] = []
    with hooked(points.append):
        report = world.everything()
    assert (report.outcome, report.counts.unchanged, report.counts.bytes_read) == (Outcome.OK, 30, 0)
    assert world.dump() == before
    assert not {"fetch", "parse", "embed.batch", "index.write"} & set(points)
    assert world.ledger.sources.plan(SOURCE) is None
    world.close()
