"""The sample handbook and its questions: made-up, reproducible, and true to each other."""

from __future__ import annotations

import email
import email.policy
import json
import runpy
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ingestor.model import Document, ParseRequest
from ingestor.parsing.pool import InlineParser

DATA = Path(__file__).resolve().parents[1] / "data"
HANDBOOK = DATA / "handbook"
FILES = sorted(path.relative_to(HANDBOOK).as_posix() for path in HANDBOOK.rglob("*") if path.is_file())
BINARY = {".docx", ".pdf", ".xlsx"}


@dataclass(frozen=True, kw_only=True)
class Question:
    question: str
    file: str
    answer: str
    kind: str


QUESTIONS = [
    Question(**json.loads(line)) for line in (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def _source_text(path: Path) -> str:
    """The words of a text format as a person reads them, without the program's own parsers."""
    if path.suffix == ".eml":
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body(preferencelist=("plain",))
        assert body is not None
        return str(body.get_content())
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        parser = _Text()
        parser.feed(text)
        return "".join(parser.pieces)
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    "question", [q for q in QUESTIONS if Path(q.file).suffix not in BINARY], ids=lambda q: q.question[:50]
)
def test_answers_stand_in_their_sources(question: Question) -> None:
    """Each answer is a verbatim passage of its text file."""
    assert question.answer in _one_line(_source_text(HANDBOOK / question.file))


@pytest.fixture(scope="module")
def parsed() -> dict[str, Document]:
    parser = InlineParser()
    found = {}
    for file in FILES:
        content = (HANDBOOK / file).read_bytes()
        found[file] = parser.submit(ParseRequest(name=Path(file).name, content=content)).result()
    parser.close()
    return found


@pytest.mark.slow
def test_answers_stand_in_the_canonical_text(parsed: dict[str, Document]) -> None:
    """Every answer, those in binary files included, is found in what the parsers make of its file."""
    lost = [q for q in QUESTIONS if q.answer not in _one_line(parsed[q.file].text)]
    assert lost == []


@pytest.mark.slow
def test_every_document_is_parsed(parsed: dict[str, Document]) -> None:
    """Each gives several hundred words, and each but the price list, which has none, a title of its own."""
    assert [file for file, document in parsed.items() if not document.title] == ["finance/price-list-2026.xlsx"]
    assert [file for file, document in parsed.items() if len(document.text.split()) < 190] == []


@pytest.mark.slow
def test_pages_of_the_manual_are_kept(parsed: dict[str, Document]) -> None:
    """The calibration manual has four pages, and its chapter about oxygen stands on the third."""
    manual = parsed["engineering/field-calibration-manual.pdf"]
    assert {element.page for element in manual.elements} == {1, 2, 3, 4}
    place = manual.text.index("The optical cap is calibrated at two points.")
    assert {e.page for e in manual.elements if e.start <= place < e.end} == {3}


def test_the_corpus_has_every_format() -> None:
    """About twenty documents in the formats that the demonstration shows, each with a question at least."""
    suffixes = Counter(Path(file).suffix for file in FILES)
    assert suffixes == {".md": 11, ".html": 4, ".docx": 2, ".pdf": 2, ".eml": 2, ".xlsx": 1}
    assert {q.file for q in QUESTIONS} == set(FILES)


def test_the_questions_are_of_several_kinds() -> None:
    """All different; three quarters use other words than their answers, the others ask for cells, versions, numbers."""
    assert len({q.question for q in QUESTIONS}) == len(QUESTIONS) == 176
    kinds = Counter(q.kind for q in QUESTIONS)
    assert kinds == {"paraphrase": 132, "table": 21, "version": 12, "number": 6, "keyword": 5}


def test_an_answer_stands_in_one_file_only() -> None:
    """No other text file of the corpus holds the answer, short values of tables excepted."""
    texts = {f: _one_line(_source_text(HANDBOOK / f)) for f in FILES if Path(f).suffix not in BINARY}
    for question in QUESTIONS:
        if len(question.answer) > 12:
            assert {file for file, text in texts.items() if question.answer in text} <= {question.file}


def test_binary_documents_are_reproduced_byte_for_byte(tmp_path: Path) -> None:
    """The script writes exactly the committed files, whatever libraries are installed."""
    written = runpy.run_path(str(DATA / "make_handbook.py"))["main"](tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {f for f in FILES if Path(f).suffix in BINARY}
    for path in written:
        assert path.read_bytes() == (HANDBOOK / path.relative_to(tmp_path)).read_bytes()
