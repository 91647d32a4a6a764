"""Six shapes of a wrecked vector index: found at the start, rebuilt from the ledger, and nothing embedded.

The state is real, with enough rows for Chroma to have written its graph to files. The whole service runs on
a copy of it, with the stub embedder, which counts: what is proven is that it is not called. While the index
is rebuilt (held at its first write) search has to answer by keyword, and by meaning over the ledger.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingestor import faultpoint
from ingestor.index import host
from ingestor.index.place import GIB, Folder
from ingestor.ledger.ledger import Ledger
from ingestor.model import Generation, GenerationState
from ingestor.service import lens
from tests.support.faults_corpus import paragraph, word
from tests.support.faults_report import write_report
from tests.support.served import EMBEDDER, Served, served

DOCUMENTS, SECTIONS = 55, 20  # 1,100 chunks: more than Chroma keeps out of its graph files
RESTARTS = 3
HANGS_S = 6.0  # what an opening that hangs is given here, instead of two minutes

pytestmark = pytest.mark.slow


# -- the shapes: each is given the generation's folder ------------------------------------------------------


def segment(store: Path) -> Path:
    (found,) = [path for path in store.iterdir() if path.is_dir()]
    return found


def truncated_data(store: Path) -> None:
    path = segment(store) / "data_level0.bin"
    os.truncate(path, path.stat().st_size // 2)


def missing_pickle(store: Path) -> None:
    (segment(store) / "index_metadata.pickle").unlink()


def bloated_links(store: Path) -> None:
    os.truncate(segment(store) / "link_lists.bin", 600 * GIB)


def damaged_database(store: Path) -> None:
    with (store / "chroma.sqlite3").open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * 200_000)


def segfault_on_open(store: Path) -> None:
    (store / "segfault").touch()


def hang_on_open(store: Path) -> None:
    (store / "hang").touch()


SHAPES: dict[str, Callable[[Path], None]] = {
    "truncated data_level0.bin": truncated_data,
    "missing index_metadata.pickle": missing_pickle,
    "link_lists.bin of 600 GB": bloated_links,
    "damaged chroma.sqlite3": damaged_database,
    "SIGSEGV on open": segfault_on_open,
    "hang on open": hang_on_open,
}

# The host of a folder with one of these files behaves as where the store makes Chroma's native part fail; what
# it met is written down beside the state folder.
_HARM = """
import os, signal, time
from ingestor.index import worker
opened = worker.Store.open
def harmed(store):
    for harm in ("segfault", "hang"):
        if os.path.exists(os.path.join(store._folder, harm)):
            with open(MET, "a") as met:
                print(harm, file=met)
            if harm == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(600)
    return opened(store)
worker.Store.open = harmed
"""


def harmed_boot(met: Path) -> str:
    imports, path, work = host._BOOT.split("; ", 2)
    return f"{imports}; {path}; MET = {json.dumps(str(met))}; exec({json.dumps(_HARM)}); {work}"


# -- one case ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What one shape of damage led to. ``keyword`` and ``dense`` say how many of the questions asked meanwhile
    had their passage as the first answer."""

    shape: str
    checked: int
    differences: int
    embedded: int
    restarts: int
    keyword: str
    dense: str
    seconds: float


class Gate:
    """Holds the first write into the new generation until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, point: str) -> None:
        if point == "index.write":
            self.reached.set()
            self.open.wait(60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with one generation that was closed cleanly."""
    base = tmp_path_factory.mktemp("whole")
    (base / "corpus").mkdir()
    for number in range(DOCUMENTS):
        parts = [f"# Document {number}"]
        parts += [f"## Part {n}\n\n{paragraph(number * SECTIONS + n, 12)}" for n in range(SECTIONS)]
        (base / f"corpus/{number}.md").write_text("\n\n".join(parts) + "\n")
    with served(base / "state") as service:
        service.add(base / "corpus", "corpus")
        report = service.sync("corpus")
        assert report.outcome == "ok", report
        assert report.counts.index_writes > 1_000
    return base / "state"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    faultpoint.install(made)
    yield made
    made.open.set()
    faultpoint.install(None)


def serving(ledger: Ledger) -> Generation:
    (found,) = [one for one in ledger.index.generations() if one.state is GenerationState.SERVING]
    return found


def harm(shape: str, whole: Path, state: Path) -> None:
    """A copy of the state as a process leaves it that was killed, with its index damaged."""
    shutil.copytree(whole, state, copy_function=shutil.copy2, symlinks=True)
    with closing(Ledger(state)) as ledger:
        generation = serving(ledger)
        ledger.index.set_manifest(generation.generation_id, None)
        SHAPES[shape](state / "chroma" / generation.location)


def ask(service: Served, mode: str) -> str:
    """Questions whose answer is known; how many had it first."""
    numbers = range(0, DOCUMENTS * SECTIONS, DOCUMENTS * SECTIONS // 10)
    good = 0
    for number in numbers:
        # The word finds the passage by keyword; its whole first sentence is also one of the units embedded.
        reply = service.search(word(number) if mode == "keyword" else paragraph(number, 1), mode, top=3)
        good += word(number) in reply.hits[0].text if reply.hits else 0
        assert mode == "keyword" or "exact search over the ledger" in reply.note, reply.note
    return f"{good} of {len(numbers)}"


def recover(shape: str, whole: Path, base: Path, gate: Gate) -> Recovery:
    """Start the service over a damaged state, ask while it mends, and verify."""
    starts, start = 0, host.Host.start

    def counted(self: host.Host) -> None:
        nonlocal starts
        starts += 1
        place = self._place
        if isinstance(place, Folder) and (place.path / "hang").exists():
            self._limits = replace(self._limits, open_s=HANGS_S)
        start(self)

    harm(shape, whole, base / "state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "_BOOT", harmed_boot(base / "met"))
        patch.setattr(host.Host, "start", counted)
        patch.setattr(lens, "_PATIENCE_S", 0.1)
        began = time.monotonic()
        with served(base / "state") as service:
            before = serving(service.ledger).location
            service.until(gate.reached.is_set, "the damage to be found")
            keyword, dense = ask(service, "keyword"), ask(service, "dense")
            gate.open.set()
            parts = service.service.parts
            service.until(lambda: parts.index.serving() is not None and parts.pump.settled(), "the rebuilt index")
            seconds = time.monotonic() - began
            met = (base / "met").read_text().split() if (base / "met").exists() else []
            assert met == [harm for harm in ("segfault", "hang") if SHAPES[shape].__name__ == f"{harm}_on_open"]
            reply, index = service.verify(), parts.index.serving()
            assert index is not None
            assert reply.checked == index.count()
            assert serving(service.ledger).location != before
            folders = [path.name for path in (base / "state/chroma").glob("generation-*")]
            assert folders == [serving(service.ledger).location]
    return Recovery(
        shape=shape,
        checked=reply.checked,
        differences=reply.lost + reply.orphan + reply.duplicate + reply.stale,
        embedded=service.embedder.embedded,
        restarts=starts - 1,
        keyword=keyword,
        dense=dense,
        seconds=seconds,
    )


def table(rows: list[Recovery]) -> list[str]:
    lines = [
        "| damage | rows checked | differences after | units embedded | host restarts | keyword answers meanwhile | exact dense answers meanwhile | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row.shape,
            row.checked,
            row.differences,
            row.embedded,
            row.restarts,
            row.keyword,
            row.dense,
            f"{row.seconds:.1f}",
        ]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return lines


def check(row: Recovery) -> None:
    assert row.checked > 1_000, row
    assert (row.differences, row.embedded) == (0, 0), row
    assert row.restarts <= RESTARTS, row
    assert (row.keyword, row.dense) == ("10 of 10", "10 of 10"), row


@pytest.mark.parametrize("shape", ["truncated data_level0.bin", "SIGSEGV on open", "hang on open"])
def test_a_wrecked_index_is_rebuilt(shape: str, whole: Path, tmp_path: Path, gate: Gate) -> None:
    """Nothing is embedded, nothing differs afterwards, search answers meanwhile, the host is not restarted
    without end."""
    row = recover(shape, whole, tmp_path, gate)
    print(f"\n{EMBEDDER}", *table([row]), sep="\n")
    check(row)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_six_shapes_of_corruption(whole: Path, tmp_path: Path) -> None:
    """The same in one table, which is kept."""
    rows = []
    for number, shape in enumerate(SHAPES):
        gate = Gate()
        faultpoint.install(gate)
        try:
            rows.append(recover(shape, whole, tmp_path / str(number), gate))
        finally:
            gate.open.set()
            faultpoint.install(None)
    for row in rows:
        check(row)
    lines = [
        f"{EMBEDDER}; {DOCUMENTS} documents, {DOCUMENTS * SECTIONS} chunks; no chance in it.",
        f"{len(rows)} of {len(SHAPES)}: after the start `verify` found {sum(row.differences for row in rows)} differences,",
        f"{sum(row.embedded for row in rows)} units were embedded, the host was restarted at most {max(row.restarts for row in rows)} times.",
    ]
    write_report("corruption.md", "Corruption of the vector index", [*lines, "", *table(rows)])
