"""Documents that no parser can take, among good ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Done, Program

pytestmark = pytest.mark.slow

GOOD = {
    "boats.md": "# Boats\n\nThe pilot boat Petrel lies at the inner quay.\n",
    "tides.html": "<html><body><h1>Tides</h1><p>High water comes fifty minutes later each day.</p></body></html>",
    "crew.txt": "The night crew has four members and a cook.\n",
}


@dataclass(frozen=True, kw_only=True)
class Story:
    program: Program
    folder: Path
    first: Done
    second: Done
    status: Any
    reasons: dict[str, Any]
    listed: Done
    retried: Done
    ignored: Done
    after: Any
    mended: Done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("quarantine")
    folder = base / "mixed"
    folder.mkdir()
    for name, text in GOOD.items():
        (folder / name).write_text(text)
    (folder / "broken.docx").write_bytes(b"PK\x03\x04" + b"\x00 this was a document once " * 40)
    (folder / "locked.docx").write_bytes(encrypted_document())
    program = Program(state=base / "state", home=base / "home")
    first = program("backfill", folder, "--json", expect=None)
    second = program("backfill", folder, "--json", expect=None)
    status = program.status()
    reasons = {
        name: program("why", folder / name, "--json").json for name in ("broken.docx", "locked.docx", "boats.md")
    }
    listed = program("quarantine", "list", "--json")
    retried = program("quarantine", "retry", folder / "broken.docx", "--json", expect=None)
    ignored = program("quarantine", "ignore", listed.json["items"][1]["document_id"], "--json")
    after = program.status()
    reasons["ignored"] = program("why", folder / "locked.docx", "--json").json
    (folder / "broken.docx").unlink()
    (folder / "locked.docx").write_bytes(encrypted_document("another password"))
    mended = program("backfill", folder, "--json", expect=None)
    return Story(
        program=program,
        folder=folder,
        first=first,
        second=second,
        status=status,
        reasons=reasons,
        listed=listed,
        retried=retried,
        ignored=ignored,
        after=after,
        mended=mended,
    )


def test_the_good_ones_go_on(story: Story) -> None:
    """Two documents fail, the rest is taken in, and the command ends with 1."""
    assert story.first.code == 1
    documents = story.first.run["documents"]
    assert (documents["added"], documents["failed"]) == (len(GOOD), 2)
    assert "Traceback" not in story.first.stderr
    assert story.program.search("pilot boat", mode="keyword")[0]["uri"].endswith("/boats.md")


def test_what_is_set_aside_counts_as_unchanged(story: Story) -> None:
    """The second run neither reads nor parses them again and ends with 0."""
    assert story.second.code == 0
    run = story.second.run
    assert run["documents"]["unchanged"] == len(GOOD) + 2
    assert (run["documents"]["failed"], run["bytes_read"]) == (0, 0)


def test_status_counts_them(story: Story) -> None:
    """Status says how many documents were set aside."""
    assert story.status["quarantined"] == 2
    assert story.status["state"] == "idle"


@pytest.mark.parametrize(("name", "reason"), [("broken.docx", "corrupt"), ("locked.docx", "encrypted")])
def test_why_says_the_reason(story: Story, name: str, reason: str) -> None:
    """`why` names the reason and what to do about it."""
    why = story.reasons[name]
    assert why["quarantine"] == reason
    assert reason in why["verdict"]
    assert why["hint"]
    assert story.reasons["boats.md"]["quarantine"] is None


def test_the_list_is_that_of_the_contract(story: Story) -> None:
    """Both documents with reason, hint and tries, and no further try of what cannot pass."""
    items = story.listed.json["items"]
    assert [(item["uri"].rpartition("/")[2], item["reason"]) for item in items] == [
        ("broken.docx", "corrupt"),
        ("locked.docx", "encrypted"),
    ]
    for item in items:
        assert item.keys() >= {"document_id", "source", "uri", "reason", "hint", "attempts", "next_try"}
        assert (item["attempts"], item["next_try"], item["source"]) == (1, None, "mixed")
        assert item["hint"]


def test_a_retry_parses_it_now_and_ends_like_a_run(story: Story) -> None:
    """The one that was named is read and fails again; the others are unchanged."""
    assert story.retried.code == 1
    documents = story.retried.run["documents"]
    assert (documents["failed"], documents["unchanged"]) == (1, len(GOOD) + 1)


def test_an_ignored_document_is_counted_no_more(story: Story) -> None:
    """`status` counts the other one only, until new content of the ignored one fails as well."""
    (item,) = story.ignored.json["items"]
    assert item["ignored"]
    assert story.after["quarantined"] == 1
    assert "ignored as a person wished" in story.reasons["ignored"]["verdict"]


def test_new_content_is_tried_again(story: Story) -> None:
    """Changed content leaves quarantine for another try; what is deleted leaves it for good."""
    assert story.mended.code == 1
    documents = story.mended.run["documents"]
    assert (documents["failed"], documents["deleted"], documents["unchanged"]) == (1, 1, len(GOOD))
    assert story.program.status()["quarantined"] == 1


def encrypted_document(password: str = "harbour") -> bytes:
    """A small docx under a password, as Word makes them."""
    import docx
    from msoffcrypto.format.ooxml import OOXMLFile

    plain, locked = io.BytesIO(), io.BytesIO()
    document = docx.Document()
    document.add_paragraph("Nobody without the password reads this.")
    document.save(plain)
    plain.seek(0)
    encrypt: Callable[[str, io.BytesIO], None] = OOXMLFile(plain).encrypt
    encrypt(password, locked)
    return locked.getvalue()
