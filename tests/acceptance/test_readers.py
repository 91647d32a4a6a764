"""Other programs read the collection: through a Chroma server while we write, and from the folder when we ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.langchain_reader import reading
from tests.support.chroma_server import ChromaServer
from tests.support.program import Program

pytestmark = pytest.mark.slow

QUESTION = "how long do refunds take"
KEYS = {"document_id", "source", "title", "uri", "url", "section", "page", "acl", "kind"}


def test_a_reader_on_a_chroma_server_sees_what_we_write(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """With `[index] url` the service writes to a Chroma server, and langchain-chroma reads beside it: what is
    there, what was edited, and not what was deleted."""
    server = ChromaServer(tmp_path / "server")
    server.start()
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 7 business days after inspection.\n")
    (folder / "tides.md").write_text("# Tides\n\nHigh water comes fifty minutes later each day.\n")
    program = make_program(config=f'[index]\nurl = "{server.url}"\n')
    try:
        program("source", "add", folder)
        with program.service() as service, reading(server.url) as reader:
            (text, metadata), (_, other) = reader.search(QUESTION)
            assert "7 business days" in text
            assert metadata.keys() == other.keys() == KEYS
            assert (metadata["uri"], other["title"]) == ("ingestor:desk/refunds.md", "Tides")

            (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 9 business days, by barge.\n")
            service.until(lambda: "barge" in reader.search(QUESTION)[0][0], "the edit to reach the server")
            assert "7 business days" not in str(reader.search(QUESTION))
            (folder / "tides.md").unlink()
            service.until(lambda: len(reader.everything()) == 1, "the delete to reach the server")
        program.verified()
    finally:
        server.kill()


def test_a_reader_opens_the_folder_after_we_ended(copied: Program) -> None:
    """On the folder that a finished command leaves, langchain-chroma finds our passages with their metadata;
    looking at it does no harm."""
    folder = copied.state / "chroma" / "serving"
    with reading(folder) as reader:
        text, refunds = reader.search(QUESTION)[0]
        rows = reader.everything()
    assert "7 business days" in text
    assert len(rows) == copied.status()["chunks"]
    assert all(metadata.keys() == KEYS for metadata in rows.values())
    assert refunds["uri"] == "ingestor:handbook/support/refunds-and-returns.md"
    assert (refunds["source"], refunds["title"], refunds["kind"]) == ("handbook", "Refunds and returns", "markdown")
    assert "How long it takes" in refunds["section"]
    assert {hit["chunk_id"] for hit in copied.search(QUESTION, mode="keyword", top=3)} <= set(rows)
    copied.verified()
