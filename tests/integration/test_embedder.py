"""The real model, loaded once for the module."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ingestor.embedding.embedder import Precision, SentenceEmbedder, has_native_bfloat16
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.errors import EmbedderError

pytestmark = pytest.mark.slow

SENTENCES = [
    "Refunds are paid within fourteen days of the return.",
    "The office closes at six in the evening.",
    "Firmware 4.2 fixes the drift of the pressure sensor.",
    "Leave has to be asked for two weeks ahead.",
    "Ärger mit der Rechnung? Schreiben Sie uns.",
    "| pump | 3 | 480.00 |",
]


@pytest.fixture(scope="module")
def embedder():
    """The default model in float32, in which results are the same everywhere."""
    return SentenceEmbedder(DEFAULT_MODEL, threads=2, precision=Precision.FLOAT32)


def test_finds_the_sentence_that_answers(embedder):
    """A question is nearest to its answer though they share hardly a word."""
    vectors = embedder.embed(SENTENCES)
    question = embedder.embed_query("how long until I get my money back")
    assert vectors.shape == (len(SENTENCES), embedder.dimensions)
    assert question.shape == (embedder.dimensions,)
    assert vectors.dtype == question.dtype == np.float32
    assert int(np.argmax(vectors @ question)) == 0


def test_a_question_is_computed_by_one_thread(embedder):
    """On a busy machine two that wait for one another take twenty times as long; documents have all there are, also
    after a question."""
    import torch

    embedder.embed_query("how long until I get my money back")
    assert torch.get_num_threads() == 1
    embedder.embed(SENTENCES)
    assert torch.get_num_threads() == 2


def test_rows_have_length_one_and_belong_to_their_texts(embedder):
    """Sorting and batching by length does not show; nor does the batch a text stands in."""
    texts = [" ".join(SENTENCES[: 1 + number % 6]) + f" {number}" for number in range(90)]
    together = embedder.embed(texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for place in (0, 41, 89):
        assert together[place] @ embedder.embed([texts[place]])[0] > 0.99999


def test_the_tail_of_a_long_text_counts(embedder):
    """Nothing is cut off in silence: what stands behind 256 word pieces changes the vector."""
    head = "The handbook describes the office and its rooms. " * 60
    plain, about_pumps = embedder.embed([head, head + "The pump is calibrated with nitrogen at four bar. " * 20])
    assert plain @ about_pumps < 0.98
    pumps = embedder.embed_query("pump calibration with nitrogen")
    assert about_pumps @ pumps > plain @ pumps + 0.1


@pytest.mark.parametrize("letter", ["x", "ก", "漢"])
def test_the_tail_of_a_text_without_spaces_counts(embedder, letter):
    """Scripts without spaces and unbroken strings are read to their end."""
    head = letter * 1_200
    plain, longer = embedder.embed([head, head + "abcdefg" * 100])
    assert plain @ longer < 0.999


def test_empty_and_odd_texts_have_vectors(embedder):
    """Nothing, white space, NUL and lone surrogates give rows of length 1, and no text gives no row."""
    vectors = embedder.embed(["", " \n\t", "\x00", "caf\udce9", "🙂" * 400])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_threads_take_turns(embedder):
    """Calls from several threads at once give what single calls give."""
    expected = embedder.embed(SENTENCES)
    made = {}

    def run(number):
        made[number] = embedder.embed(SENTENCES)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(vectors, expected, atol=1e-5) for vectors in made.values())


def test_half_precision_says_the_same(embedder):
    """bfloat16 is the same model: same fingerprint, vectors so near that either may serve."""
    half = SentenceEmbedder(DEFAULT_MODEL, threads=2, precision=Precision.BFLOAT16)
    assert half.model == embedder.model
    cosines = (half.embed(SENTENCES) * embedder.embed(SENTENCES)).sum(axis=1)
    assert cosines.min() > 0.999
    assert np.allclose(np.linalg.norm(half.embed(SENTENCES), axis=1), 1, atol=1e-5)


def test_damaged_model_files_give_a_sentence(tmp_path):
    """A model that cannot be loaded is an EmbedderError with a hint, not a traceback of a library."""
    (tmp_path / "config.json").write_text("{broken")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(EmbedderError, match="cannot be loaded") as caught:
        SentenceEmbedder(str(tmp_path)).embed(["text"])
    assert caught.value.hint


def test_loading_reaches_no_network_and_prints_nothing():
    """The model loads and embeds where every connection is refused, without a word on the terminal."""
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection was tried')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from ingestor.embedding.embedder import SentenceEmbedder\n"
        f"print(SentenceEmbedder({DEFAULT_MODEL!r}, threads=1).embed(['text']).shape)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    assert done.stdout.strip() == "(1, 384)"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "native"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("Features\t: fp asimd bf16", True),
        ("flags\t\t: fpu avx2", False),
        ("model name\t: avx512_bf16", False),
    ],
)
def test_native_half_precision_is_read_from_the_processor(tmp_path, line, native):
    """Only processors that say so compute in bfloat16."""
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    assert has_native_bfloat16(tmp_path / "cpuinfo") is native
    assert has_native_bfloat16(tmp_path / "nowhere") is False
