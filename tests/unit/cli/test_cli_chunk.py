"""``ingestor chunk``: the cuts of a file, for people and for scripts."""

import json
from pathlib import Path

import pytest

from ingestor.cli.main import main

TEXT = "\n\n".join(
    f"# Part {part}\n\n" + " ".join(f"Sentence {part * 100 + i} says something of its own." for i in range(20))
    for part in range(3)
)


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    file = tmp_path / "handbook.md"
    file.write_text(TEXT)
    return file


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["--state-dir", str(tmp_path / "state"), "chunk", *arguments])


def test_json_is_one_passage_a_line(handbook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Offsets are those of the file, and no state is made."""
    assert run(tmp_path, str(handbook), "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(passage) for passage in found] == [["start", "end", "text", "tokens", "section", "reason"]] * len(
        found
    )
    assert [TEXT[passage["start"] : passage["end"]] for passage in found] == [passage["text"] for passage in found]
    assert {tuple(passage["section"]) for passage in found} == {("Part 0",), ("Part 1",), ("Part 2",)}
    assert found[-1]["reason"] == "end"
    assert not (tmp_path / "state").exists()


def test_people_see_sizes_and_reasons(handbook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line above each passage, a sum at the end; other lengths give other passages."""
    assert run(tmp_path, str(handbook)) == 0
    shown = capsys.readouterr().out
    assert "until heading" in shown
    assert "on the average" in shown
    assert run(tmp_path, str(handbook), "--target", "200", "--limit", "300") == 0
    assert len(capsys.readouterr().out) > len(shown)


@pytest.mark.parametrize(
    "arguments", [["missing.md"], ["{file}", "--target", "900", "--limit", "300"]], ids=["missing", "lengths"]
)
def test_what_cannot_be_is_said(
    handbook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """A file that is not there and lengths that cannot hold end with a sentence and exit code 2."""
    assert run(tmp_path, *(argument.format(file=handbook) for argument in arguments)) == 2
    assert capsys.readouterr().err.strip().endswith(".")
