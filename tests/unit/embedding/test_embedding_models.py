"""A configured model name leads to files and a fingerprint, without loading anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from ingestor.embedding.models import DEFAULT_MODEL, LocalModel, check_weights, folder_digest, resolve_model
from ingestor.errors import EmbedderError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    return make_model(tmp_path / "my-model")


def make_model(path, weights=b"\x00" * 100):
    (path / "1_Pooling").mkdir(parents=True)
    (path / "modules.json").write_text("[]")
    (path / "config.json").write_text("{}")
    (path / "1_Pooling" / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights)
    return path


def test_the_builtin_model_is_found_without_heavy_imports():
    """Name, folder and fingerprint are known before torch or the network are touched."""
    code = (
        "import sys; from ingestor.embedding.models import DEFAULT_MODEL, resolve_model\n"
        "from ingestor.embedding.embedder import SentenceEmbedder\n"
        "model = resolve_model(DEFAULT_MODEL); assert (model.folder / 'model.safetensors').is_file()\n"
        "assert SentenceEmbedder(DEFAULT_MODEL).model == model.model; print(model.model)\n"
        "heavy = ('torch', 'numpy', 'transformers', 'sentence_transformers', 'huggingface_hub')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    name, heavy = done.stdout.splitlines()
    assert name.startswith("all-MiniLM-L6-v2-")
    assert heavy == "[]"


def test_the_fingerprint_follows_the_content_and_not_the_place(folder, tmp_path):
    """A copied folder is the same model; times, prose and other runtimes' files do not matter."""
    first = resolve_model(str(folder)).model
    copy = make_model(tmp_path / "elsewhere" / "my-model")
    (copy / "README.md").write_text("Prose.")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    assert resolve_model(str(copy)).model == first


@pytest.mark.parametrize("change", ["weights", "settings", "more"])
def test_the_fingerprint_changes_with_the_model(folder, change):
    """Other weights, another pooling or another file are another model."""
    before = resolve_model(str(folder)).model
    match change:
        case "weights":
            (folder / "model.safetensors").write_bytes(b"\x00" * 99 + b"\x01")
        case "settings":
            (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
        case "more":
            (folder / "tokenizer.json").write_text("{}")
    assert resolve_model(str(folder)).model != before


def test_large_weights_are_told_apart_by_samples(tmp_path):
    """Weights that differ throughout differ in the samples, too."""
    size = 20 * 1024 * 1024
    zeros, ones = make_model(tmp_path / "a", b"\x00" * size), make_model(tmp_path / "b", b"\x01" * size)
    assert folder_digest(zeros) != folder_digest(ones)
    assert folder_digest(zeros) == folder_digest(zeros)


def test_damaged_weights_are_refused(folder):
    """The built-in weights are checked against what was published."""
    model = LocalModel(name=DEFAULT_MODEL, folder=folder, model=resolve_model(str(folder)).model, sha256="0" * 64)
    with pytest.raises(EmbedderError, match="damaged"):
        check_weights(model)
    check_weights(resolve_model(DEFAULT_MODEL))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("builtin:nothing", "no built-in model"),
        ("/nowhere/at/all", "no model folder"),
        ("not a name!", "There is no model"),
    ],
)
def test_names_that_cannot_be_are_refused_with_a_sentence(name, sentence):
    """A wrong name says what is wrong and what to do, and reaches no network."""
    with pytest.raises(EmbedderError, match=sentence) as caught:
        resolve_model(name)
    assert caught.value.hint


def test_a_folder_without_a_model_is_refused(tmp_path):
    """An empty folder is not a model."""
    with pytest.raises(EmbedderError, match="holds no sentence-transformers model"):
        resolve_model(str(tmp_path))


def test_a_hub_model_in_the_cache_needs_no_network(tmp_path, monkeypatch):
    """A name fetched before is found where the hub's library keeps it; the short form works, too."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "models--sentence-transformers--tiny"
    make_model(home / "snapshots" / "abc123")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc123")
    assert resolve_model("tiny").folder == home / "snapshots" / "abc123"
    assert resolve_model("sentence-transformers/tiny").model == resolve_model("tiny").model


def test_a_hub_model_that_is_not_there_says_so(tmp_path, monkeypatch):
    """Offline, an unknown name ends in a sentence and not in a traceback."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = (
        "from ingestor.embedding.models import resolve_model\n"
        "from ingestor.errors import EmbedderError\n"
        "try: resolve_model('somebody/something')\n"
        "except EmbedderError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "cannot be fetched" in done.stdout
