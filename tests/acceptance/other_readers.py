"""Somebody else's programs: read the collection with LlamaIndex or Haystack, and know nothing of ours.

    python other_readers.py llama_index|haystack URL|FOLDER     # a question's vector a line, as JSON; an empty line asks
                                                                # for everything

Answers are JSON, one line each. They run in an environment of their own (``make readers``): the two bring forty packages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

NAME = "ingestor"

Found = tuple[Callable[[list[float]], list[Any]], Callable[[], dict[str, Any]]]
"""What answers a question, and what gives the metadata of everything by id."""


def llama_index(place: str) -> Found:
    import chromadb
    from llama_index.core.schema import MetadataMode
    from llama_index.core.vector_stores import VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    if place.startswith("http://"):
        url = urlsplit(place)
        client = chromadb.HttpClient(host=url.hostname or "", port=url.port or 80)
    else:
        client = chromadb.PersistentClient(path=place)
    store = ChromaVectorStore(chroma_collection=client.get_collection(NAME))

    def search(vector: list[float]) -> list[Any]:
        nodes = store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=3)).nodes or []
        return [(node.get_content(metadata_mode=MetadataMode.NONE), node.metadata) for node in nodes]

    return search, lambda: {node.node_id: node.metadata for node in store.get_nodes(None)}


def haystack(place: str) -> Found:
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    if place.startswith("http://"):
        url = urlsplit(place)
        store = ChromaDocumentStore(collection_name=NAME, host=url.hostname, port=url.port)
    else:
        store = ChromaDocumentStore(collection_name=NAME, persist_path=place)

    def search(vector: list[float]) -> list[Any]:
        (found,) = store.search_embeddings([vector], top_k=3)
        return [(document.content, document.meta) for document in found]

    return search, lambda: {document.id: document.meta for document in store.filter_documents()}


def main(library: str, place: str) -> None:
    from chromadb.errors import InternalError

    search, everything = {"llama_index": llama_index, "haystack": haystack}[library](place)
    for line in sys.stdin:
        try:
            answer: object = search(json.loads(line)) if line.strip() else everything()
        except InternalError as error:
            # A Chroma server says "Error finding id" to who asks for vectors while a row is being deleted. It passes:
            # nothing is answered, and whoever asks again is told.
            sys.stderr.write(f"{error}\n")
            answer = []
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
