"""A corpus that changes in every way that a folder can: all at once, or all the time from a thread."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.faults_corpus import markdown

_FORMATS = "formats"
_LONG = "long.md"


class Corpus:
    """A folder of documents that ``change`` and ``step`` edit in every way, the same for the same seed."""

    def __init__(self, root: Path, seed: int, *, files: int = 40, formats: Sequence[Path] = ()) -> None:
        self.root = root
        self.done: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._made = 0
        self._size = files
        for number in range(files):
            self._write(f"{'abcd'[number % 4]}/{number:03}.{'txt' if number % 5 == 0 else 'md'}", 1 + number % 4)
        self._write(_LONG, 90)
        self._formats = list(formats)
        for path in formats:
            (root / _FORMATS).mkdir(exist_ok=True)
            shutil.copy(path, root / _FORMATS / path.name)

    def files(self) -> list[Path]:
        """The documents of our own making: text that may be edited."""
        return sorted(path for path in self.root.rglob("*") if path.is_file() and path.parent.name != _FORMATS)

    def size(self) -> int:
        return sum(path.is_file() for path in self.root.rglob("*"))

    def change(self) -> None:
        """Much at once: edits, inserted beginnings, renames, a folder, permissions; some come, some go."""
        for path in self._random.sample(self.files(), 12):
            self._edit(path)
        for path in self._random.sample(self.files(), 2):
            self._insert(path)
        for path in self._random.sample(self.files(), 2):
            self._rename(path)
        for path in self._random.sample([path for path in self.files() if path.name != _LONG], 3):
            path.unlink()
        for _ in range(4):
            self._add(self._random.randint(1, 6))
        self._rename_folder()
        self._permit(self._random.choice(self.files()))

    def step(self) -> None:
        """One change. So many come and go that the number of documents stays near what it was at first."""
        size = len(self.files())
        if size < 0.85 * self._size:
            kind = "add"
        elif size > 1.25 * self._size:
            kind = "delete"
        else:
            kinds = "edit insert save rename delete add long folder permissions copy format"
            (kind,) = self._random.choices(kinds.split(), [40, 6, 8, 8, 9, 9, 2, 2, 4, 4, 3])
        self.done[kind] += 1
        path = self._random.choice([path for path in self.files() if path.name != _LONG])
        steps: dict[str, Callable[[], object]] = {
            "edit": lambda: self._edit(path),
            "insert": lambda: self._insert(path),
            "save": lambda: self._save_by_rename(path),
            "rename": lambda: self._rename(path),
            "delete": path.unlink,
            "add": lambda: self._add(self._random.randint(1, 6)),
            "long": lambda: self._write(_LONG, self._random.randint(20, 90)),
            "folder": self._rename_folder,
            "permissions": lambda: self._permit(path),
            "copy": lambda: shutil.copy(path, path.with_name(f"copy-{self._number()}{path.suffix}")),
            "format": self._exchange_format,
        }
        steps[kind]()

    # -- single changes ----------------------------------------------------------------------------

    def _edit(self, path: Path) -> None:
        text = path.read_text().split("\n\n")
        text[self._random.randrange(len(text))] = markdown("Edited", [self._number()]).rstrip()
        path.write_text("\n\n".join(text) + "\n")

    def _insert(self, path: Path) -> None:
        path.write_text(markdown("Before", [self._number()]) + "\n" + path.read_text())

    def _save_by_rename(self, path: Path) -> None:
        """As editors save: another file takes the name."""
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(markdown("Saved", [self._number(), self._number()]))
        beside.rename(path)

    def _rename(self, path: Path) -> None:
        path.rename(path.with_name(f"renamed-{self._number()}{path.suffix}"))

    def _rename_folder(self) -> None:
        folder = self._random.choice(sorted(path for path in self.root.iterdir() if path.is_dir()))
        if folder.name != _FORMATS:
            folder.rename(folder.with_name(f"{folder.name[0]}{self._number()}"))

    def _permit(self, path: Path) -> None:
        path.chmod(self._random.choice([0o600, 0o640, 0o644]))

    def _exchange_format(self) -> None:
        """A document with pages under another name; the one before it goes."""
        if self._formats:
            for old in sorted((self.root / _FORMATS).glob("again-*")):
                old.unlink()
            path = self._random.choice(self._formats)
            shutil.copy(path, self.root / _FORMATS / f"again-{self._number()}{path.suffix}")

    def _add(self, paragraphs: int) -> None:
        folders = [path.name for path in sorted(self.root.iterdir()) if path.is_dir() and path.name != _FORMATS]
        self._write(f"{self._random.choice(folders)}/new-{self._number()}.md", paragraphs)

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _write(self, name: str, paragraphs: int) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(f"Document {name}", [self._number() for _ in range(paragraphs)]))


class Churn:
    """A thread that takes a ``step`` of the corpus every ``pause_s`` seconds or so, but not while it is held."""

    def __init__(self, corpus: Corpus, *, pause_s: float) -> None:
        self._corpus = corpus
        self._pause_s = pause_s
        self._quiet = threading.Lock()
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._loop, name="churn", daemon=True)
        self._thread.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing changes within; no change is half done."""
        with self._quiet:
            if self._failure is not None:
                raise AssertionError("the corpus could not be changed") from self._failure
            yield

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(self._pause_s):
            with self._quiet:
                try:
                    self._corpus.step()
                except Exception as error:
                    self._failure = error
                    return
