"""Embeddings that are kept on disk, so that a second run takes seconds."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ingestor.embedding.embedder import SentenceEmbedder
from ingestor.embedding.models import DEFAULT_MODEL, resolve_model
from ingestor.model import ModelId

_BATCH = 512


class KeptEmbedder:
    """The program's embedder (``ports.Embedder``), and beside it the plain model as other pipelines call it: a whole
    chunk, of which what is longer than the model reads is dropped."""

    def __init__(self, cache: Path) -> None:
        self._db = sqlite3.connect(cache, timeout=60)
        self._db.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        self._own = SentenceEmbedder(DEFAULT_MODEL)

    @property
    def model(self) -> ModelId:
        return self._own.model

    @property
    def dimensions(self) -> int:
        return self._own.dimensions

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self._kept("unit", texts, self._own.embed)

    def embed_query(self, text: str) -> np.ndarray:
        return self._kept("query", [text], lambda some: np.stack([self._own.embed_query(one) for one in some]))[0]

    def plain(self, texts: Sequence[str]) -> np.ndarray:
        return self._kept("plain", texts, self._encode)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        made = self._plain_model.encode(list(texts), batch_size=16, convert_to_tensor=True, show_progress_bar=False)
        vectors = made.float().numpy()
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    @cached_property
    def _plain_model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        folder = str(resolve_model(DEFAULT_MODEL).folder)
        return SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": "bfloat16"})

    def _kept(self, kind: str, texts: Sequence[str], make: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
        keys = [hashlib.blake2b(f"{self.model} {kind} {t}".encode("utf-8", "replace")).digest() for t in texts]
        there: dict[bytes, np.ndarray] = {}
        lacking: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            row = self._db.execute("SELECT vector FROM kept WHERE key = ?", (key,)).fetchone()
            if row is None:
                lacking[key] = text
            else:
                there[key] = np.frombuffer(row[0], dtype=np.float32)
        todo = list(lacking)
        for start in range(0, len(todo), _BATCH):
            some = todo[start : start + _BATCH]
            there |= zip(some, make([lacking[key] for key in some]), strict=True)
            with self._db:
                self._db.executemany(
                    "INSERT OR REPLACE INTO kept VALUES (?, ?)", [(key, there[key].tobytes()) for key in some]
                )
        return np.stack([there[key] for key in keys])
