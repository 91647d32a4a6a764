"""A document keeps its identity over any history, and a second run does nothing.

Any edits in any order, with deaths and outages: ``test_sync_machine.py``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.paths import item_id
from ingestor.model import Outcome
from tests.support.faults_corpus import markdown
from tests.support.faults_world import SOURCE, Death, World, hooked

SHORT = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,  # `make test` says the same each time
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("rename"), st.sampled_from(["p.md", "q/p.md", "q/r.txt", "ß.md", "q/s/t.md"])),
        st.tuples(st.just("rename_folder"), st.sampled_from(["u", "v w"])),
        st.tuples(st.just("edit"), st.integers(0, 40)),
        st.tuples(st.just("save_by_rename"), st.integers(0, 40)),
        st.tuples(st.just("delete_and_restore"), st.just("")),
    ),
    min_size=1,
    max_size=7,
)


@pytest.mark.slow
@given(steps=_steps, crash=st.integers(0, 60))
@SHORT
def test_a_document_keeps_its_doc_id(steps: list[tuple[str, str | int]], crash: int) -> None:
    """R11: over renames, edits, saves by rename, folder renames, a return, and a death on the way."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        (root / "home").mkdir(parents=True)
        world, name = World(root, Path(place)), "home/n.md"
        (root / "other.md").write_text(markdown("Other", [90, 91]))
        (root / name).write_text(markdown("Named", [80, 81]))
        world.sync_all()
        doc_id = world.doc_ids()[name]
        for place_in_list, (what, value) in enumerate(steps):
            path = root / name
            if what == "rename":
                name = f"home/{place_in_list}{str(value).replace('/', str(place_in_list) + '/')}"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                path.rename(root / name)
            elif what == "rename_folder":
                folder, _, rest = name.partition("/")
                (root / folder).rename(root / f"{value}{place_in_list}")
                name = f"{value}{place_in_list}/{rest}"
            elif what == "edit":
                path.write_text(markdown("Named", [int(value), 60 + place_in_list]))
            elif what == "save_by_rename":
                path.with_name("t~").write_text(markdown("Named", [int(value), 50]))
                path.with_name("t~").rename(path)
            else:
                content = path.read_bytes()
                path.unlink()
                world.sync_all()
                path.write_bytes(content)
            world.dies(Death(crash), world.everything)
            world.sync_all()
            assert world.doc_ids()[item_id(os.fsencode(name))] == doc_id
        world.check_ledger()
        world.close()


def test_a_second_run_opens_no_file_and_commits_nothing(tmp_path: Path) -> None:
    """R9: over an unchanged folder a run reads 0 bytes and no row of the ledger but its own changes."""
    root = tmp_path / "root"
    root.mkdir()
    for number in range(30):
        (root / f"{number}.md").write_text(markdown("Steady", [number]))
    world = World(root, tmp_path / "state")
    world.everything()
    before = world.dump()
    points: list[str] = []
    with hooked(points.append):
        report = world.everything()
    assert (report.outcome, report.counts.unchanged, report.counts.bytes_read) == (Outcome.OK, 30, 0)
    assert world.dump() == before
    assert not {"fetch", "parse", "embed.batch", "index.write"} & set(points)
    assert world.ledger.sources.plan(SOURCE) is None
    world.close()
