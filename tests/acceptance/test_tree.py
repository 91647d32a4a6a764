"""A real documentation tree through its life: taken in, edited, copied, renamed, deleted, looked at again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import awscli_tree
from tests.support.program import Program

pytestmark = pytest.mark.slow

OLD = "The message comes from a text file, which enables you to include line breaks."
NEW = "A lighthouse keeper dictates the message, foghorn and line breaks included."

WORDS = "publishes the message Hello world to the phone number"
MEANING = "send a text message to someone's phone"


@dataclass(frozen=True, kw_only=True)
class Story:
    """What each step reported, in the order in which they happened."""

    first: Any
    again: Any
    found: dict[str, list[Any]]
    edited: Any
    after_edit: dict[str, list[Any]]
    copied: Any
    renamed: Any
    after_rename: list[Any]
    deleted: Any
    doomed: str
    before_delete: list[Any]
    after_delete: dict[str, list[Any]]
    last: Any
    verified: Any
    status: Any
    sizes: dict[str, int]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("tree")
    tree = base / "examples"
    assert awscli_tree.unpack(tree) == awscli_tree.FILES
    program = Program(state=base / "state", home=base / "home")
    sizes = {"sns": _files(tree / "sns"), "workmail": _files(tree / "workmail")}

    first = program.backfill(tree)
    again = program.backfill(tree)
    doomed_file = tree / "chime" / "create-account.rst"
    doomed = _sentence(doomed_file)
    found = _ask(program, base, [WORDS, MEANING])
    before_delete = program.search(doomed, mode="keyword")

    page = tree / "sns" / "publish.rst"
    text = page.read_text()
    assert text.count(OLD) == 1
    page.write_text(text.replace(OLD, NEW))
    edited = program.backfill(tree)
    after_edit = _ask(program, base, [NEW, OLD])

    shutil.copytree(tree / "workmail", tree / "workmail-copy")
    copied = program.backfill(tree)

    (tree / "sns").rename(tree / "simple-notifications")
    renamed = program.backfill(tree)
    after_rename = program.search(NEW, mode="keyword")

    doomed_file.unlink()
    deleted = program.backfill(tree)
    last = program.backfill(tree)
    with program.service() as service:
        after_delete = {
            mode: [hit.model_dump() for hit in service.search(doomed, mode=mode, top=50)]
            for mode in ("keyword", "dense", "hybrid")
        }
    verified = program.verified()
    status = program.status()
    return Story(
        first=first, again=again, found=found, edited=edited, after_edit=after_edit, copied=copied, renamed=renamed,
        after_rename=after_rename, deleted=deleted, doomed=doomed, before_delete=before_delete,
        after_delete=after_delete, last=last, verified=verified, status=status, sizes=sizes,
    )  # fmt: skip


def test_the_whole_tree_is_taken_in(story: Story) -> None:
    """Every file of a real tree becomes a document; nothing fails, everything is embedded and written."""
    run = story.first
    print(
        f"\n{awscli_tree.FILES} files of awscli {awscli_tree.VERSION}, builtin:all-MiniLM-L6-v2: "
        f"{run['chunks']['added']} chunks, {run['embedded']} units embedded, {run['reused']} reused, "
        f"{run['bytes_read']} bytes in {run['duration_s']:.1f} s"
    )
    assert run["outcome"] == "ok"
    assert run["documents"]["added"] == awscli_tree.FILES
    assert run["documents"]["failed"] == 0
    assert run["index_writes"] == run["chunks"]["added"] > awscli_tree.FILES
    assert run["embedded"] > run["chunks"]["added"]


def test_what_is_there_is_found(story: Story) -> None:
    """A passage is found first by its words and by what it means."""
    for query in (WORDS, MEANING):
        assert story.found[query][0]["uri"] == "ingestor:examples/sns/publish.rst", query


@pytest.mark.parametrize("step", ["again", "last"])
def test_a_run_over_an_unchanged_tree_does_nothing(story: Story, step: str) -> None:
    """The second run, and the run after the last change, embed 0, write 0 and read 0 bytes."""
    run = getattr(story, step)
    documents = dict(run["documents"])
    assert documents.pop("unchanged") >= awscli_tree.FILES
    assert set(documents.values()) == {0}
    assert set(run["chunks"].values()) == {0}
    assert (run["embedded"], run["index_writes"], run["bytes_read"]) == (0, 0, 0)


def test_an_edited_sentence_costs_a_sentence(story: Story) -> None:
    """One changed sentence embeds at most two units and writes a handful of rows; one file is read."""
    run = story.edited
    _show("edit", run)
    assert run["documents"]["updated"] == 1
    assert run["documents"]["unchanged"] == awscli_tree.FILES - 1
    assert 1 <= run["embedded"] <= 2
    assert run["index_writes"] <= 4
    assert run["bytes_read"] < 20_000


def test_the_edit_is_what_search_shows(story: Story) -> None:
    """The new sentence is found first, and the old one stands in no passage any more."""
    assert NEW in story.after_edit[NEW][0]["text"]
    assert not [hit for hit in story.after_edit[OLD] if OLD in hit["text"]]
    assert story.after_edit[NEW][0]["revision"] == 2
    assert story.after_edit[NEW][0]["document_id"] == story.found[WORDS][0]["document_id"]


def test_a_copied_folder_embeds_nothing(story: Story) -> None:
    """Copies are new documents, but a unit that stands elsewhere is not embedded again."""
    run = story.copied
    _show("copy", run)
    assert run["documents"]["added"] == story.sizes["workmail"]
    assert run["embedded"] == 0
    assert run["reused"] > 0


def test_a_renamed_folder_is_moved(story: Story) -> None:
    """A renamed folder embeds 0, reads 0 bytes, moves exactly its documents, and its citations live on."""
    run = story.renamed
    _show("rename", run)
    documents = run["documents"]
    assert (documents["moved"], documents["added"], documents["deleted"]) == (story.sizes["sns"], 0, 0)
    assert (run["embedded"], run["bytes_read"]) == (0, 0)
    assert (run["chunks"]["added"], run["chunks"]["removed"]) == (0, 0)
    hit = story.after_rename[0]
    assert hit["uri"] == "ingestor:examples/simple-notifications/publish.rst"
    assert hit["document_id"] == story.found[WORDS][0]["document_id"]
    assert hit["chunk_id"] == story.after_edit[NEW][0]["chunk_id"]


def test_deleted_text_is_found_by_no_search(story: Story) -> None:
    """What a deleted file said is found neither by its words, nor by its meaning, nor by both."""
    _show("delete", story.deleted)
    assert story.before_delete[0]["uri"] == "ingestor:examples/chime/create-account.rst"
    assert story.deleted["documents"]["deleted"] == 1
    assert story.deleted["embedded"] == 0
    for mode, hits in story.after_delete.items():
        assert not [hit for hit in hits if "create-account.rst" in hit["uri"] or story.doomed in hit["text"]], mode
        assert hits or mode == "keyword"


def test_in_the_end_the_index_equals_the_ledger(story: Story) -> None:
    """After all of it verify finds nothing wrong, nothing waits, and the counts add up."""
    documents = awscli_tree.FILES + story.sizes["workmail"] - 1
    assert story.status["documents"] == documents
    assert story.status["pending"] == {"embed": 0, "index": 0}
    assert story.verified["checked"] == story.status["chunks"]
    assert (story.status["quarantined"], story.status["state"]) == (0, "idle")


# -- helpers -----------------------------------------------------------------------------------------


def _ask(program: Program, base: Path, queries: list[str]) -> dict[str, list[Any]]:
    """Hybrid hits of several queries, in one process."""
    file = base / "queries.txt"
    file.write_text("\n".join(queries) + "\n")
    done = program("search", "--queries", file, "--json")
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return {reply["query"]: reply["hits"] for reply in replies}


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _sentence(file: Path) -> str:
    """A line of the file that stands in no other file of its tree."""
    others = "\n".join(path.read_text() for path in file.parents[1].rglob("*.rst") if path != file)
    return next(line.strip() for line in file.read_text().splitlines() if len(line) > 60 and line.strip() not in others)


def _show(step: str, run: Any) -> None:
    done = {key: value for key, value in run["documents"].items() if value}
    print(
        f"\n{step}: {done}, {run['embedded']} embedded, {run['index_writes']} index writes, "
        f"{run['bytes_read']} bytes read, {run['duration_s']:.2f} s"
    )
