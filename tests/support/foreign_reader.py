"""Somebody else's program: opens one collection with langchain-chroma, and says what is in it.

    python foreign_reader.py URL|FOLDER      # the name of a collection a line

Answers are JSON, one line each: the sources of all rows by the rows' texts; null where there is no such collection.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


class ForeignReader:
    """The program above as a child. On a folder it is for one look: nobody else may have it open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def sources(self, collection: str) -> dict[str, str] | None:
        """The source of each row of the collection, by its text."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(collection + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return None if found is None else dict(found)


@contextmanager
def foreign_reader(place: str | Path) -> Iterator[ForeignReader]:
    command = [sys.executable, "-W", "ignore", str(Path(__file__)), str(place)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield ForeignReader(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


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
