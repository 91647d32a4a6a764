"""On a Chroma server the collection that serves is found under one name, whatever is built or kept beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestor import wire, wire_models
from ingestor.model import GenerationState
from tests.support.chroma_server import ChromaServer
from tests.support.served import Served
from tests.support.stub_embedder import StubEmbedder

pytestmark = pytest.mark.slow

NEW = "/models/new"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(tmp_path: Path, server: ChromaServer) -> Iterator[Callable[[], Served]]:
    """A service on the server; each start is a new one over the same state."""
    folder, running = tmp_path / "docs", list[Served]()
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nThe harbour of number {number} is open all night.\n")

    def begin() -> Served:
        for one in running:
            one.close()
        settings = f'[index]\nurl = "{server.url}"\ncollection = "public"\n'
        running[:] = [Served(tmp_path / "state", others={NEW: StubEmbedder(NEW)}, settings=settings)]
        if not running[0].ledger.sources.all():
            running[0].add(folder, "docs")
        running[0].sync("docs")
        return running[0]

    yield begin
    for one in running:
        one.close()


def serving(served: Served) -> str:
    (location,) = [g.location for g in served.ledger.index.generations() if g.state is GenerationState.SERVING]
    return location


def named_right(served: Served, server: ChromaServer, others: int) -> bool:
    """The serving collection has the public name, every other one its own."""
    there = server.collections()
    own = {name: made for name, made in there.items() if name != "public"}
    return there.get("public") == serving(served) and len(own) == others and all(n == m for n, m in own.items())


def rename(server: ChromaServer, old: str, new: str) -> None:
    """What a process that died between two renames leaves behind."""
    code = (
        "import sys, chromadb\n"
        "client = chromadb.HttpClient(host='127.0.0.1', port=int(sys.argv[1]))\n"
        "client.get_collection(sys.argv[2], embedding_function=None).modify(name=sys.argv[3])\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(server.port), old, new], check=True)


def test_the_public_name_follows_a_switch_and_a_rollback(start: Callable[[], Served], server: ChromaServer) -> None:
    """The name goes from one collection to the other and back; the kept one goes by the name it was made under."""
    served = start()
    served.until(lambda: named_right(served, server, 0), "the public name")
    first = serving(served)
    request = wire_models.ModelSwitchRequest(name=NEW, keep_s=3_600.0)
    assert served.operations.model_switch(request, lambda _progress: None).outcome == "done"
    served.until(lambda: named_right(served, server, 1), "the name to follow the switch")
    assert serving(served) != first
    assert served.verify().ok
    served.operations.model_rollback(wire_models.ModelRollbackRequest())
    served.until(lambda: named_right(served, server, 1), "the name to go back")
    assert serving(served) == first
    assert served.verify().ok


def test_the_public_name_is_put_right_at_the_start(start: Callable[[], Served], server: ChromaServer) -> None:
    """A process that died between the two renames left nobody with the name: the next start gives it back, and
    takes no row for lost."""
    served = start()
    served.until(lambda: named_right(served, server, 0), "the public name")
    own = serving(served)
    served.close()
    rename(server, "public", own)
    served = start()
    served.service.parts.pump.kick()
    served.until(lambda: named_right(served, server, 0), "the name to be put right")
    verdict = served.verify()
    assert (verdict.ok, verdict.checked, served.embedder.embedded) == (True, 6, 0)


def test_a_rebuild_keeps_the_public_name(start: Callable[[], Served], server: ChromaServer) -> None:
    """The collection that a rebuild replaced is gone, and the new one has the name."""
    served = start()
    before = serving(served)
    assert served.operations.rebuild(wire.RebuildRequest(), lambda _progress: None).outcome == "ok"
    served.until(lambda: named_right(served, server, 0), "the name to follow")
    assert serving(served) != before
    assert served.verify().ok
