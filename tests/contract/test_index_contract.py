"""Every vector index keeps the port's contract: Chroma in a folder, Chroma on a server, the one in memory."""

import numpy as np
import pytest

from ingestor.index.chroma import ChromaIndex
from ingestor.index.place import Folder, Server
from ingestor.model import ChunkId
from tests.support.chroma_server import ChromaServer
from tests.support.memory_index import MemoryIndex

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def server_url(tmp_path_factory):
    """A real server."""
    server = ChromaServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def opened(request, tmp_path_factory):
    """One index of each kind for the module: starting a host takes a second."""
    made = {}

    def get(kind):
        if kind not in made:
            match kind:
                case "memory":
                    made[kind] = MemoryIndex()
                case "folder":
                    path = tmp_path_factory.mktemp("chroma") / "store"
                    made[kind] = ChromaIndex(Folder(path=path, collection="ingestor"))
                case "server":
                    url = request.getfixturevalue("server_url")
                    made[kind] = ChromaIndex(Server(url=url, collection="ingestor"))
        return made[kind]

    yield get
    for index in made.values():
        index.close()


@pytest.fixture(params=["memory", "folder", "server"])
def index(request, opened):
    """An empty index."""
    index = opened(request.param)
    while page := index.page(0, 5_000):
        index.delete(page)
    for scope in index.scopes():
        index.delete(None, scope)
    return index


def rows(count, start=0):
    ids = [ChunkId(f"{number:040x}") for number in range(start, start + count)]
    vectors = RNG.standard_normal((count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    metadata = [{"document_id": f"d{number}", "title": "Títle", "page": number} for number in range(count)]
    return ids, vectors, [f"Text {number}." for number in range(count)], metadata


def test_gives_back_what_was_written(index):
    """Vector, text and metadata come back as they were given; ids not there are left out."""
    ids, vectors, texts, metadata = rows(20)
    index.upsert(ids, vectors, texts, metadata)
    found = index.get([*ids[::-1], ChunkId("nobody")])
    assert set(found) == set(ids)
    for chunk_id, vector, text, values in zip(ids, vectors, texts, metadata, strict=True):
        assert np.allclose(found[chunk_id][0], vector, atol=1e-5)
        assert found[chunk_id][1:] == (text, values)


def test_an_upsert_replaces_the_row_whole(index):
    """The same id again means new vector, text and values of the same keys, and no second row."""
    ids, vectors, texts, metadata = rows(3)
    index.upsert(ids, vectors, texts, metadata)
    index.upsert(ids[:1], vectors[1:2], ["New."], [{**metadata[0], "title": "Newer"}])
    assert index.count() == 3
    vector, text, values = index.get(ids[:1])[ids[0]]
    assert np.allclose(vector, vectors[1], atol=1e-5)
    assert (text, values["title"]) == ("New.", "Newer")


def test_writes_are_idempotent(index):
    """Writing and deleting twice is as once; deleting what is not there is no error."""
    ids, vectors, texts, metadata = rows(5)
    for _ in range(2):
        index.upsert(ids, vectors, texts, metadata)
    assert index.count() == 5
    for _ in range(2):
        index.delete([*ids[:2], ChunkId("nobody")])
    assert sorted(index.page(0, 10)) == ids[2:]


def test_pages_list_every_id_once(index):
    """Ids come in a stable order, page by page, and nothing past the end."""
    ids, vectors, texts, metadata = rows(730)
    index.upsert(ids, vectors, texts, metadata)
    listed = [chunk_id for offset in range(0, 730, 200) for chunk_id in index.page(offset, 200)]
    assert sorted(listed) == ids
    assert list(index.page(730, 200)) == []
    assert index.count() == 730


def test_asks_for_the_nearest(index):
    """The nearest rows come first, with their cosines; asking for more than there are gives all there are."""
    ids, vectors, texts, metadata = rows(50)
    index.upsert(ids, vectors, texts, metadata)
    near = vectors[7] * 0.9 + vectors[8] * 0.1
    near = (near / np.linalg.norm(near)).astype(np.float32)
    answer = index.query(near, 5)
    assert next(iter(answer)) == ids[7]
    assert len(answer) == 5
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    cosines = dict(zip(ids, (vectors @ near).tolist(), strict=True))
    assert answer == pytest.approx({chunk_id: cosines[chunk_id] for chunk_id in answer}, abs=1e-5)
    assert set(index.query(vectors[0], 500)) == set(ids)


def test_an_empty_index_answers(index):
    """Nothing in, nothing out."""
    vector = np.eye(384, dtype=np.float32)[0]
    assert (index.count(), list(index.page(0, 10)), list(index.query(vector, 3))) == (0, [], [])
    assert index.get([ChunkId("nobody")]) == {}


def test_refuses_more_than_the_port_allows(index):
    """A caller that does not page is told so."""
    with pytest.raises(ValueError, match="rows"):
        index.get([ChunkId(str(number)) for number in range(5_001)])


def test_takes_the_largest_batch_of_the_port(opened):
    """5,000 rows in one call are written, read and deleted."""
    index = opened("folder")
    ids, vectors, texts, metadata = rows(5_000, start=1_000_000)
    index.upsert(ids, vectors, texts, metadata)
    assert len(index.get(ids)) == 5_000
    index.delete(ids)


def test_a_scope_has_rows_of_its_own(index):
    """What is written in one scope is in no other and not in the collection without a name, not even under its id."""
    ids, vectors, texts, metadata = rows(6)
    index.upsert(ids[:2], vectors[:2], texts[:2], metadata[:2])
    index.upsert(ids[1:4], vectors[1:4], [f"Of acme: {text}" for text in texts[1:4]], metadata[1:4], "acme")
    index.upsert(ids[4:], vectors[4:], texts[4:], metadata[4:], "zeta")
    assert sorted(index.scopes()) == ["acme", "zeta"]
    assert [sorted(index.page(0, 10, scope)) for scope in ("", "acme", "zeta")] == [ids[:2], ids[1:4], ids[4:]]
    assert (index.count(), index.count("acme"), index.count("zeta")) == (2, 3, 2)
    assert (index.get(ids)[ids[1]][1], index.get(ids, "acme")[ids[1]][1]) == (texts[1], f"Of acme: {texts[1]}")
    index.delete(ids, "acme")
    assert (index.count(), index.count("acme"), index.count("zeta")) == (2, 0, 2)


def test_a_question_goes_to_all_scopes_or_to_some(index):
    """The nearest of the whole generation are those of all its collections together, each id once."""
    ids, vectors, texts, metadata = rows(60)
    for scope, part in (("", slice(0, 20)), ("acme", slice(20, 40)), ("zeta", slice(40, 60))):
        index.upsert(ids[part], vectors[part], texts[part], metadata[part], scope)
    index.upsert(ids[50:51], vectors[50:51], texts[50:51], metadata[50:51], "acme")  # a move that is not at its end
    by_nearness = [ids[number] for number in np.argsort(-(vectors @ vectors[50]))]
    assert list(index.query(vectors[50], 10)) == by_nearness[:10]
    assert set(index.query(vectors[50], 500)) == set(ids)
    assert list(index.query(vectors[50], 5, ["zeta"])) == [key for key in by_nearness if key in ids[40:]][:5]
    assert set(index.query(vectors[50], 500, ["", "zeta"])) == {*ids[:20], *ids[40:]}
    assert list(index.query(vectors[50], 5, ["nobody"])) == []


def test_a_scope_that_is_not_there_is_empty(index):
    """It gives nothing, refuses nothing, and is not made by being asked."""
    ids, vectors, _, _ = rows(2)
    index.delete(ids, "nobody")
    index.delete(None, "nobody")
    assert (index.get(ids, "nobody"), list(index.page(0, 5, "nobody")), index.count("nobody")) == ({}, [], 0)
    assert list(index.query(vectors[0], 3, ["nobody"])) == []
    assert list(index.scopes()) == []


def test_a_scope_goes_whole(index):
    """With all its rows and for itself alone, as often as it is said; and may come again. The collection without a
    name stays."""
    ids, vectors, texts, metadata = rows(4)
    index.upsert(ids, vectors, texts, metadata)
    for scope in ("acme", "zeta"):
        index.upsert(ids, vectors, texts, metadata, scope)
    for _ in range(2):
        index.delete(None, "acme")
    assert (list(index.scopes()), index.count(), index.count("zeta")) == (["zeta"], 4, 4)
    index.upsert(ids[:1], vectors[:1], texts[:1], metadata[:1], "acme")
    assert sorted(index.page(0, 10, "acme")) == ids[:1]
    with pytest.raises(ValueError, match=r".+"):
        index.delete(None)
