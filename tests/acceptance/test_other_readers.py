"""LlamaIndex and Haystack read the collection, on a server and on the folder. Long: they have an environment of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestor.embedding.embedder import SentenceEmbedder
from ingestor.embedding.models import DEFAULT_MODEL
from tests.acceptance.langchain_reader import Reader
from tests.acceptance.test_readers import KEYS, QUESTION
from tests.support.chroma_server import ChromaServer
from tests.support.line_program import line_program
from tests.support.program import Program

pytestmark = [pytest.mark.long, pytest.mark.slow]

PYTHON = Path(__file__).parents[2] / ".cache" / "readers-venv" / "bin" / "python"
LIBRARIES = ("llama_index", "haystack")


class VectorReader(Reader):
    """Asks by vectors, for the libraries' environment has no model."""

    def search(self, question: str) -> list[Any]:
        return super().search(json.dumps(SentenceEmbedder(DEFAULT_MODEL).embed_query(question).tolist()))


@contextmanager
def reading(library: str, place: str | Path, home: Path) -> Iterator[VectorReader]:
    assert PYTHON.exists(), "There is no environment for the readers; run `make readers`."
    program = Path(__file__).with_name("other_readers.py")
    quiet = {"HOME": str(home), "ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    command = [PYTHON, program, library, str(place)]
    with line_program(command, cwd=home, env={"PATH": os.environ["PATH"], **quiet}) as child:
        yield VectorReader(child)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_on_a_chroma_server_sees_what_we_write(
    library: str, make_program: Callable[..., Program], tmp_path: Path
) -> None:
    """What is there, what was edited, and not what was deleted, while the service writes."""
    server = ChromaServer(tmp_path / "server")
    server.start()
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 7 business days after inspection.\n")
    (folder / "tides.md").write_text("# Tides\n\nHigh water comes fifty minutes later each day.\n")
    program = make_program(config=f'[index]\nurl = "{server.url}"\n')
    try:
        program("source", "add", folder)
        with program.service() as service, reading(library, server.url, tmp_path) as reader:
            (text, metadata), (_, other) = reader.search(QUESTION)
            assert "7 business days" in text
            assert metadata.keys() >= KEYS <= other.keys()
            assert (metadata["uri"], other["title"]) == ("ingestor:desk/refunds.md", "Tides")
            (folder / "refunds.md").write_text("# Refunds\n\nRefunds are paid within 9 business days, by barge.\n")
            service.until(lambda: "barge" in reader.search(QUESTION)[0][0], "the edit to reach the server")
            assert "7 business days" not in str(reader.search(QUESTION))
            (folder / "tides.md").unlink()
            service.until(lambda: len(reader.everything()) == 1, "the delete to reach the server")
        program.verified()
    finally:
        server.kill()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_opens_the_folder_after_we_ended(library: str, copied: Program, tmp_path: Path) -> None:
    """Passages with their metadata, under the ids of chunks; looking at it does no harm."""
    with reading(library, copied.state / "chroma" / "serving", tmp_path) as reader:
        text, refunds = reader.search(QUESTION)[0]
        rows = reader.everything()
    assert "7 business days" in text
    assert len(rows) == copied.status()["chunks"]
    assert all(metadata.keys() >= KEYS for metadata in rows.values())
    assert refunds["uri"] == "ingestor:handbook/support/refunds-and-returns.md"
    assert {hit["chunk_id"] for hit in copied.search(QUESTION, mode="keyword", top=3)} <= set(rows)
    copied.verified()
