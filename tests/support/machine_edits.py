"""What people and programs do to a folder, as rules of a Hypothesis state machine."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.faults_corpus import mail, markdown, paragraph
from tests.support.machine_world import MachineWorld

PARAGRAPHS = 16
_FOLDERS = ["", "a", "a/b", "c", "ü d"]
_NAMES = ["x.md", "y.md", "z.txt", "x.txt", "w ü.md", "data.csv", "m.eml", "n.eml"]
_ATTACHED = ["x.md", "note ä.txt", "../x.md", "none", "data.csv"]

places = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(_FOLDERS), st.sampled_from(_NAMES)
)
picks = st.integers(min_value=0, max_value=50)
numbers = st.lists(st.integers(min_value=0, max_value=PARAGRAPHS - 1), max_size=5)
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
attachments = st.lists(
    st.tuples(
        st.sampled_from(_ATTACHED),
        st.one_of(numbers.map(lambda chosen: markdown("Annex", chosen).encode()), st.sampled_from([b"", b"\0\1" * 20])),
    ),
    max_size=3,
)
mails = st.builds(mail, st.sampled_from(["Offer", "Minutes"]), numbers, attachments)
mails_in_mails = st.builds(lambda inner, outer: mail("Forward", [3], [("f.eml", inner), *outer]), mails, attachments)
contents = st.one_of(
    mails,
    mails_in_mails,
    numbers.map(lambda chosen: markdown("Report", chosen).encode()),
    numbers.map(lambda chosen: "\n\n".join(map(paragraph, chosen)).encode()),
    odd,
)
modes = st.sampled_from([0o644, 0o640, 0o600, 0o604])


class Editing(RuleBasedStateMachine):
    """Edits ``root``. Who inherits from it sets the attributes and runs the program between the rules.

    ``outage`` names what is wrong with the source now; ``known`` are DocIds as the last complete run left them,
    None once something else looked at the source since.
    """

    root: Path
    world: MachineWorld
    outage: str
    known: dict[str, str] | None
    steps: int

    # -- choosing ----------------------------------------------------------------------------------

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def folders(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_dir())

    def is_there(self) -> bool:
        return self.outage in {"", "broken folder"}

    def has_files(self) -> bool:
        return self.is_there() and bool(self.files())

    def has_folders(self) -> bool:
        return self.is_there() and bool(self.folders())

    def pick(self, number: int) -> Path:
        files = self.files()
        return files[self.spread(number) % len(files)]

    def pick_folder(self, number: int) -> Path:
        folders = self.folders()
        return folders[self.spread(number) % len(folders)]

    def spread(self, number: int) -> int:
        """A number that differs from step to step: what is drawn for one example repeats itself a lot."""
        self.steps += 1
        return random.Random(f"{number} {self.steps}").randrange(2**32)

    def target(self, place: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # -- editing ----------------------------------------------------------------------------------

    @precondition(is_there)
    @rule(folder=st.sampled_from(_FOLDERS), name=st.sampled_from(["m.eml", "n.eml"]), content=mails | mails_in_mails)
    def write_mail(self, folder: str, name: str, content: bytes) -> None:
        """Attachments come, go and change; those of one name keep their document."""
        self.target(f"{folder}/{name}".lstrip("/")).write_bytes(content)

    @initialize(chosen=st.lists(st.tuples(places, contents), min_size=2, max_size=8))
    def begin(self, chosen: list[tuple[str, bytes]]) -> None:
        for place, content in chosen:
            self.target(place).write_bytes(content)

    @precondition(is_there)
    @rule(place=places, content=contents)
    def write(self, place: str, content: bytes) -> None:
        self.target(place).write_bytes(content)

    @precondition(is_there)
    @rule(place=places, content=contents)
    def save_by_rename(self, place: str, content: bytes) -> None:
        path = self.target(place)
        path.with_name("t~").write_bytes(content)
        path.with_name("t~").rename(path)

    @precondition(has_files)
    @rule(pick=picks, number=st.integers(0, PARAGRAPHS - 1))
    def append(self, pick: int, number: int) -> None:
        with self.pick(pick).open("ab") as stream:
            stream.write(b"\n\n" + paragraph(number).encode())

    @precondition(has_files)
    @rule(pick=picks, number=st.integers(0, PARAGRAPHS - 1))
    def prepend(self, pick: int, number: int) -> None:
        path = self.pick(pick)
        path.write_bytes(paragraph(number).encode() + b"\n\n" + path.read_bytes())

    @precondition(has_files)
    @rule(pick=picks, part=st.floats(0, 1))
    def truncate(self, pick: int, part: float) -> None:
        path = self.pick(pick)
        os.truncate(path, int(path.stat().st_size * part))

    @precondition(lambda self: not self.outage and self.has_files())
    @rule(pick=picks)
    def edit_keeping_size_and_mtime(self, pick: int) -> None:
        """Only its change time tells."""
        self.known = None
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
    @rule(pick=picks, age=st.integers(0, 100_000))
    def touch(self, pick: int, age: int) -> None:
        path = self.pick(pick)
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))

    @precondition(has_folders)
    @rule(pick=picks, name=st.sampled_from(["e", "f", "a"]))
    def move_folder(self, pick: int, name: str) -> None:
        source, target = self.pick_folder(pick), self.root / name
        if not target.exists() and source not in target.parents:
            source.rename(target)

    @precondition(has_folders)
    @rule(pick=picks, name=st.sampled_from(["e", "f"]))
    def copy_folder(self, pick: int, name: str) -> None:
        source, target = self.pick_folder(pick), self.root / name
        if not target.exists() and source not in target.parents:
            shutil.copytree(source, target)

    @precondition(has_folders)
    @rule(pick=picks)
    def delete_folder(self, pick: int) -> None:
        shutil.rmtree(self.pick_folder(pick))

    @precondition(is_there)
    @rule(name=st.sampled_from([*_FOLDERS[1:], "g"]))
    def make_folder(self, name: str) -> None:
        with contextlib.suppress(FileExistsError):
            (self.root / name).mkdir(parents=True)

    @precondition(is_there)
    @rule(first=st.integers(0, PARAGRAPHS - 1))
    def write_a_dozen(self, first: int) -> None:
        """Enough documents for the guard to look at."""
        for number in range(12):
            self.target(f"many/{number}.md").write_text(markdown("Page", [(first + number) % PARAGRAPHS, 90 + number]))

    @precondition(has_files)
    @rule(kept=st.integers(0, 2))
    def delete_all_but(self, kept: int) -> None:
        """Above the guard's measure, where there were enough."""
        for path in self.files()[kept:]:
            path.unlink()
