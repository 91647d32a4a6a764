"""What had gone or was hidden when a search began is not among its hits, however much changes meanwhile (R7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor import wire
from tests.support.faults_report import campaign_seed, write_report
from tests.support.search_churn import Asked, ask_under_churn, commit_of, outlived
from tests.support.served import Served

pytestmark = pytest.mark.slow


def sound(asked: Asked, searches: int) -> None:
    assert asked.bad == []
    assert asked.searches == searches
    assert asked.hits > searches  # it is not that nothing was found
    assert asked.commits > searches / 10  # nor that nothing changed


def test_no_search_shows_what_had_gone_before_it_began(tmp_path: Path) -> None:
    """In every mode, for every kind of reader, while files are edited, renamed, deleted, copied and shut."""
    sound(ask_under_churn(tmp_path, 500, campaign_seed()), 500)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_ten_thousand_searches_under_churn(tmp_path: Path) -> None:
    """The same at length; writes tests/results/churn_search.md."""
    seed, searches = campaign_seed(), 10_000
    asked = ask_under_churn(tmp_path, searches, seed)
    notes = ", ".join(f"{count:,} with the note {note!r}" for note, count in asked.notes.items() if note)
    write_report(
        "churn_search.md",
        "Searches under constant churn",
        [
            f"`pytest -m long tests/integration/test_search_under_churn.py -s`, seed {seed}",
            "",
            f"{asked.searches:,} searches by two readers at a time, in every mode, as the owner, as a local user and as",
            f"somebody who sees nothing, with {asked.hits:,} hits; meanwhile {asked.commits:,} commits.",
            f"Steps of the folder: {', '.join(f'{count} {kind}' for kind, count in sorted(asked.steps.items()))}.",
            "",
            f"Hits that the ledger had superseded, deleted or hidden before the search began: {len(asked.bad)}.",
            f"Hits that went between its beginning and its end: {asked.late}.{f' {notes}.' if notes else ''}",
        ],
    )
    sound(asked, searches)


@pytest.mark.parametrize("change", ["edit", "delete", "shut"])
def test_the_judge_sees_what_had_gone(tmp_path: Path, change: str) -> None:
    """A hit of before, held against the ledger of afterwards, is told; one that went since is not."""
    root = tmp_path / "desk"
    root.mkdir()
    file = root / "a.md"
    file.write_text("The harbour keeps its ledgers in the back room.\n")
    settings = f'[[source]]\nname = "desk"\nkind = "files"\npath = "{root}"\npermissions = "posix"\n'
    made = Served(tmp_path / "state", settings=settings)
    try:
        made.sync("desk")
        everybody = ("group:local",)
        request = wire.SearchRequest(query="harbour", mode="keyword", top=5, principals=everybody)
        (hit,) = made.operations.search(request).hits
        before = commit_of(made.ledger)
        assert not outlived(made.ledger, hit, before, everybody)
        if change == "edit":
            file.write_text("The quarry has no key.\n")
        elif change == "delete":
            file.unlink()
            (root / "b.md").write_text("Another.\n")
        else:
            file.chmod(0o600)
        made.sync("desk")
        assert not outlived(made.ledger, hit, before, everybody)
        assert outlived(made.ledger, hit, commit_of(made.ledger), everybody)
        assert outlived(made.ledger, hit, commit_of(made.ledger), None) is (change != "shut")
    finally:
        made.close()
