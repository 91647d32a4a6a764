"""The whole system, as a user runs it: a folder taken in, questions asked of ``ingestor search``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingestor.chunking.cutter import SemanticCutter
from ingestor.model import ParseRequest
from ingestor.parsing.pool import InlineParser
from ingestor.search.extent import PASSAGE_LENGTH
from tests.benchmarks.retrieval.data import Part
from tests.benchmarks.retrieval.measures import Place
from tests.support.program import Program

TOP = 100

WAYS: Mapping[str, tuple[str, ...]] = {
    "dense": ("--mode", "dense"),
    "keyword": ("--mode", "keyword"),
    "hybrid": (),
    "hybrid, merged": ("--merge",),
    f"hybrid, passages of {PASSAGE_LENGTH}": ("--passage", str(PASSAGE_LENGTH)),
}


def cut(part: Part) -> list[Place]:
    """The chunks of our cutter. Spans count in the canonical text, which for these files is the file."""
    parser, cutter, found = InlineParser(), SemanticCutter(), []
    for corpus, text in part.corpora.items():
        document = parser.submit(ParseRequest(name=f"{corpus}.md", content=text.encode())).result()
        assert document.text == text
        found += [(corpus, passage.start, passage.end) for passage in cutter.cut(document)]
    return found


def ranked(part: Part, kept: Path) -> dict[str, list[list[Place]]]:
    """What each way of searching answers to each question, best first. The state below ``kept`` stays from run to run,
    so that a later one embeds only what is cut in another way."""
    docs = kept / "docs"
    docs.mkdir(parents=True, exist_ok=True)
    for corpus in part.corpora:
        shutil.copy2(part.folder / f"{corpus}.md", docs)
    program = Program(state=kept / "state", home=kept / "home")
    _ended(program, "backfill", docs, "--json")
    asked = kept / "queries.jsonl"
    asked.write_text("".join(json.dumps({"query": one.question}) + "\n" for one in part.asked), encoding="utf-8")
    found = {}
    for way, options in WAYS.items():
        replies = _ended(program, "search", "--queries", asked, "--json", "--top", TOP, *options)
        assert [reply["query"] for reply in replies] == [one.question for one in part.asked]
        found[way] = [[_place(part, hit) for hit in reply["hits"]] for reply in replies]
    return found


def _ended(program: Program, *arguments: object) -> list[Any]:
    """The JSON lines of a command that may take as long as it needs."""
    process = program.start(*arguments)
    stdout, stderr = process.communicate()
    if process.returncode:
        raise RuntimeError(f"ingestor {' '.join(map(str, arguments))} ended with {process.returncode}:\n{stderr}")
    return [json.loads(line) for line in stdout.splitlines()]


def _place(part: Part, hit: Mapping[str, object]) -> Place:
    """Where a hit stands; a citation that is wrong ends the benchmark."""
    corpus = str(hit["uri"]).rpartition("/")[2].removesuffix(".md")
    start, end = hit["span"]  # type: ignore[misc]
    text = part.corpora[corpus][start:end]
    assert str(hit["text"]).split() == text.split(), (corpus, start, end)
    first, last = hit["lines"]  # type: ignore[misc]
    assert (first, last) == tuple(part.corpora[corpus].count("\n", 0, at) + 1 for at in (start, end - 1))
    return corpus, start, end


def write(folder: Path, part: Part, chunks: Sequence[Place], hits: Mapping[str, Sequence[Sequence[Place]]]) -> None:
    """As the evaluation of the data takes them: chunks, and the ranking of each way."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "chunks.jsonl").open("w", encoding="utf-8") as file:
        for corpus, start, end in chunks:
            file.write(json.dumps({"corpus_id": corpus, "start": start, "end": end}) + "\n")
    for way, lists in hits.items():
        name = way.replace(",", "").replace(" ", "_")
        with (folder / f"hits_{name}.jsonl").open("w", encoding="utf-8") as file:
            for one, places in zip(part.asked, lists, strict=True):
                file.write(json.dumps({"question": one.question, "hits": places}) + "\n")
