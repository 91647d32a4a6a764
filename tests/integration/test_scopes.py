"""Named scopes, to the end: what other programs find in each collection, and what a search in a scope shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ingestor import wire, wire_models, wire_service
from ingestor.errors import UnknownId, UserError
from ingestor.service.restore import restore
from tests.support.chroma_server import ChromaServer
from tests.support.foreign_reader import ForeignReader, foreign_reader
from tests.support.served import Served
from tests.support.stub_embedder import StubEmbedder

pytestmark = pytest.mark.slow

NEW = "/models/new"
TABLE = '[[source]]\nname = "{name}"\nkind = "files"\npath = "{path}"\npermissions = ["{grant}"]\n'
SCOPES = {"invoices": "acme", "offers": "acme", "letters": "zeta", "notices": ""}
"""Each source, and the scope that it begins in."""


class Desk:
    """A service over four folders, whose scopes a reload can change."""

    def __init__(self, base: Path, index: str = "") -> None:
        self.base, self._index = base, index
        for name in SCOPES:
            (base / name).mkdir()
            for number in range(3):
                self.write(name, number)
        self.scopes = dict(SCOPES)
        self.others = {NEW: StubEmbedder(NEW)}
        self.start()

    def write(self, name: str, number: int, word: str = "harbour") -> None:
        (self.base / name / f"{number}.md").write_text(f"# Page\n\nThe {word} in {name}, number {number}, is open.\n")

    def settings(self) -> str:
        tables = [
            TABLE.format(name=name, path=self.base / name, grant=f"group:{name}")
            + (f'scope = "{scope}"\n' if scope else "")
            for name, scope in self.scopes.items()
        ]
        return self._index + "".join(tables)

    def start(self, state: str = "state") -> None:
        self.served = Served(self.base / state, others=self.others, settings=self.settings())
        self.config = self.base / f"{state}.toml"
        for name in self.scopes:
            self.served.sync(name)

    def move(self, **scopes: str) -> None:
        """The configuration says so, and is read again."""
        self.scopes |= scopes
        self.config.write_text(self.settings())
        reply = self.served.operations.reload(wire_service.ReloadRequest())
        assert set(reply.changed) == set(scopes)
        for name in scopes:
            self.served.until_settled(name)

    def search(self, *scopes: str, principals: tuple[str, ...] | None = None, mode: str = "dense") -> set[str]:
        """The sources of what is found."""
        request = wire.SearchRequest.model_validate(
            {"query": "the harbour", "mode": mode, "top": 50, "scopes": scopes, "principals": principals}
        )
        return {hit.source for hit in self.served.operations.search(request).hits}

    def expected(self) -> dict[str, set[str]]:
        """The sources of each public name."""
        found: dict[str, set[str]] = {"ingestor": set()}
        for name, scope in self.scopes.items():
            found.setdefault(f"ingestor-{scope}" if scope else "ingestor", set()).add(name)
        return found

    def close(self) -> None:
        self.served.close()


def seen(reader: ForeignReader) -> dict[str, set[str]]:
    """The sources that a foreign reader finds under each public name that there is, each with all its passages."""
    found: dict[str, set[str]] = {}
    for name in ("ingestor", "ingestor-acme", "ingestor-zeta", "ingestor-omega"):
        if (rows := reader.sources(name)) is not None:
            found[name] = set(rows.values())
            assert all(source in text for text, source in rows.items())
            assert len(rows) == 3 * len(found[name])
    return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


def test_each_scope_is_a_collection_of_its_own_on_a_server(tmp_path: Path, server: ChromaServer) -> None:
    """Under `COLLECTION-SCOPE` another program finds exactly the passages of the scope's sources: also after a source
    moved, the model was switched and taken back, the index was built anew, rows were planted and repaired, and a
    source was removed. A scope without a source has no collection, and no move embeds anything."""
    desk = Desk(tmp_path, f'[index]\nurl = "{server.url}"\n')
    served, operations = desk.served, desk.served.operations
    with closing(desk), foreign_reader(server.url) as reader:

        def until_right(what: str) -> None:
            served.until(lambda: seen(reader) == desk.expected(), what)
            assert served.verify().ok

        until_right("the first collections")
        embedded = served.embedder.embedded
        desk.move(offers="zeta")
        until_right("one source to move")
        desk.move(invoices="omega", notices="acme")
        until_right("a scope to be new, and another to change its sources")
        desk.move(notices="")
        until_right("a scope to go")
        assert served.embedder.embedded == embedded

        switch = wire_models.ModelSwitchRequest(name=NEW, keep_s=3_600.0)
        assert operations.model_switch(switch, lambda _progress: None).outcome == "done"
        until_right("the names to follow a switch")
        desk.move(letters="acme")
        until_right("a move beside a kept generation")
        operations.model_rollback(wire_models.ModelRollbackRequest())
        until_right("the names to go back")
        assert operations.rebuild(wire.RebuildRequest(), lambda _progress: None).outcome == "ok"
        until_right("the names to follow a rebuild")
        assert served.embedder.embedded == embedded

        index = served.service.parts.index.serving()
        assert index is not None
        ids = list(index.page(0, 10, "omega"))
        vectors, texts, metadata = zip(*(index.get(ids, "omega")[key] for key in ids), strict=True)
        for elsewhere in ("zeta", "nobody"):
            index.upsert(ids, np.stack(vectors), texts, metadata, elsewhere)
        index.delete(ids[:1], "omega")
        found = served.verify()
        assert (found.lost, found.orphan) == (1, 2 * 3)
        assert sum("in the scope zeta" in line for line in found.details) == 3
        repaired = operations.verify(wire.VerifyRequest(repair=True), lambda _progress: None)
        assert (repaired.ok, repaired.repaired) == (True, 7)
        until_right("what was planted to go")
        assert sorted(index.scopes()) == ["acme", "omega", "zeta"]


def test_each_scope_is_a_collection_of_its_own_in_the_folder(desk: Desk) -> None:
    """Behind the link `chroma/serving` the same is found when we ended: after a move, after a purge, and after a
    restore of a backup that was made before both."""

    def look(state: str = "state") -> dict[str, set[str]]:
        desk.close()
        with foreign_reader(desk.base / state / "chroma" / "serving") as reader:
            return seen(reader)

    archive = desk.base / "backup.tar"
    desk.served.operations.backup(wire_service.BackupRequest(path=str(archive)), lambda _progress: None)
    assert look() == desk.expected()
    desk.start()
    desk.move(letters="acme", offers="")
    assert desk.served.embedder.embedded == 0
    assert look() == desk.expected()

    del desk.scopes["letters"]
    desk.start()
    desk.served.remove("letters")
    desk.served.until(desk.served.service.parts.pump.settled, "what was removed to go")
    assert desk.served.verify().ok
    assert desk.search("acme") == {"invoices"}
    assert look() == desk.expected()

    (desk.base / "restored").mkdir()
    restore(desk.base / "restored", archive, lambda _progress: None, location="generation-restored")
    desk.start("restored")  # by the configuration of today
    left = desk.served.ledger.sources.all()
    assert {row.name: row.scope for row in left} == {**desk.scopes, "letters": "zeta"}
    assert desk.served.embedder.embedded == 0
    desk.scopes["letters"] = "zeta"
    assert look("restored") == desk.expected()


def test_a_search_in_a_scope_shows_its_sources(desk: Desk) -> None:
    """In every mode, for the owner and for readers; without a scope it covers all. A scope of which a reader may see
    nothing does not exist, like one that nobody is in."""
    for mode in ("dense", "hybrid", "keyword"):
        assert desk.search("acme", mode=mode) == {"invoices", "offers"}
        assert desk.search("acme", "zeta", mode=mode) == {"invoices", "offers", "letters"}
        assert desk.search(mode=mode) == set(SCOPES)
        assert desk.search("acme", principals=("group:offers", "group:letters"), mode=mode) == {"offers"}
        assert desk.search(principals=("group:offers", "group:letters"), mode=mode) == {"offers", "letters"}
    refused = []
    for scope in ("zeta", "nobody"):
        with pytest.raises(UnknownId) as told:
            desk.search(scope, principals=("group:offers",))
        refused.append(str(told.value).replace(scope, "SCOPE"))
    assert refused[0] == refused[1]
    desk.move(letters="acme")
    assert desk.search("acme") == {"invoices", "offers", "letters"}
    with pytest.raises(UnknownId):
        desk.search("zeta")


def test_a_folder_is_added_to_a_scope(desk: Desk) -> None:
    """`source add --scope` says which, and says another for a source that a command added; one of the configuration
    has its scope from there."""
    folder, operations = desk.base / "added", desk.served.operations
    folder.mkdir()
    (folder / "page.md").write_text("# Page\n\nThe harbour of what was added.\n")

    def add(scope: str | None, path: Path = folder) -> wire.SourceReply:
        return operations.source_add(wire.SourceAddRequest(path=str(path), scope=scope))

    assert (add("acme").scope, add(None).scope) == ("acme", "acme")
    desk.served.sync("added")
    assert "added" in desk.search("acme")
    assert (add("zeta").created, add(None).scope) == (False, "zeta")
    assert ("added" in desk.search("acme"), "added" in desk.search("zeta")) == (False, True)
    assert add("").scope == ""
    desk.served.until(desk.served.service.parts.pump.settled, "the rows to move")
    assert desk.served.verify().ok
    for scope, path in (("Acme", folder), ("a" * 33, folder), ("-a", folder), ("acme", desk.base / "letters")):
        with pytest.raises(UserError):
            add(scope, path)
    assert {row.name: row.scope for row in desk.served.ledger.sources.all()} == {**SCOPES, "added": ""}
