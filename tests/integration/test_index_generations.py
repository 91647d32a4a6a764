"""Generations on real stores: clean starts, kills, damage of every shape, rebuilds; nothing is embedded again."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ingestor import faultpoint
from ingestor.errors import IndexFailure, IndexUnavailable
from ingestor.index.generations import GenerationManager
from ingestor.index.health import IndexState
from ingestor.index.host import Host
from ingestor.index.place import GIB, Limits
from ingestor.model import ChunkId, GenerationState, ModelId
from tests.support.chroma_server import ChromaServer
from tests.support.corpus import embed_all, fill
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_vectors import MemoryVectors
from tests.support.one_model import OneModel
from tests.support.stub_embedder import StubEmbedder

CHUNKS = 60
MANY = 1_100  # more than Chroma's sync threshold, so that index files are on disk


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Bench:
    """A ledger that outlives managers, as it does in service."""

    def __init__(self, folder):
        self.folder = folder
        self.ledger, self.vectors, self.clock = MemoryLedger(), MemoryVectors(), Clock()
        self.managers = []
        self.embedded = 0

    def start(self, **more):
        settings = {"limits": Limits(), **more}
        manager = GenerationManager(
            folder=self.folder, ledger=self.ledger, models=OneModel(self.vectors), clock=self.clock, **settings
        )
        self.managers.append(manager)
        return manager

    def drain(self, manager, tries=60):
        """What the service's loop does until nothing is left to do."""
        writes = 0
        for _ in range(tries):
            for generation in manager.wanted():
                self.embedded += embed_all(self.ledger, self.vectors, generation)
            try:
                done = manager.step(500).writes
            except IndexFailure:
                self.clock.now += 1_000
                continue
            writes += done
            if not done and manager.serving() is not None:
                return writes
        raise AssertionError("The index does not come to rest.")

    def serving(self):
        return next(g for g in self.ledger.generations() if g.state is GenerationState.SERVING)

    def close(self):
        for manager in self.managers:
            manager.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "chroma")
    yield bench
    faultpoint.install(None)
    bench.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Stores of a number of rows, closed cleanly; copied for each test."""
    made = {}

    def get(count):
        if count not in made:
            made[count] = bench = Bench(tmp_path_factory.mktemp("filled") / "chroma")
            manager = bench.start()
            manager.wanted()
            fill(bench.ledger, count)
            bench.drain(manager)
            bench.close()
        return made[count]

    return get


def copied(filled, folder):
    bench = Bench(folder)
    shutil.copytree(filled.folder, folder, copy_function=shutil.copy2)
    for name in ("chunks", "unit_ids"):
        setattr(bench.ledger, name, dict(getattr(filled.ledger, name)))
    bench.vectors.rows = dict(filled.vectors.rows)
    original = filled.serving()
    generation = bench.ledger.add_generation(ModelId("stub"), original.location, GenerationState.SERVING)
    bench.ledger.mark_ready(generation.generation_id, [chunk.row for chunk in bench.ledger.chunks.values()])
    rows = bench.ledger.pending(generation.generation_id, len(bench.ledger.chunks))
    bench.ledger.settle(generation.generation_id, rows)
    bench.ledger.set_manifest(generation.generation_id, original.manifest)
    return bench


@pytest.fixture
def harmed(filled, tmp_path):
    """A filled store, ours to break."""
    bench = copied(filled(CHUNKS), tmp_path / "chroma")
    yield bench
    faultpoint.install(None)
    bench.close()


@pytest.fixture
def server(tmp_path):
    """A real server of our own, to kill."""
    server = ChromaServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def large(filled, tmp_path):
    """A filled store whose vectors are in index files, ours to break."""
    bench = copied(filled(MANY), tmp_path / "chroma")
    yield bench
    bench.close()


def test_the_first_generation_serves_and_follows_the_ledger(bench):
    """An empty installation gets a serving generation; what is put is found, what is dropped is not."""
    manager = bench.start()
    manager.wanted()
    fill(bench.ledger, 30)
    assert bench.drain(manager) == 30
    vector = StubEmbedder().embed_query("topic7 item7")
    assert list(manager.serving().query(vector, 1)) == ["c00007"]
    bench.ledger.drop("c00007")
    bench.drain(manager)
    assert "c00007" not in manager.serving().query(vector, 30)
    assert manager.verify().clean
    assert manager.health().state is IndexState.READY


def test_a_clean_start_opens_nothing(harmed):
    """R9: with a folder as it was closed and nothing pending, no store is opened and nothing is written."""
    manager = harmed.start()
    assert manager.step(100).writes == 0
    assert manager.serving() is not None
    assert not manager.serving().is_open
    manager.close()
    assert harmed.serving().manifest is not None


def test_opening_forgets_the_manifest_and_closing_records_it(harmed):
    """Between opening and clean close a kill leads to a probe."""
    manager = harmed.start()
    manager.step(100)
    manager.warm()
    assert harmed.serving().manifest is None
    manager.close()
    assert harmed.serving().manifest is not None
    again = harmed.start()
    again.step(100)
    assert not again.serving().is_open


def test_an_unclean_start_is_probed_before_it_serves(harmed):
    """Without a manifest nothing serves until the probe has compared all rows; then it does, unchanged."""
    harmed.ledger.set_manifest(harmed.serving().generation_id, None)
    manager = harmed.start()
    manager.wanted()
    assert manager.serving() is None
    assert manager.step(100).writes == 0
    assert manager.serving() is not None
    assert manager.verify().checked == CHUNKS


def test_a_folder_that_vanished_is_filled_again(harmed):
    """The whole store deleted by hand: every row is written again from the ledger."""
    shutil.rmtree(harmed.folder)
    manager = harmed.start()
    manager.step(10)
    assert manager.serving() is None
    harmed.drain(manager)
    assert manager.serving().count() == CHUNKS
    assert manager.verify().clean
    assert harmed.embedded == 0


def truncated_data(segment, _):
    os.truncate(segment / "data_level0.bin", (segment / "data_level0.bin").stat().st_size // 2)


def missing_pickle(segment, _):
    (segment / "index_metadata.pickle").unlink()


def missing_segment(segment, _):
    shutil.rmtree(segment)


def bloated_links(segment, _):
    os.truncate(segment / "link_lists.bin", 600 * GIB)


def noisy_vectors(segment, _):
    with (segment / "data_level0.bin").open("r+b") as file:
        file.seek(10_000)
        file.write(bytes(range(256)) * 4_000)


def damaged_database(_, store):
    with (store / "chroma.sqlite3").open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * 200_000)


def no_database(_, store):
    (store / "chroma.sqlite3").write_bytes(b"garbage" * 1_000)


def hang(_, store):
    """Chroma waits for a locked database for longer than anybody has patience."""
    locked = sqlite3.connect(store / "chroma.sqlite3", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    os.utime(store / "chroma.sqlite3")  # not as it was closed: it is opened and probed
    return locked


def failed_starts(monkeypatch):
    """What the hosts say that cannot open their store, from now on."""
    said, start = [], Host.start

    def told(host):
        try:
            start(host)
        except IndexFailure as failure:
            said.append(failure.message)
            raise

    monkeypatch.setattr(Host, "start", told)
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm",
    [
        truncated_data,
        missing_pickle,
        missing_segment,
        bloated_links,
        noisy_vectors,
        damaged_database,
        no_database,
        hang,
    ],
)
def test_every_shape_of_damage_is_found_and_rebuilt(large, harm, monkeypatch):
    """Found at the start, rebuilt into a new folder from the ledger, 0 units embedded, old folder gone."""
    old = large.serving()
    store = large.folder / old.location
    (segment,) = [path for path in store.iterdir() if path.is_dir()]
    starts = failed_starts(monkeypatch)
    held = harm(segment, store)
    manager = large.start(limits=Limits(open_s=8, read_s=8))
    large.drain(manager)
    if held is not None:
        held.close()
    hung = [message for message in starts if "hung while it opened" in message and old.location in message]
    assert len(hung) == (harm is hang), starts
    report = manager.verify()
    assert report.clean
    assert report.checked == MANY
    assert large.embedded == 0
    assert large.serving().location != old.location
    assert sorted(path.name for path in large.folder.iterdir()) == [large.serving().location, "serving"]
    assert (large.folder / "serving").resolve() == large.folder / large.serving().location


def test_search_has_no_index_while_a_wreck_is_rebuilt(harmed):
    """Until the new generation is complete nothing serves: search scans the ledger meanwhile."""
    (harmed.folder / harmed.serving().location / "chroma.sqlite3").write_bytes(b"garbage")
    manager = harmed.start()
    manager.step(100)
    assert manager.serving() is None
    assert manager.health().state is IndexState.BUILDING
    harmed.drain(manager)
    assert manager.serving().count() == CHUNKS


def test_the_host_killed_in_service_is_probed_and_goes_on(harmed):
    """After a SIGKILL of the host the next steps probe, and the index equals the ledger."""
    manager = harmed.start()
    manager.step(100)
    manager.warm()
    fill(harmed.ledger, 200, start=CHUNKS)

    def kill(name):
        if name == "index.write":
            faultpoint.install(None)
            os.kill(manager.serving().host_pid, signal.SIGKILL)

    faultpoint.install(kill)
    harmed.drain(manager)
    assert manager.verify().clean
    assert manager.serving().count() == CHUNKS + 200


def test_a_failed_search_makes_the_next_step_probe(harmed):
    """A failure that a search runs into counts as well."""
    manager = harmed.start()
    manager.step(100)
    index = manager.serving()
    index.count()
    os.kill(index.host_pid, signal.SIGKILL)
    with pytest.raises(IndexFailure):
        index.query(StubEmbedder().embed_query("topic1"), 1)
    assert manager.serving() is None
    harmed.drain(manager)
    assert manager.serving() is not None


@pytest.mark.parametrize("point", ["index.condemn", "index.condemn.done", "index.promote", "index.promote.done"])
def test_a_death_during_a_rebuild_leaves_nothing_behind(harmed, point):
    """Killed at any of its write points, the rebuild is carried on by the next start."""
    (harmed.folder / harmed.serving().location / "chroma.sqlite3").write_bytes(b"garbage")

    def die(name):
        if name == point:
            raise KeyboardInterrupt

    first = harmed.start()
    faultpoint.install(die)
    with pytest.raises(KeyboardInterrupt):
        harmed.drain(first)
    faultpoint.install(None)
    first.close()
    second = harmed.start()
    harmed.drain(second)
    assert second.verify().clean
    states = [generation.state for generation in harmed.ledger.generations()]
    assert states.count(GenerationState.SERVING) == 1
    assert states.count(GenerationState.BUILDING) == 0
    assert len(list(harmed.folder.glob("generation-*"))) == 1


def test_repair_mends_what_verify_finds(harmed):
    """Rows lost and added behind our back are found by verify and written again."""
    manager = harmed.start()
    manager.step(100)
    index = manager.serving()
    vector, text, metadata = index.get([ChunkId("c00001")])[ChunkId("c00001")]
    index.delete([ChunkId("c00002")])
    index.upsert([ChunkId("intruder")], vector[None, :], [text], [metadata])
    assert len(manager.verify().findings) == 2
    assert len(manager.verify(repair=True).findings) == 2
    harmed.drain(manager)
    assert manager.verify().clean


def test_rebuild_by_hand_serves_until_it_is_swapped(harmed):
    """The sound generation serves while its successor is filled, then goes with its folder."""
    old = harmed.serving().location
    manager = harmed.start()
    manager.step(100)
    manager.rebuild()
    manager.step(100)
    assert manager.serving() is not None
    assert harmed.serving().location == old
    harmed.drain(manager)
    manager.step(5_000)
    assert harmed.serving().location != old
    assert not (harmed.folder / old).exists()
    assert manager.verify().clean


def test_failures_wait_longer_each_time(bench):
    """A server that is away is asked again after 1, 2, 4 ... 300 seconds, and not in between."""
    manager = bench.start(url="http://127.0.0.1:9")
    waits = []
    for _ in range(3):
        with pytest.raises(IndexUnavailable):
            manager.step(10)
        waits.append(manager.health().retry_in)
        with pytest.raises(IndexUnavailable, match="next try"):
            manager.step(10)
        bench.clock.now += waits[-1]
    assert waits == [1.0, 2.0, 4.0]
    assert manager.health().state is IndexState.DOWN


def test_a_host_that_cannot_run_does_not_spin(bench):
    """When every store fails, new ones are not made without end: the next try waits."""
    manager = bench.start(limits=Limits(memory_bytes=48 * 1024 * 1024))
    fill(bench.ledger, 1)
    for generation in manager.wanted():
        embed_all(bench.ledger, bench.vectors, generation)
    with pytest.raises(IndexFailure):
        manager.step(10)
    assert manager.health().retry_in > 0
    assert len(bench.ledger.generations()) <= 3


def test_a_step_that_is_told_to_stop_ends_the_probe(harmed):
    """SIGTERM does not wait for a long probe; the next start probes again."""
    harmed.ledger.set_manifest(harmed.serving().generation_id, None)
    manager = harmed.start()
    assert manager.step(100, lambda: True).writes == 0
    assert manager.serving() is None
    manager.close()
    assert harmed.serving().manifest is None


def test_a_server_that_comes_and_goes_is_caught_up_with(bench, server):
    """What serves has the public name; what changed while the server was away is written later."""
    manager = bench.start(url=server.url, collection="handbook")
    manager.wanted()
    fill(bench.ledger, 30)
    bench.drain(manager)
    assert server.collections() == {"handbook": bench.serving().location}
    server.kill()
    fill(bench.ledger, 10, start=30)
    bench.ledger.drop("c00003")
    for generation in manager.wanted():
        embed_all(bench.ledger, bench.vectors, generation)
    with pytest.raises(IndexUnavailable):
        manager.step(100)
    assert manager.serving() is None
    server.start()
    bench.drain(manager)
    assert manager.verify().clean
    assert manager.serving().count() == 39


def test_a_server_that_lost_its_collection_is_filled_again(bench, server):
    """An emptied server is noticed at the next opening, and gets every row."""
    manager = bench.start(url=server.url)
    manager.wanted()
    fill(bench.ledger, 30)
    bench.drain(manager)
    manager.close()
    server.kill()
    shutil.rmtree(server.folder / "data")
    server.start()
    again = bench.start(url=server.url)
    bench.drain(again)
    assert again.verify().clean
    assert again.serving().count() == 30


@pytest.mark.slow
def test_a_collection_damaged_on_its_server_is_rebuilt_under_another_name(bench, server):
    """A server that answers with errors of its own, time after time, gets a new collection."""
    manager = bench.start(url=server.url)
    manager.wanted()
    fill(bench.ledger, MANY)
    bench.drain(manager)
    manager.close()
    server.kill()
    for data in (server.folder / "data").rglob("data_level0.bin"):
        os.truncate(data, data.stat().st_size // 4)
    server.start()
    bench.embedded = 0
    again = bench.start(url=server.url)
    bench.drain(again)
    assert server.collections()["ingestor"] == bench.serving().location
    assert again.verify().clean
    assert bench.embedded == 0


def test_somebody_elses_collection_is_left_alone(bench, server):
    """A collection that we did not make is refused with a sentence, and not emptied."""
    code = (
        "import chromadb, sys; client = chromadb.HttpClient('127.0.0.1', int(sys.argv[1]))\n"
        "theirs = client.get_or_create_collection('ingestor', embedding_function=None)\n"
        "sys.argv[2:] or theirs.add(ids=['theirs'], embeddings=[[1.0, 0.0]]); print(theirs.count())\n"
    )
    command = [sys.executable, "-c", code, str(server.port)]
    subprocess.run(command, check=True, capture_output=True)
    manager = bench.start(url=server.url)
    with pytest.raises(IndexUnavailable, match="not made by ingestor"):
        manager.step(10)
    count = subprocess.run([*command, "count"], check=True, capture_output=True, text=True).stdout
    assert count.strip() == "1"


def test_this_process_never_imports_chromadb(tmp_path):
    """The store lives in the host alone; its client and numpy's weight stay out of a run without work."""
    code = (
        "import sys; from pathlib import Path\n"
        "from ingestor.index.generations import GenerationManager\n"
        "from tests.support.memory_ledger import MemoryLedger\n"
        "from tests.support.one_model import OneModel\n"
        "class Vectors: model = 'stub'\n"
        "models, folder = OneModel(Vectors()), Path(sys.argv[1])\n"
        "ledger = MemoryLedger(); manager = GenerationManager(folder=folder, ledger=ledger, models=models)\n"
        "manager.step(10); manager.close()\n"
        "print([name for name in ('chromadb', 'numpy', 'torch', 'sqlite3') if name in sys.modules])\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"
