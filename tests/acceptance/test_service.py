"""The service on a folder that people work in: what they do is found, and it ends when it is told to."""

from __future__ import annotations

import json
import secrets
import stat
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestor.wire import SearchHit, SearchRequest
from tests.acceptance import awscli_tree
from tests.acceptance.taken import Taken
from tests.support.program import Program, Service

pytestmark = pytest.mark.slow

LAG_LIMIT_S = 30.0
"""Far above the promise of a second at the median, which `make bench` measures on a quiet machine."""

CONFIG = """
[[source]]
name = "desk"
kind = "files"
path = "{folder}"
permissions = "posix"
"""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A running service and the folder that it watches."""

    service: Service
    program: Program
    folder: Path

    def found(self, word: str, *, mode: str = "keyword") -> list[SearchHit]:
        """The hits whose passage has the word in it."""
        return [hit for hit in self.service.search(word, mode=mode, top=100) if word in hit.text]

    def await_found(self, word: str) -> SearchHit:
        self.service.until(lambda: self.found(word), f"{word!r} to be found")
        return self.found(word)[0]

    def await_gone(self, word: str) -> None:
        self.service.until(lambda: not self.found(word), f"{word!r} to be gone")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    base = tmp_path_factory.mktemp("desk")
    folder, home = base / "desk", base / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "welcome.md").write_text("# Welcome\n\nThis desk belongs to everybody who works here.\n")
    config = home / "ingestor.toml"
    config.write_text(CONFIG.format(folder=folder))
    program = Program(state=base / "state", home=home, config=config)
    program.backfill()
    with program.service() as service:
        service.search("warm up the model", mode="dense")
        yield Desk(service=service, program=program, folder=folder)
        code, seconds = service.stop()
    print(f"\nSIGTERM ended the service after {seconds:.2f} s")
    assert code == 0
    assert seconds < 10
    program.verified()


def word() -> str:
    """A word that stands nowhere else."""
    return f"xq{secrets.token_hex(5)}"


# -- what people do with files ---------------------------------------------------------------------------


def test_a_saved_file_is_found(desk: Desk) -> None:
    """Each save is found by search soon after, by its words and by its meaning."""
    lags: list[float] = []
    for number in range(10):
        mark = word()
        path = desk.folder / f"note-{mark}.md"
        path.write_text(f"# Note {number}\n\nThe {mark} valve is opened on day {number} by the harbour crew.\n")
        lags.append(desk.service.until(lambda mark=mark: desk.found(mark, mode="hybrid"), f"{mark} to be found"))
        desk.service.until(lambda mark=mark: desk.found(mark, mode="dense"), f"{mark} to be found by meaning")
    lags.sort()
    print(
        f"\nsaved file found by search: p50 {statistics.median(lags):.2f} s, p95 {lags[-1]:.2f} s of {len(lags)} saves"
    )
    assert lags[-1] < LAG_LIMIT_S


def test_an_editor_that_saves_by_renaming_makes_a_revision(desk: Desk) -> None:
    """A file replaced by a new one under its name stays the same document, with another revision."""
    before, after = word(), word()
    path = desk.folder / f"plan-{before}.md"
    path.write_text(f"# Plan\n\nWe begin with {before} in the morning.\n")
    first = desk.await_found(before)
    scratch = path.with_suffix(".md~")
    scratch.write_text(f"# Plan\n\nWe begin with {after} in the morning.\n")
    scratch.replace(path)
    second = desk.await_found(after)
    desk.await_gone(before)
    assert second.document_id == first.document_id
    assert second.revision == first.revision + 1


def test_a_renamed_file_keeps_its_identity(desk: Desk) -> None:
    """A renamed file is found under its new name, as the same document and passage."""
    mark = word()
    path = desk.folder / f"old-{mark}.md"
    path.write_text(f"# Names\n\nThe {mark} ferry leaves at noon, whatever this file is called.\n")
    before = desk.await_found(mark)
    path.rename(desk.folder / f"new-{mark}.md")
    desk.service.until(lambda: desk.found(mark)[0].uri.endswith(f"new-{mark}.md"), "the new name")
    (after,) = desk.found(mark)
    assert (after.document_id, after.chunk_id) == (before.document_id, before.chunk_id)


def test_a_deleted_file_is_found_no_more(desk: Desk) -> None:
    """Deleted text leaves every kind of search."""
    mark = word()
    path = desk.folder / f"secret-{mark}.md"
    path.write_text(f"# Secret\n\nThe {mark} account is closed at the end of the quarter.\n")
    desk.await_found(mark)
    path.unlink()
    desk.await_gone(mark)
    for mode in ("keyword", "dense", "hybrid"):
        assert not desk.found(f"{mark}", mode=mode)


def test_a_new_folder_is_watched_from_its_first_file(desk: Desk) -> None:
    """Files of a folder that was made a moment ago are found, those deep below it too, and later ones."""
    marks = [word() for _ in range(5)]
    team = desk.folder / f"team-{marks[0]}"
    team.mkdir()
    for mark in marks:
        (team / f"{mark}.md").write_text(f"# Team\n\nMember {mark} joined the crew.\n")
    deep, later = word(), word()
    place = desk.folder / f"deep-{deep}" / "a" / "b" / "c" / "d"
    place.mkdir(parents=True)
    (place / "file.md").write_text(f"# Depth\n\nFar down lies the {deep} wreck.\n")
    for mark in (*marks, deep):
        desk.await_found(mark)
    (place / "later.md").write_text(f"# Depth\n\nBeside it lies the {later} anchor.\n")
    desk.await_found(later)


def test_a_folder_moved_in_is_taken_in(desk: Desk, tmp_path: Path) -> None:
    """A folder that comes in whole by one rename is found with all its files."""
    marks = [word() for _ in range(3)]
    outside = tmp_path / "bundle"
    (outside / "sub").mkdir(parents=True)
    for mark in marks:
        (outside / "sub" / f"{mark}.md").write_text(f"# Bundle\n\nItem {mark} came by sea.\n")
    outside.rename(desk.folder / f"bundle-{marks[0]}")
    for mark in marks:
        desk.await_found(mark)


def test_permission_taken_away_hides_the_file(desk: Desk) -> None:
    """Who may not read the file any more does not find it; its owner still does."""
    mark = word()
    path = desk.folder / f"pay-{mark}.md"
    path.write_text(f"# Pay\n\nThe {mark} bonus is paid in June.\n")
    path.chmod(0o644)
    desk.await_found(mark)

    def seen(principal: str) -> bool:
        asked = SearchRequest(query=mark, mode="keyword", principals=(principal,))
        return bool(desk.service.operations.search(asked).hits)

    desk.service.until(lambda: seen("group:local"), "everybody to see it")
    path.chmod(0o600)
    desk.service.until(lambda: not seen("group:local"), "it to be hidden")
    assert desk.found(mark)


# -- a second command beside the service -----------------------------------------------------------------------


def test_commands_beside_the_service_answer_the_same(desk: Desk, taken: Taken, tmp_path: Path) -> None:
    """Backfill, search, verify and source work through the service, with the JSON that they have without it."""
    mark = word()
    other = tmp_path / f"other-{mark}"
    other.mkdir()
    (other / "page.md").write_text(f"# Page\n\nThe {mark} lamp burns all night.\n")
    run = desk.program.backfill(other)
    assert (run["outcome"], run["documents"]["added"], run["trigger"]) == ("ok", 1, "backfill")
    assert run["embedded"] > 0
    assert shape(run) == shape(taken.run)

    found = desk.program("search", mark, "--mode", "keyword", "--json").json
    direct = taken.program("search", "refunds", "--mode", "keyword", "--json").json
    assert [hit["source"] for hit in found["hits"]] == [other.name]
    assert shape({**found, "hits": found["hits"][0]}).keys() == shape({**direct, "hits": direct["hits"][0]}).keys()

    verified = desk.program("verify", "--json").json
    assert verified["ok"]
    assert shape(verified) == shape(taken.program("verify", "--json").json)

    # The service watches what was registered beside it.
    later = word()
    (other / "later.md").write_text(f"# Later\n\nThe {later} buoy came loose.\n")
    desk.await_found(later)

    desk.program("source", "remove", other.name)
    assert not desk.found(mark)
    assert other.name not in [source["name"] for source in desk.program("status", "--json").json["sources"]]


def test_a_source_added_beside_the_service_is_taken_in(desk: Desk, tmp_path: Path) -> None:
    """`source add` returns at once and the service does the rest."""
    mark = word()
    other = tmp_path / f"added-{mark}"
    other.mkdir()
    (other / "page.md").write_text(f"# Page\n\nThe {mark} gull nests on the roof.\n")
    added = desk.program("source", "add", other, "--json").json
    assert (added["name"], added["kind"], added["created"]) == (other.name, "files", True)
    desk.await_found(mark)
    desk.program("source", "remove", other.name, "--purge")
    assert not desk.found(mark)


def test_a_second_service_is_refused(desk: Desk) -> None:
    """Two services on one state folder: the second ends with a sentence and exit code 2."""
    done = desk.program("run", expect=2)
    assert "in use by process" in done.stderr
    assert "--state-dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_state_is_its_owners_alone(desk: Desk) -> None:
    """Neither the state folder nor the socket is open to other users."""
    assert stat.S_IMODE(desk.program.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(desk.service.socket.stat().st_mode) == 0o600


def test_the_log_is_lines_of_json_without_content(desk: Desk) -> None:
    """Off a terminal each line of the log is a JSON object with time, level and event; what documents say
    is in none of them."""
    mark = word()
    (desk.folder / f"log-{word()}.md").write_text(f"# Log\n\nNobody logs the {mark} cipher.\n")
    desk.await_found(mark)
    lines = (desk.program.home / "service.log").read_text().splitlines()
    assert all({"timestamp", "level", "event"} <= json.loads(line).keys() for line in lines)
    assert not [line for line in lines if mark in line]
    assert not [line for line in lines if json.loads(line)["level"] in {"error", "critical"}]


# -- the end --------------------------------------------------------------------------------------------------


def test_sigterm_in_the_middle_of_work_ends_the_service(make_program: Any, tmp_path: Path) -> None:
    """SIGTERM while documents are being taken in: exit 0 within ten seconds, and the next run finishes the work."""
    folder = tmp_path / "examples"
    files = awscli_tree.unpack(folder, ("workmail", "sns"))
    program = make_program()
    program("source", "add", folder)
    log = program.home / "service.log"
    with log.open("w") as stream:
        service = Service(program, program.start("run", stdout=stream, stderr=stream), log)
    service.until(lambda: _documents(program) > 0, "the first documents", look_s=0.2)
    code, seconds = service.stop()
    print(f"\nSIGTERM in the middle of work: ended after {seconds:.2f} s")
    assert (code, seconds < 10) == (0, True)
    assert service.log[-1]["event"] == "service_stopped"
    run = program.backfill()
    assert run["outcome"] == "ok"
    assert program.status()["documents"] == files
    program.verified()


@pytest.mark.parametrize(("signum", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_backfill_is_carried_on(make_program: Any, tmp_path: Path, signum: str, code: int) -> None:
    """Ctrl-C and SIGTERM suspend a backfill at a safe point; the next one takes in what is left."""
    import signal

    folder = tmp_path / "examples"
    files = awscli_tree.unpack(folder, ("sns",))
    program = make_program()
    process = program.start("backfill", folder, "--json")
    while _documents(program) == 0 and process.poll() is None:
        pass
    process.send_signal(getattr(signal, signum))
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "carries on" in stderr
    suspended = json.loads(stdout)["runs"][0]
    assert suspended["outcome"] == "suspended"

    run = program.backfill()
    assert run["outcome"] == "ok"
    assert run["documents"]["unchanged"] >= suspended["documents"]["added"]
    status = program.status()
    assert (status["documents"], status["pending"]) == (files, {"embed": 0, "index": 0})
    program.verified()


def _documents(program: Program) -> int:
    done = program("status", "--json", expect=None)
    sources = done.json["sources"] if done.code == 0 and done.stdout else []
    return sum(source["documents"] for source in sources)


def shape(value: Any) -> Any:
    """The keys of a JSON value, all the way down, and nothing of what they hold."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return None
