"""Work is in proportion to the change: what each kind of change embeds, writes and reads, counted.

The corpus and the changes are those of ``tests.benchmarks.bench_cost``, small and with a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.bench_cost import LONG, MOST_ROWS, MOST_UNITS, Cost, Costs, cost_table, edit_table

SEED = 20_261_120


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cost]:
    """The cost of each kind of change on 60 documents, one of 4,000 sentences."""
    costs = Costs(tmp_path_factory.mktemp("costs"), 60, SEED)
    table, found = cost_table(costs)
    table.show()
    costs.close()
    return {name.split(" of ")[0] if name[-5:] == "files" else name: cost for name, cost in found.items()}


@pytest.fixture
def costs(tmp_path: Path) -> Iterator[Costs]:
    made = Costs(tmp_path, 12, SEED)
    made.take_in()
    yield made
    made.close()


@pytest.mark.parametrize("change", ["edit of a sentence", "edit of a sentence in 4,000", "insert at the top of 4,000"])
def test_a_small_edit_costs_little(found: dict[str, Cost], change: str) -> None:
    """At most 2 units, 4 chunk rows, 4 rows of the index and one layout, whatever the document's length."""
    cost = found[change]
    assert (cost.documents, cost.layouts) == (1, 1)
    assert 1 <= cost.embedded <= MOST_UNITS
    assert 1 <= cost.chunk_rows <= MOST_ROWS
    assert 1 <= cost.index_writes <= MOST_ROWS


@pytest.mark.parametrize(
    "change", ["nothing", "rename", "move of a folder", "copy", "touch", "chmod", "chmod of a folder"]
)
def test_what_is_no_new_text_embeds_nothing(found: dict[str, Cost], change: str) -> None:
    """Renames, moves, copies, times and permissions; only a copy has chunks of its own."""
    cost = found[change]
    assert cost.embedded == 0
    assert change == "copy" or (cost.chunk_rows, cost.layouts) == (0, 0)


def test_a_rename_is_read_at_most_once(found: dict[str, Cost]) -> None:
    """A renamed file may have been rewritten before, with its time put back; a file in a renamed folder may not."""
    assert found["rename"].bytes_read > 0
    assert found["move of a folder"].bytes_read == 0
    for change in ("rename", "move of a folder"):
        assert found[change].documents > 0
    assert found["nothing"].bytes_read == 0


def test_a_new_recipe_embeds_only_what_is_new(found: dict[str, Cost]) -> None:
    """Everything is read and parsed again; the units are the same, so none is embedded, and where the cuts
    are the same, too, not one row is written."""
    same, other = found["new recipe, equal cuts"], found["new recipe, other lengths"]
    assert (same.embedded, same.chunk_rows, same.index_writes) == (0, 0, 0)
    assert same.bytes_read > 0
    assert other.embedded == 0
    assert other.chunk_rows > 0


def test_another_model_reads_no_source(found: dict[str, Cost]) -> None:
    """Every unit is embedded once with it and every chunk written once, from the ledger; nothing is read or cut."""
    cost = found["switch of the model"]
    assert (cost.documents, cost.bytes_read, cost.chunk_rows, cost.layouts) == (0, 0, 0, 0)
    assert cost.embedded > 0
    assert cost.index_writes > 0


def test_many_edits_keep_the_promise(costs: Costs) -> None:
    """Each edit of one sentence embeds one unit and writes one layout; that it changes more than 4 rows is rare (one in
    some hundreds), and then they are few."""
    table, found = edit_table(costs, 30)
    table.show()
    assert all(cost.embedded <= MOST_UNITS and cost.layouts == 1 for cost in found)
    assert sum(cost.chunk_rows > MOST_ROWS for cost in found) <= len(found) // 30
    assert max(cost.chunk_rows for cost in found) <= 2 * MOST_ROWS
    assert all(cost.index_writes == cost.chunk_rows for cost in found)


def test_an_edit_to_and_fro_costs_nothing_the_second_time(costs: Costs) -> None:
    """A sentence that comes back has its vector still."""
    before = (costs.root / LONG).read_text()
    costs.edit_sentence(LONG)
    assert costs.take_in().embedded == 1
    (costs.root / LONG).write_text(before)
    assert costs.take_in().embedded == 0
