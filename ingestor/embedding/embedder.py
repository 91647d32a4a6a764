"""Texts to unit vectors with sentence-transformers. torch is imported, and the model loaded, at the first text.

Numbers (2 cores with AVX512-BF16, all-MiniLM-L6-v2, 21 tokens a unit): float32 5,200 tokens a second,
bfloat16 9,900; the cosine between the two vectors of a text is above 0.9999, and similarities differ by
at most 0.005. bfloat16 is therefore used where the processor has it, and the precision is no part of the
model's fingerprint: a ledger that moves to another machine is not embedded again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestor.embedding.models import LocalModel, check_weights, resolve_model
from ingestor.embedding.windows import Window, readable, windows
from ingestor.errors import EmbedderError
from ingestor.model import ModelId, whole_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH_TOKENS = 4_096  # padded tokens in one forward pass; more is slower, the working set leaves the cache
_FALLBACK_TOKENS = 512  # for a model that states no limit

# Before torch and the hub's library are imported: nothing phones home, nothing draws on the terminal.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


class Precision(StrEnum):
    """What the model computes in. ``auto`` is bfloat16 where the processor has instructions for it."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class SentenceEmbedder:
    """The ``Embedder`` port. Calls from several threads are made one at a time."""

    def __init__(
        self, name: str, *, whole: bool = False, threads: int | None = None, precision: Precision = Precision.AUTO
    ) -> None:
        """``whole`` is for what is given passages and not their units: other vectors of other texts, so another
        model."""
        self._name = name
        self._whole = whole
        self._threads = threads
        self._precision = precision
        self._lock = threading.RLock()
        self._local: LocalModel | None = None
        self._loaded: _Loaded | None = None

    @property
    def model(self) -> ModelId:
        model = self._resolved().model
        return whole_model(model) if self._whole else model

    @property
    def dimensions(self) -> int:
        with self._lock:
            return self._ready().dimensions

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._loaded is not None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock, self._explained():
            return self._ready().embed(texts, query=False)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        with self._lock, self._explained():
            vector: NDArray[np.float32] = self._ready().embed([text], query=True)[0]
            return vector

    def _resolved(self) -> LocalModel:
        with self._lock:
            if self._local is None:
                self._local = resolve_model(self._name)
            return self._local

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            local = self._resolved()
            check_weights(local)
            self._loaded = _load(local, self._threads, self._precision)
        return self._loaded

    @contextlib.contextmanager
    def _explained(self) -> Any:
        try:
            yield
        except EmbedderError:
            raise
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise EmbedderError(f"The embedding model {self._name} failed: {detail}.") from error


class _Loaded:
    """A model in memory."""

    def __init__(self, transformer: Any, name: str, threads: int) -> None:
        self._transformer = transformer
        self._name = name
        self._threads = threads
        # Renamed in sentence-transformers 6.
        dimension = (
            getattr(transformer, "get_embedding_dimension", None) or transformer.get_sentence_embedding_dimension
        )
        self.dimensions = int(dimension())
        marks = len(transformer.tokenizer("", verbose=False)["input_ids"])
        limit = transformer.max_seq_length or _FALLBACK_TOKENS
        self._limits = {
            query: max(8, limit - marks - self._count([prompt])[0]) for query, prompt in self._prompts().items()
        }

    def embed(self, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
        """Windows, sorted by length and batched by padded tokens, encoded, pooled by their lengths."""
        import numpy as np
        import torch

        # A question is too short to be divided: threads that wait for one another spin, and on a busy machine two of
        # them took 435 ms for what one does in 20. Said each time, for torch keeps it for each thread that calls.
        torch.set_num_threads(1 if query else self._threads)
        cut = windows([readable(text) for text in texts], self._count, self._limits[query])
        encode = self._transformer.encode_query if query else self._transformer.encode_document
        pooled = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for batch in _batches(cut):
            made = encode(
                [window.text for window in batch],
                batch_size=len(batch),
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            vectors = _unit_rows(np.asarray(made, dtype=np.float32))
            weights = np.array([max(window.tokens, 1) for window in batch], dtype=np.float32)
            np.add.at(pooled, [window.place for window in batch], vectors * weights[:, None])
        if not np.isfinite(pooled).all():
            raise EmbedderError(f"The embedding model {self._name} made numbers that are not finite.")
        return _unit_rows(pooled)

    def _count(self, texts: Sequence[str]) -> list[int]:
        tokens = self._transformer.tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in tokens["input_ids"]]

    def _prompts(self) -> dict[bool, str]:
        """What the model puts before a document (false) and before a question (true)."""
        prompts = self._transformer.prompts or {}
        default = prompts.get(self._transformer.default_prompt_name) or ""
        documents = next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), default)
        return {False: documents, True: prompts.get("query") or default}


def _load(local: LocalModel, threads: int | None, precision: Precision) -> _Loaded:
    os.environ.update(ENVIRONMENT)  # by now the model is on this machine, whatever its name
    try:
        import sentence_transformers
        import torch
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        half = precision is Precision.BFLOAT16 or (precision is Precision.AUTO and has_native_bfloat16())
        transformer = sentence_transformers.SentenceTransformer(
            str(local.folder),
            device="cpu",
            local_files_only=True,
            model_kwargs={"dtype": torch.bfloat16 if half else torch.float32},
        )
        transformer.eval()
        return _Loaded(transformer, local.name, threads or _usual_threads())
    except Exception as error:  # damaged files surface as any exception there is
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise EmbedderError(
            f"The embedding model {local.name} cannot be loaded: {detail}.", hint="Run `ingestor doctor`."
        ) from error


@functools.cache
def _usual_threads() -> int:
    """As many as torch takes by itself; asked once, before a question makes it one."""
    import torch

    return int(torch.get_num_threads())


def has_native_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor computes in bfloat16 itself; without that it is slower than float32."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = {
        word for line in text.splitlines() if line.lower().startswith(("flags", "features")) for word in line.split()
    }
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})


def _batches(cut: Sequence[Window]) -> list[list[Window]]:
    """Windows of like length together, as many as the budget of padded tokens allows."""
    batches: list[list[Window]] = []
    longest = 0
    for window in sorted(cut, key=lambda window: -window.tokens):
        if not batches or (len(batches[-1]) + 1) * longest > _BATCH_TOKENS:
            batches.append([])
            longest = window.tokens + 2
        batches[-1].append(window)
    return batches


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1, computed in float32: half precision alone is out by a part in 300."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths[:, 0] < np.finfo(np.float32).tiny
    if flat.any():  # a model may make nothing of an empty text; a vector is owed all the same
        rows = rows.copy()
        rows[flat] = 1.0
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)
