"""Candidates by the words of a question: which, for whom, and what is kept for the next question."""

from __future__ import annotations

import pytest

from ingestor.ledger.database import Database
from ingestor.ledger.ledger import Ledger
from ingestor.model import Filters, Reader, Regrant
from ingestor.search.scoring import word_shares
from tests.support.ledger_rows import RUN, put

OWNER, EVERYTHING = Reader(), Filters()
QUESTION = "harbour quay pump"


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The lists of holders that are read."""
    read, asked = Database.read, list[object]()

    def watched(db: Database, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[object]]:
        if "group_concat(rowid)" in sql:
            assert isinstance(parameters, dict)
            asked.append(parameters["match"])
        return read(db, sql, parameters)

    monkeypatch.setattr(Database, "read", watched)
    return asked


def filled(ledger: Ledger, count: int = 12) -> None:
    """Every document says harbour, some say quay or pump too, and a third is shown to nobody."""
    for number in range(count):
        words = ["harbour", *["quay"] * (number % 2), *["pump"] * (number % 4 == 1)]
        readers = ("public", "user:ana") if number % 3 == 2 else ("user:ana",) if number % 3 else ()
        put(ledger, f"{number:02}", " ".join([*words, f"n{number}"]), readers=readers)


def names(ledger: Ledger) -> dict[int, str]:
    rows = ledger.search._db.read(
        "SELECT chunk.id, binding.item_id FROM chunk JOIN binding ON binding.doc = chunk.doc AND binding.died IS NULL"
    )
    return dict(rows)


def found(ledger: Ledger, limit: int = 99, reader: Reader = OWNER, filters: Filters = EVERYTHING) -> list[int]:
    return [one.chunk for one in ledger.search.worded(QUESTION, limit, reader, filters)]


@pytest.mark.parametrize("few", [0, 20_000], ids=["asked of each match", "listed"])
@pytest.mark.parametrize("over", [1, 4], ids=["asked again", "best of all"])
def test_each_reader_gets_those_that_hold_most(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, over: int, few: int
) -> None:
    """In whatever way it is found out what he sees: by the score that words have in a search, of equals the newest."""
    monkeypatch.setattr("ingestor.ledger.search._OVER", over)
    monkeypatch.setattr("ingestor.ledger.search._FEW", few)
    filled(ledger)
    number = {row: int(name) for row, name in names(ledger).items()}
    shares = word_shares(ledger.search.held(QUESTION, list(number)))
    best = sorted(number, key=lambda row: (-shares[row], -row))
    assert found(ledger) == best
    assert len({shares[row] for row in best}) == 3
    for principals, modulo in ((("public",), (2,)), (("user:ana",), (1, 2)), ((), ())):
        reader = Reader(principals=frozenset(principals))
        wanted = [row for row in best if number[row] % 3 in modulo]
        for limit in (1, 3, 99):
            for _ in range(2):  # the second knows that the reader sees little
                assert found(ledger, limit, reader) == wanted[:limit]
            named = Filters(paths=tuple(f"{n:02}" for n in range(6)))
            assert found(ledger, limit, reader, named) == [row for row in wanted if number[row] < 6][:limit]


def test_what_a_reader_sees_follows_each_commit(ledger: Ledger) -> None:
    """Also where all that he sees is listed and kept: a narrowing hides at once (R7), and what is new is there."""
    reader = Reader(principals=frozenset({"user:ana"}))
    for name in "abc":
        put(ledger, name, "harbour", readers=("user:ana",))
    ledger.search._sees_few(reader, EVERYTHING, 0, 1)
    assert len(found(ledger, reader=reader)) == 3
    assert ledger.search._lists
    ledger.sync.apply("s", RUN, [Regrant(place="place of b", principals=frozenset())])
    assert [names(ledger)[row] for row in found(ledger, reader=reader)] == ["c", "a"]
    put(ledger, "d", "harbour", readers=("user:ana",))
    assert [names(ledger)[row] for row in found(ledger, reader=reader)] == ["d", "c", "a"]


def test_who_holds_a_word_is_read_once_a_commit(ledger: Ledger, lists: list[object]) -> None:
    """For candidates, for what these hold, and for the next question of that word; then anew."""
    put(ledger, "a", "harbour pump")
    rows = found(ledger)
    assert len(lists) == len(set(lists)) == 6  # three words, in texts and in contexts
    assert [list(word.chunks) for word in ledger.search.held(QUESTION, rows)] == [rows, [], rows]
    assert found(ledger) == rows
    assert len(lists) == 6
    put(ledger, "b", "quay")
    assert [names(ledger)[row] for row in found(ledger)] == ["a", "b"]
    put(ledger, "a", "nothing of the kind")
    assert [names(ledger)[row] for row in found(ledger)] == ["b"]
    assert len(lists) == 18


def test_a_rebuilt_keyword_index_is_read_anew(ledger: Ledger, lists: list[object]) -> None:
    """What was read of the damaged one does not live on."""
    put(ledger, "a", "harbour")
    row = found(ledger)
    with ledger.search._db.write() as tx:
        tx.execute("INSERT INTO keyword (keyword) VALUES ('delete-all')")
    assert found(ledger) == row
    ledger.upkeep.rebuild_keyword()
    lists.clear()
    assert found(ledger) == row
    assert lists


def test_lists_that_are_kept_have_an_end(ledger: Ledger, lists: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many words are asked for between two commits."""
    monkeypatch.setattr("ingestor.ledger.postings._KEPT", 2)
    filled(ledger, 3)
    for _ in range(3):
        assert len(found(ledger)) == 3
    assert len(lists) == 18
    monkeypatch.setattr("ingestor.ledger.search._LISTS_KEPT", 2)
    for number in range(5):
        reader = Reader(principals=frozenset({f"user:{number}"}))
        ledger.search._sees_few(reader, EVERYTHING, 0, 1)
        assert found(ledger, reader=reader) == []
    assert len(ledger.search._lists) <= 2


@pytest.mark.parametrize("question", ["?!", "", "unheard"])
def test_words_that_nothing_holds_find_nothing(ledger: Ledger, question: str) -> None:
    """And nobody counts as one who sees little for it, for whom everything would be listed."""
    put(ledger, "a", "harbour", readers=("public",))
    reader = Reader(principals=frozenset({"public"}))
    for one in (OWNER, reader):
        assert ledger.search.worded(question, 9, one, EVERYTHING) == []
    assert not ledger.search._narrow
