"""Somebody else's program: opens one collection with langchain-chroma, and says what is in it.

    python foreign_reader.py URL|FOLDER      # the name of a collection a line

Answers are JSON, one line each: the sources of all rows by the rows' texts; null where there is no such collection.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.support.line_program import LineProgram


class ForeignReader:
    """The program above as a child. On a folder it is for one look: nobody else may have it open."""

    def __init__(self, program: LineProgram) -> None:
        self._program = program

    def sources(self, collection: str) -> dict[str, str] | None:
        """The source of each row of the collection, by its text."""
        found = self._program.ask(collection)
        return None if found is None else dict(found)


@contextmanager
def foreign_reader(place: str | Path) -> Iterator[ForeignReader]:
    from tests.support.line_program import line_program  # as a program of its own it finds none of ours

    with line_program([sys.executable, "-W", "ignore", str(Path(__file__)), str(place)]) as program:
        yield ForeignReader(program)


def main(place: str) -> None:
    import chromadb
    from chromadb.errors import NotFoundError
    from langchain_chroma import Chroma

    url = urlsplit(place)
    for line in sys.stdin:
        client = (
            chromadb.HttpClient(host=url.hostname or "", port=url.port or 80)
            if url.scheme
            else chromadb.PersistentClient(path=place)
        )
        try:
            chroma = Chroma(client=client, collection_name=line.strip(), create_collection_if_not_exists=False)
            rows = chroma.get()
            answer = {text: facts["source"] for text, facts in zip(rows["documents"], rows["metadatas"], strict=True)}
        except (NotFoundError, ValueError):
            answer = None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
