"""What a change costs: units embedded, rows written, bytes read, for each kind of change.

    python -m tests.benchmarks.bench_cost [--documents 5000] [--edits 500] [--seed N]

The engine, the parsers, the cutter and the ledger are real; the embedder is the stub that hashes words, and
the vector index stands in memory: what is counted is how often the two are asked. A "chunk row" is one that a
revision inserted or removed; an "index write" a row that was upserted into or deleted from the vector index.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor.chunking.cutter import SemanticCutter, Settings
from ingestor.embedding.worker import EmbedStep
from ingestor.index.projector import Projector
from ingestor.model import GenerationState, ModelId, Outcome
from ingestor.parsing.pool import InlineParser
from ingestor.sync.engine import SyncEngine
from tests.benchmarks.tables import Table, commit, machine, p50, today
from tests.support.memory_index import MemoryIndex
from tests.support.stub_embedder import StubEmbedder
from tests.support.world import SOURCE, World

QUICK = ("--documents", "300", "--edits", "60")
RESULTS = Path(__file__).parents[1] / "results/cost.md"
SEED = 20_261_120
FOLDERS = 20
LONG = "long.md"
MOST_UNITS, MOST_ROWS = 2, 4

_WORDS = "ash bay cab dew elm fig gum hay ink jar kit log map net oak pit quay rye sap tin urn vat wax yew zinc".split()


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run and all that followed it did."""

    documents: int
    embedded: int
    reused: int
    chunk_rows: int
    index_writes: int
    layouts: int
    bytes_read: int
    seconds: float


class Text:
    """Sentences that are all different, of 6 to 25 words; equal seeds give equal text."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._made = 0

    def sentence(self) -> str:
        self._made += 1
        words = self._random.choices(_WORDS, k=self._random.randint(5, 24))
        return f"{' '.join(words).capitalize()} {self._made}."

    def paragraph(self, sentences: int) -> str:
        return " ".join(self.sentence() for _ in range(sentences))

    def document(self, sentences: int) -> list[str]:
        """Blocks: headings and paragraphs."""
        blocks = [f"# Document {self._made}"]
        while sentences > 0:
            take = min(sentences, self._random.randint(2, 9))
            if self._random.random() < 0.3:
                blocks.append(f"## Part {self._made}")
            blocks.append(self.paragraph(take))
            sentences -= take
        return blocks


class Costs:
    """A corpus that is in the ledger and the index, and what each change of it costs."""

    def __init__(self, place: Path, documents: int, seed: int) -> None:
        self.root = place / "docs"
        (place / "state").mkdir(parents=True)
        self.root.mkdir()
        self.random = random.Random(seed)
        self.text = Text(seed)
        source = FilesSource(FilesConfig(name=SOURCE, path=str(self.root), permissions="posix"))
        self.world = World(self.root, place / "state", source=source)
        self.documents = documents
        for number in range(documents - 1):
            self.write(f"f{number % FOLDERS}/d{number}.md", self.text.document(self.random.randint(3, 40)))
        self.write(LONG, self.text.document(4_000))

    def write(self, name: str, blocks: list[str]) -> None:
        self.world.write(name, "\n\n".join(blocks) + "\n")

    def blocks(self, name: str) -> list[str]:
        return (self.root / name).read_text().rstrip("\n").split("\n\n")

    def files(self) -> list[str]:
        """Names of all documents but the long one."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob("*/*.md"))

    def close(self) -> None:
        self.world.close()

    def take_in(self, *scopes: str) -> Cost:
        """One run of the source (or of these scopes), embedded and written to the end."""
        layouts, began = self._layouts(), time.perf_counter()
        report = self.world.run(*scopes)
        assert report.outcome is Outcome.OK, report.message
        embedded, reused, written = self._drain()
        seconds, counts = time.perf_counter() - began, report.counts
        return Cost(
            documents=counts.added + counts.updated + counts.moved + counts.deleted,
            embedded=embedded,
            reused=reused,
            chunk_rows=counts.chunks_added + counts.chunks_removed,
            index_writes=written,
            layouts=self._layouts() - layouts,
            bytes_read=counts.bytes_read,
            seconds=seconds,
        )

    def with_cutter(self, cutter: SemanticCutter) -> None:
        """From the next run on documents are cut by this one."""
        self.world.engine = SyncEngine(
            source=self.world.source,
            ledger=self.world.ledger.sync,
            parser=InlineParser(),
            cutter=cutter,
            pulse=self.world.pulse,
        )

    def _drain(self) -> tuple[int, int, int]:
        world = self.world
        embed = EmbedStep(world.ledger.index, world.vectors, world.embedder)
        projector = Projector(world.ledger.index, world.vectors, world.index)
        embedded = reused = written = 0
        while (outcome := embed.step(world.generation.generation_id, 500)).ready:
            embedded, reused = embedded + outcome.embedded, reused + outcome.reused
        while (done := projector.step(world.generation.generation_id, 1_000)).writes:
            written += done.writes
        return embedded, reused, written

    def _layouts(self) -> int:
        ((count,),) = self.world.ledger.sync._db.read("SELECT count(*) FROM layout")
        return int(count)

    # -- the changes -----------------------------------------------------------------------------------

    def edit_sentence(self, name: str) -> None:
        """Replace one sentence of one paragraph by a new one."""
        blocks = self.blocks(name)
        place = self.random.choice([n for n, block in enumerate(blocks) if not block.startswith("#")])
        sentences = blocks[place].split(". ")
        sentences[self.random.randrange(len(sentences))] = self.text.sentence().rstrip(".")
        blocks[place] = ". ".join(sentences).rstrip(".") + "."
        self.write(name, blocks)

    def insert_at_top(self, name: str) -> None:
        """A new first paragraph of one sentence, beneath the title."""
        blocks = self.blocks(name)
        self.write(name, [blocks[0], self.text.sentence(), *blocks[1:]])

    def rename(self, names: list[str]) -> None:
        for name in names:
            path = self.root / name
            path.rename(path.with_name(f"renamed-{path.name}"))

    def move_folder(self) -> None:
        (self.root / "f0").rename(self.root / "moved")

    def copy(self, names: list[str]) -> None:
        (self.root / "copies").mkdir()
        for name in names:
            shutil.copyfile(self.root / name, self.root / "copies" / Path(name).name)

    def touch(self, names: list[str]) -> None:
        for name in names:
            (self.root / name).touch()

    def shut(self, names: list[str]) -> None:
        for name in names:
            (self.root / name).chmod(0o600)

    def switch_model(self) -> None:
        """A generation of another model, to be filled from the ledger; what served is replaced by it."""
        model, world = ModelId("another"), self.world
        world.embedder, world.vectors, world.index = StubEmbedder(model), world.ledger.vectors(model), MemoryIndex()
        world.generation = world.ledger.index.add_generation(model, "memory-2", GenerationState.SERVING)

    def remove(self, names: list[str]) -> None:
        for name in names:
            (self.root / name).unlink()


class Recut(SemanticCutter):
    """The same cuts under another recipe, as after a change of the code that concerns other documents."""

    def recipe(self) -> str:
        return super().recipe() + ".again"


def changes(costs: Costs) -> dict[str, Callable[[], object]]:
    """Each kind of change, in the order in which they are made."""
    some = min(1_000, costs.documents // 3)

    def sample(count: int) -> list[str]:
        return costs.random.sample(costs.files(), count)

    return {
        "first run": lambda: None,
        "nothing": lambda: None,
        "edit of a sentence": lambda: costs.edit_sentence(sample(1)[0]),
        "edit of a sentence in 4,000": lambda: costs.edit_sentence(LONG),
        "insert at the top of 4,000": lambda: costs.insert_at_top(LONG),
        f"rename of {some:,} files": lambda: costs.rename(sample(some)),
        "move of a folder": costs.move_folder,
        f"copy of {some // 10:,} files": lambda: costs.copy(sample(some // 10)),
        f"touch of {some:,} files": lambda: costs.touch(sample(some)),
        f"chmod of {some:,} files": lambda: costs.shut(sample(some)),
        "chmod of a folder": lambda: (costs.root / "f1").chmod(0o700),
        "removal of 10 files": lambda: costs.remove(sample(10)),
        "new recipe, equal cuts": lambda: costs.with_cutter(Recut()),
        "new recipe, other lengths": lambda: costs.with_cutter(SemanticCutter(Settings(target=500))),
        "switch of the model": costs.switch_model,
    }


def cost_table(costs: Costs) -> tuple[Table, dict[str, Cost]]:
    table = Table(
        title="Cost of a change",
        headings=("change", "documents", "embedded", "reused", "chunk rows", "index writes", "layouts", "bytes read", "seconds"),
    )  # fmt: skip
    found: dict[str, Cost] = {}
    for name, change in changes(costs).items():
        change()
        cost = found[name] = costs.take_in()
        cells = [cost.documents, cost.embedded, cost.reused, cost.chunk_rows, cost.index_writes, cost.layouts]
        table.add(name, *(f"{cell:,}" for cell in cells), f"{cost.bytes_read:,}", f"{cost.seconds:.2f}")
    return table, found


def edit_table(costs: Costs, edits: int) -> tuple[Table, list[Cost]]:
    """Many single edits, each in a document of its own length, and how often the promise is kept."""
    costs.with_cutter(SemanticCutter())
    costs.take_in()
    names, found = costs.files(), []
    for number in range(edits):
        name = LONG if number % 10 == 0 else costs.random.choice(names)
        costs.edit_sentence(name)
        found.append(costs.take_in(name))
    table = Table(
        title=f"{edits:,} edits of one sentence each, every tenth in a document of 4,000",
        headings=("what", "p50", "most", f"above the promise ({MOST_UNITS} units, {MOST_ROWS} rows, 1 layout)", "distribution"),
    )  # fmt: skip
    for name, values, most in (
        ("units embedded", [cost.embedded for cost in found], MOST_UNITS),
        ("chunk rows", [cost.chunk_rows for cost in found], MOST_ROWS),
        ("index writes", [cost.index_writes for cost in found], MOST_ROWS),
        ("layouts", [cost.layouts for cost in found], 1),
    ):
        above = sum(value > most for value in values)
        shares = ", ".join(f"{value}: {count}" for value, count in sorted(Counter(values).items()))
        table.add(name, int(p50(values)), max(values), f"{above} ({above / edits:.1%})", shares)
    return table, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", type=Path, help=f"default with 5,000 documents and more: {RESULTS}")
    chosen = parser.parse_args()
    report = chosen.write or (RESULTS if chosen.documents >= 5_000 else None)
    head = (
        f"{machine()}\ncommit {commit()}, {today()}, seed {chosen.seed}: {chosen.documents:,} documents, "
        "stub embedder, vector index in memory"
    )
    print(head)
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as scratch:
        costs = Costs(Path(scratch), chosen.documents, chosen.seed)
        tables = []
        for table, _ in (cost_table(costs), edit_table(costs, chosen.edits)):
            table.show()
            tables.append(table)
        costs.close()
    if report is not None:
        report.parent.mkdir(exist_ok=True)
        body = "\n".join(table.markdown() for table in tables)
        report.write_text(f"# Cost\n\n`python -m tests.benchmarks.bench_cost`\n\n{head}\n\n{body}")
        print(f"\nwritten to {report}")


if __name__ == "__main__":
    main()
