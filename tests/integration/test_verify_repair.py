"""`verify` finds and `verify --repair` mends whatever is done to the index and to the ledger.

Every damage is really done: to Chroma by way of its own host, as anybody could who writes into the collection,
and to the ledger's files with SQLite's own tools while nothing has them open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingestor import wire
from ingestor.model import ChunkId
from tests.support.damaged_state import GONE, SOURCE, Bench, make_original
from tests.support.faults_corpus import markdown
from tests.support.served import Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``docs`` with everything in order about it, and a document that lived and was deleted."""
    place = tmp_path_factory.mktemp("verify")
    make_original(place)
    return place


@pytest.fixture
def bench(original: Path, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(original, tmp_path / "state")
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def open_bench(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One service for all damage to its index: each repair leaves it as it was."""
    bench = Bench(original, tmp_path_factory.mktemp("open") / "state")
    yield bench
    bench.close()


# -- damage to Chroma --------------------------------------------------------------------------------------


def _rewrite(bench: Bench, chunk: ChunkId, **changes: Any) -> None:
    vector, text, metadata = bench.index.get([chunk])[chunk]
    row = {"vector": vector, "text": text, "metadata": dict(metadata), **changes}
    row["metadata"] = {**metadata, **row["metadata"]}
    bench.index.upsert([chunk], np.stack([row["vector"]]), [row["text"]], [row["metadata"]])


def _row_deleted(bench: Bench) -> None:
    bench.index.delete(bench.chunks("a.md")[:1])


def _document_deleted(bench: Bench) -> None:
    bench.index.delete(bench.chunks("a.md"))


def _all_deleted(bench: Bench) -> None:
    bench.index.delete(bench.chunks())


def _row_added(bench: Bench) -> None:
    _, text, metadata = bench.index.get(bench.chunks("b.md")[:1])[bench.chunks("b.md")[0]]
    bench.index.upsert([ChunkId("intruder")], np.eye(384, dtype=np.float32)[:1], [text], [dict(metadata)])


def _deleted_row_back(bench: Bench) -> None:
    (dead,) = bench.chunks(GONE, alive=False)
    _, _, metadata = bench.index.get(bench.chunks("b.md")[:1])[bench.chunks("b.md")[0]]
    bench.index.upsert([dead], np.eye(384, dtype=np.float32)[:1], ["what was deleted"], [dict(metadata)])


def _text_altered(bench: Bench) -> None:
    _rewrite(bench, bench.chunks("b.md")[0], text="Nobody wrote this.")


def _other_vector(bench: Bench) -> None:
    _rewrite(bench, bench.chunks("b.md")[0], vector=np.eye(384, dtype=np.float32)[7])


def _vector_of_another(bench: Bench) -> None:
    one, other = bench.chunks("a.md")[0], bench.chunks("c.md")[0]
    _rewrite(bench, one, vector=bench.index.get([other])[other][0])


def _garbage_vector(bench: Bench) -> None:
    garbage = np.random.default_rng(1).normal(0, 1e4, 384).astype(np.float32)
    _rewrite(bench, bench.chunks("b.md")[0], vector=garbage)


def _acl_widened(bench: Bench) -> None:
    _rewrite(bench, bench.chunks("b.md")[0], metadata={"acl": 99})


def _title_stale(bench: Bench) -> None:
    _rewrite(bench, bench.chunks("b.md")[0], metadata={"title": "As it was called before"})


def _foreign_key(bench: Bench) -> None:
    _rewrite(bench, bench.chunks("b.md")[0], metadata={"owner": "somebody"})


INDEX_DAMAGE: dict[str, tuple[Callable[[Bench], None], Callable[[Bench], dict[str, int]]]] = {
    "a row deleted": (_row_deleted, lambda _: {"lost": 1}),
    "a document's rows deleted": (_document_deleted, lambda b: {"lost": len(b.chunks("a.md"))}),
    "all rows deleted": (_all_deleted, lambda b: {"lost": len(b.chunks())}),
    "a row added": (_row_added, lambda _: {"orphan": 1}),
    "a deleted row back": (_deleted_row_back, lambda _: {"orphan": 1}),
    "text altered": (_text_altered, lambda _: {"stale": 1}),
    "another unit vector": (_other_vector, lambda _: {"stale": 1}),
    "the vector of another row": (_vector_of_another, lambda _: {"stale": 1}),
    "a garbage vector": (_garbage_vector, lambda _: {"stale": 1}),
    "a permission widened": (_acl_widened, lambda _: {"stale": 1}),
    "a title out of date": (_title_stale, lambda _: {"stale": 1}),
    "a key too many": (_foreign_key, lambda _: {"stale": 1}),
}


@pytest.mark.parametrize("name", INDEX_DAMAGE)
def test_damage_to_the_index_is_found_and_mended(open_bench: Bench, name: str) -> None:
    """Under the right count; the rows are written again from the ledger, and not one unit is embedded."""
    damage, expected = INDEX_DAMAGE[name]
    counts = expected(open_bench)
    damage(open_bench)
    _found_and_mended(open_bench, counts, embedded=0)


# -- damage to the ledger ----------------------------------------------------------------------------------

_DOC = "(SELECT doc FROM item WHERE item_id = 'a.md')"
_OTHER_DOC = "(SELECT doc FROM item WHERE item_id = 'b.md')"
_LIVE = f"(SELECT min(cut.chunk) FROM cut JOIN chunk ON chunk.id = cut.chunk WHERE died IS NULL AND doc = {_DOC})"
_DEAD = "(SELECT min(chunk) FROM cut WHERE died IS NOT NULL)"
_OTHER_LAYOUT = f"(SELECT packed FROM layout WHERE died IS NULL AND doc = {_OTHER_DOC})"
_SETTLED = f"VALUES (1, {_DEAD}, x'00', x'00', 1, 1)"
_UNIT = "(SELECT max(id) FROM unit WHERE text LIKE '%neighbour%' AND text LIKE '%rule 8 %')"  # of paragraph 1 alone
_TEXT = f"(SELECT text FROM chunk WHERE id = {_LIVE})"

# name: (statements, what is reported, units embedded by the repair)
LEDGER_DAMAGE: dict[str, tuple[Sequence[str], dict[str, int], int]] = {
    "a layout missing": ([f"DELETE FROM layout WHERE died IS NULL AND doc = {_DOC}"], {"lost": 1}, 0),
    "a layout of a revision that is not there": ([f"DELETE FROM revision WHERE doc = {_DOC}"], {"lost": 1}, 0),
    "a binding missing": ([f"DELETE FROM binding WHERE died IS NULL AND doc = {_DOC}"], {"lost": 1}, 0),
    "an item missing": (["DELETE FROM item WHERE item_id = 'c.md'"], {"orphan": 3}, 0),
    "a document missing": (
        [f"UPDATE item SET doc = 999 WHERE doc = {_OTHER_DOC}"],
        {"lost": 1, "orphan": 4},
        0,
    ),
    # It lives in the layout, in the index and in the keyword index still.
    "a chunk's life missing": (
        [f"DELETE FROM cut WHERE died IS NULL AND chunk = {_LIVE}"],
        {"lost": 1, "orphan": 2},
        0,
    ),
    "a chunk's life ended": (
        [f"UPDATE cut SET died = 1 WHERE died IS NULL AND chunk = {_LIVE}"],
        {"lost": 1, "orphan": 2},
        0,
    ),
    # Neither its layout nor the index nor the keyword index knows it.
    "a dead chunk alive": (
        [f"UPDATE chunk SET doc = {_DOC} WHERE id = {_DEAD}", f"UPDATE cut SET died = NULL WHERE chunk = {_DEAD}"],
        {"orphan": 1, "lost": 2},
        0,
    ),
    "a layout that names chunks of another": (
        [
            f"UPDATE layout SET packed = {_OTHER_LAYOUT} WHERE died IS NULL AND doc = {_DOC}",
        ],
        {"lost": 2, "orphan": 4},
        0,
    ),
    "a chunk of nobody": (
        [f"INSERT INTO chunk (chunk_id, doc, text_hash, text) VALUES ('nobody', {_DOC}, x'00', 'words of nobody')"],
        {"orphan": 1},
        0,
    ),
    # The keyword index is compared with it as well.
    "a chunk's text altered": ([f"UPDATE chunk SET text = 'Nobody wrote this.' WHERE id = {_LIVE}"], {"stale": 2}, 0),
    "a chunk's context altered": ([f"UPDATE cut SET context = 'Nobody' WHERE chunk = {_LIVE}"], {"stale": 2}, 0),
    "an index state missing": ([f"DELETE FROM index_state WHERE chunk = {_LIVE}"], {"lost": 1}, 0),
    "a tombstone for a live chunk": (
        [f"UPDATE index_state SET alive = 0, wanted = NULL, ready = 0 WHERE chunk = {_LIVE}"],
        {"lost": 1},
        0,
    ),
    "a dead chunk wanted": (
        [f"INSERT INTO index_state (generation, chunk, wanted, alive) VALUES (1, {_DEAD}, x'00', 1)"],
        {"orphan": 1},
        0,
    ),
    "a dead chunk said to be written": (
        [
            f"INSERT INTO index_state (generation, chunk, wanted, written, alive, ready) {_SETTLED}",
        ],
        {"orphan": 1},
        0,
    ),
    "an index state of no chunk": (
        ["INSERT INTO index_state (generation, chunk, alive) VALUES (1, 999999, 0)"],
        {"orphan": 1},
        0,
    ),
    "an index state of no generation": (
        [f"INSERT INTO index_state (generation, chunk, wanted, alive) VALUES (77, {_LIVE}, x'00', 1)"],
        {"orphan": 1},
        0,
    ),
    "wanted and written that lie alike": (
        [f"UPDATE index_state SET wanted = x'0102', written = x'0102' WHERE chunk = {_LIVE}"],
        {"stale": 1},
        0,
    ),
    "a wanted state that lies": ([f"UPDATE index_state SET wanted = x'0102' WHERE chunk = {_LIVE}"], {"stale": 1}, 0),
    "a keyword row missing": (
        [f"INSERT INTO keyword (keyword, rowid, text) VALUES ('delete', {_LIVE}, {_TEXT})"],
        {"lost": 1},
        0,
    ),
    "a keyword row too many": (
        ["INSERT INTO keyword (rowid, text) VALUES (99999, 'words of nobody')"],
        {"orphan": 1},
        0,
    ),
    "a keyword row with other text": (
        [
            f"INSERT INTO keyword (keyword, rowid, text) VALUES ('delete', {_LIVE}, {_TEXT})",
            f"INSERT INTO keyword (rowid, text) VALUES ({_LIVE}, 'words of nobody')",
        ],
        {"stale": 1},
        0,
    ),
    # Its vector belongs to nobody then. It is known under another number from then on.
    "a unit missing": ([f"DELETE FROM unit WHERE id = {_UNIT}"], {"lost": 1, "orphan": 1}, 1),
    "a unit's text altered": ([f"UPDATE unit SET text = 'Nobody wrote this.' WHERE id = {_UNIT}"], {"lost": 1}, 1),
}


@pytest.mark.parametrize("name", LEDGER_DAMAGE)
def test_damage_to_the_ledger_is_found_and_mended(bench: Bench, name: str) -> None:
    """Under the right count; from the ledger's other rows or by a listing of the source, with the vectors that
    are there."""
    statements, counts, embedded = LEDGER_DAMAGE[name]
    bench.sql(*statements)
    _found_and_mended(bench, counts, embedded=embedded)


@pytest.mark.parametrize("name", ["a layout missing", "an item missing", "a chunk's text altered"])
def test_what_is_taken_out_returns_under_its_id(bench: Bench, name: str) -> None:
    """Citations of a document that had to be listed anew hold."""
    before = bench.open().documents(SOURCE)
    bench.close()
    bench.sql(*LEDGER_DAMAGE[name][0])
    assert bench.open().operations.verify(wire.VerifyRequest(repair=True), lambda _: None).ok
    assert bench.open().documents(SOURCE) == before


# -- damage to the vectors ---------------------------------------------------------------------------------

VECTOR_DAMAGE: dict[str, tuple[Sequence[str], dict[str, int], int]] = {
    "vectors missing": (["DELETE FROM vector WHERE unit IN ({0}, {4}, {9})"], {"lost": 3}, 3),
    "all vectors missing": (["DELETE FROM vector"], {}, 0),
    "a vector of noughts": (["UPDATE vector SET v = zeroblob(768) WHERE unit = {3}"], {"lost": 1}, 1),
    "a vector that is no number": (
        [f"UPDATE vector SET v = x'{'ff7f' * 384}' WHERE unit = {{3}}"],
        {"lost": 1},
        1,
    ),
    "a vector cut short": (["UPDATE vector SET v = substr(v, 1, 100) WHERE unit = {3}"], {"lost": 1}, 1),
    "the vector of another unit": (
        ["UPDATE vector SET v = (SELECT v FROM vector WHERE unit = {0}) WHERE unit = {3}"],
        {"lost": 1},
        1,
    ),
    "the vector of another unit with its checksum": (
        ["UPDATE vector SET (v, sum) = (SELECT v, sum FROM vector WHERE unit = {0}) WHERE unit = {3}"],
        {"lost": 1},
        1,
    ),
    "a vector of nobody": (
        ["INSERT INTO vector (unit, v) SELECT 88888, v FROM vector WHERE unit = {3}"],
        {"orphan": 1},
        0,
    ),
}


@pytest.mark.parametrize("name", VECTOR_DAMAGE)
def test_damage_to_the_vectors_is_found_and_mended(bench: Bench, name: str) -> None:
    """Exactly the units whose vectors are lost are embedded again."""
    statements, counts, embedded = VECTOR_DAMAGE[name]
    if name == "all vectors missing":
        # Of the units of live chunks, that is: nothing needs those of a deleted document.
        embedded = len(bench.units())
        counts = {"lost": embedded}
    bench.vector_sql(*statements)
    _found_and_mended(bench, counts, embedded=embedded)


def test_an_index_written_from_a_vector_that_was_none_is_mended_too(bench: Bench) -> None:
    """The ledger first, and what the index shows to be wrong then in the same repair."""
    chunk = bench.chunks("a.md")[0]
    _rewrite(bench, chunk, vector=np.eye(384, dtype=np.float32)[3])
    bench.close()
    bench.vector_sql("UPDATE vector SET v = zeroblob(768) WHERE unit = {0}")
    reply = bench.open().operations.verify(wire.VerifyRequest(repair=True), lambda _: None)
    assert reply.ok
    bench.equals_the_oracle()


def test_damage_everywhere_at_once_is_mended_by_one_repair(bench: Bench) -> None:
    """Ledger, vectors and index, in one go."""
    _document_deleted(bench)
    _acl_widened(bench)
    _row_added(bench)
    bench.close()
    bench.sql(*LEDGER_DAMAGE["a chunk's life ended"][0], *LEDGER_DAMAGE["a chunk of nobody"][0])
    bench.vector_sql(*VECTOR_DAMAGE["vectors missing"][0])
    served = bench.open()
    assert not served.verify().ok
    reply = served.operations.verify(wire.VerifyRequest(repair=True, details=True), lambda _: None)
    assert reply.ok, reply.details
    assert served.embedder.embedded == 3
    bench.equals_the_oracle()


def test_a_repair_of_a_sound_state_changes_nothing(bench: Bench) -> None:
    """Not a row of the ledger, and not a row of the index."""
    served = bench.open()
    before = _rows(served)
    reply = served.operations.verify(wire.VerifyRequest(repair=True), lambda _: None)
    assert (reply.ok, reply.repaired, reply.checked) == (True, 0, len(bench.chunks()))
    assert _rows(served) == before
    assert served.embedder.embedded == 0


def test_verify_after_a_wrecked_start_waits_for_the_index_that_is_built_anew(bench: Bench) -> None:
    """It never judges a generation that is half full, nor calls a wreck what the start is about to replace."""
    chunks = len(bench.chunks())
    (folder,) = (bench.state / "chroma").glob("generation-*")
    with (folder / "chroma.sqlite3").open("r+b") as stream:
        stream.write(b"no database" * 500)
    bench.sql("UPDATE generation SET manifest = NULL")  # as a kill leaves it
    served = bench.open()
    reply = served.verify()
    assert (reply.ok, reply.checked) == (True, chunks)
    assert served.embedder.embedded == 0
    bench.equals_the_oracle()


def test_verify_beside_commits_finds_nothing(tmp_path: Path) -> None:
    """What is committed, ends or is written while it looks is work in progress and no damage."""
    root, end = tmp_path / "docs", threading.Event()
    root.mkdir()
    served = Served(tmp_path / "state")

    def churn() -> None:
        number = 0
        while not end.is_set():
            number += 1
            (root / f"{number % 5}.md").write_text(markdown("Page", [number, number + 1]))
            served.sync(SOURCE)

    served.add(root, SOURCE)
    churning = threading.Thread(target=churn)
    churning.start()
    try:
        for _ in range(8):
            reply = served.verify()
            assert reply.ok, reply.details
    finally:
        end.set()
        churning.join()
        served.close()


def _rows(served: Served) -> dict[str, list[tuple[object, ...]]]:
    read = served.ledger.sync._db.read
    return {
        table: read(f"SELECT * FROM {table}")
        for table in ("item", "binding", "layout", "chunk", "cut", "unit", "index_state", "revision", "commits")
    }


def _found_and_mended(bench: Bench, counts: dict[str, int], *, embedded: int) -> None:
    served = bench.open()
    reply = served.verify()
    found = {"lost": reply.lost, "orphan": reply.orphan, "duplicate": reply.duplicate, "stale": reply.stale}
    assert {name: count for name, count in found.items() if count} == counts, reply.details
    assert not reply.ok
    assert reply.details
    mended = served.operations.verify(wire.VerifyRequest(repair=True, details=True), lambda _: None)
    assert mended.ok, mended.details
    assert (mended.lost, mended.orphan, mended.duplicate, mended.stale) == (0, 0, 0, 0)
    assert mended.repaired == sum(counts.values())
    assert mended.checked == len(bench.chunks())
    assert served.embedder.embedded == embedded
    assert served.verify().ok
    bench.equals_the_oracle()
