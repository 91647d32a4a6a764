"""How well passages answer a question, by a CrossEncoder of sentence-transformers that reads both together.

Off without a configured model, which is a folder on this machine: none is fetched. torch is imported, and the model
loaded, at the first search that asks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingestor.embedding.embedder import ENVIRONMENT
from ingestor.errors import EmbedderError

_AGAIN_S = 60.0  # after a failure no search waits for another try for so long
_MOST_CHARACTERS = 2_000  # of a passage; models read about 512 word pieces of question and passage
_BATCH = 16
_HINT = "Correct [search] rerank_model, or leave it out."


class CrossEncoderReranker:
    """The ``Reranker`` port. Calls from several threads are made one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._model: Any = None
        self._failed: EmbedderError | None = None
        self._failed_at = 0.0

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        with self._lock:
            if self._failed is not None and time.monotonic() - self._failed_at < _AGAIN_S:
                raise self._failed
            try:
                scores = self._scores(question, texts)
            except EmbedderError as error:
                self._failed, self._failed_at = error, time.monotonic()
                raise
            self._failed = None
            return scores

    def _scores(self, question: str, texts: Sequence[str]) -> list[float]:
        import numpy as np

        if self._model is None:
            self._model = _load(self._folder)
        pairs = [(question, text[:_MOST_CHARACTERS]) for text in texts]
        try:
            made = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        except (RuntimeError, ValueError, TypeError, MemoryError, IndexError) as error:
            raise EmbedderError(f"The reranking model {self._folder} failed: {_detail(error)}.", hint=_HINT) from error
        found = np.asarray(made, dtype=np.float32)
        if found.shape != (len(texts),) or not np.isfinite(found).all():
            raise EmbedderError(f"The reranking model {self._folder} gives no score to a passage.", hint=_HINT)
        return [float(score) for score in found]


def check_reranker(folder: Path) -> None:
    """Raises ``EmbedderError`` where the folder cannot hold such a model. Loads nothing."""
    if not folder.is_dir():
        raise EmbedderError(f"There is no model folder {folder}.", hint=_HINT)
    weights = [file for file in folder.iterdir() if file.suffix in {".safetensors", ".bin"}]
    if not (folder / "config.json").is_file() or not weights:
        raise EmbedderError(
            f"The folder {folder} holds no CrossEncoder: config.json or weights are missing.", hint=_HINT
        )


def _load(folder: Path) -> Any:
    check_reranker(folder)
    os.environ.update(ENVIRONMENT)
    try:
        import sentence_transformers
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        model = sentence_transformers.CrossEncoder(str(folder), device="cpu", local_files_only=True)
        model.eval()
    except Exception as error:  # damaged files surface as any exception there is
        raise EmbedderError(f"The reranking model {folder} cannot be loaded: {_detail(error)}.", hint=_HINT) from error
    return model


def _detail(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
