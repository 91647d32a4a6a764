"""Other programs read the collection: through a Chroma server while we write, and from the folder when we ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.chroma_server import ChromaServer
from tests.support.program import Program

pytestmark = [
    pytest.mark.slow,
    # langchain and Chroma's client warn about their own insides when they are imported.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

QUESTION = "how long do refunds take"
KEYS = {"document_id", "source", "title", "uri", "url", "section", "page", "acl", "kind"}


class OurModel:
    """The program's embedding model as langchain wants it."""

    def __init__(self) -> None:
        from ingestor.embedding.embedder import SentenceEmbedder

        self._embedder = SentenceEmbedder("builtin:all-MiniLM-L6-v2")

    def embed_query(self, text: str) -> list[float]:
        return [float(number) for number in self._embedder.embed_query(text)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(number) for number in row] for row in self._embedder.embed(texts)]


@pytest.fixture(scope="module")
def model() -> OurModel:
    return OurModel()


def test_a_reader_on_a_chroma_server_sees_what_we_write(
    make_program: Callable[..., Program], tmp_path: Path, model: OurModel
) -> None:
    """With `[index] url` the service writes to a Chroma server, and langchain-chroma reads beside it: what is
    there, what was edited, and not what was deleted."""
    import chromadb
    from langchain_chroma import Chroma

    server = ChromaServer(tmp_path / "server")
    server.start()
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 7 business days after inspection.\n")
    (folder / "tides.md").write_text("# Tides\n\nHigh water comes fifty minutes later each day.\n")
    program = make_program(config=f'[index]\nurl = "{server.url}"\n')
    try:
        program.backfill(folder)
        client = chromadb.HttpClient(host="127.0.0.1", port=server.port)
        reader = Chroma(client=client, collection_name="ingestor", embedding_function=model)  # type: ignore[arg-type]
        with program.service() as service:
            first, second = reader.similarity_search(QUESTION, k=2)
            assert "7 business days" in first.page_content
            assert first.metadata.keys() == KEYS
            assert first.metadata["uri"] == "ingestor:desk/refunds.md"
            assert second.metadata["title"] == "Tides"

            (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 9 business days, by barge.\n")
            service.until(lambda: "barge" in _best(reader), "the edit to reach the server")
            (folder / "tides.md").unlink()
            service.until(lambda: len(reader.get()["ids"]) == 1, "the delete to reach the server")
        program.verified()
    finally:
        server.kill()


def test_a_reader_opens_the_folder_after_we_ended(copied: Program, model: OurModel) -> None:
    """On the folder that a finished command leaves, langchain-chroma finds our passages with their metadata;
    looking at it does no harm."""
    import chromadb
    from langchain_chroma import Chroma

    (folder,) = (copied.state / "chroma").iterdir()
    client = chromadb.PersistentClient(path=str(folder))
    try:
        reader = Chroma(client=client, collection_name="ingestor", embedding_function=model)  # type: ignore[arg-type]
        hits = reader.similarity_search(QUESTION, k=3)
        everything = reader.get()
    finally:
        client.close()
    assert "7 business days" in hits[0].page_content
    assert len(everything["ids"]) == copied.status()["chunks"]
    assert all(metadata.keys() == KEYS for metadata in everything["metadatas"])
    refunds = hits[0].metadata
    assert refunds["uri"] == "ingestor:handbook/support/refunds-and-returns.md"
    assert (refunds["source"], refunds["title"], refunds["kind"]) == ("handbook", "Refunds and returns", "markdown")
    assert "How long it takes" in refunds["section"]
    assert {hit["chunk_id"] for hit in copied.search(QUESTION, mode="keyword", top=3)} <= set(everything["ids"])
    copied.verified()


def _best(reader: Any) -> str:
    return str(reader.similarity_search(QUESTION, k=1)[0].page_content)
