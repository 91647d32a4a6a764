"""What a configuration asks of the sources that are known: a table, no service."""

from __future__ import annotations

from typing import Any

import pytest

from ingestor.errors import ConfigError
from ingestor.ledger.sources import SourceRow
from ingestor.model import SourceState
from ingestor.service.configured import Alteration, Wanted, compare, make_all


def row(
    name: str, path: str = "", *, kind: str = "files", origin: str = "configured", scope: str = "", **more: Any
) -> SourceRow:
    return SourceRow(
        name=name,
        kind=kind,
        settings={"path": path or f"/srv/{name}", **more},
        origin=origin,
        state=SourceState.IDLE,
        note="",
        paused=False,
        next_run=None,
        scope=scope,
    )


@pytest.mark.parametrize(
    ("known", "wanted", "expected"),
    [
        ([], [row("a")], Alteration(added=(row("a"),))),
        ([row("a")], [row("a")], Alteration()),
        ([row("a")], [row("a", "/other")], Alteration(changed=(row("a", "/other"),))),
        ([row("a")], [row("a", scope="acme")], Alteration(changed=(row("a", scope="acme"),))),
        ([row("a", origin="registered")], [row("a")], Alteration(changed=(row("a"),))),
        ([row("a")], [], Alteration(left=(row("a"),))),
        ([row("a", origin="registered")], [], Alteration()),
        ([row("a")], [row("b", "/srv/a")], Alteration(added=(row("b", "/srv/a"),), left=(row("a"),))),
    ],
    ids=["added", "same", "changed", "of another scope", "taken over", "left", "registered stays", "renamed"],
)
def test_what_differs_is_told_by_name(known: list[SourceRow], wanted: list[SourceRow], expected: Alteration) -> None:
    """Added, changed or left; a source that a command registered is none of the configuration's business."""
    assert compare(known, Wanted(rows=wanted)) == expected


def test_every_problem_is_named_at_once() -> None:
    """Another kind, a folder that a registered source has, one inside and one around such a folder."""
    known = [row("wiki", kind="memory"), row("mine", "/srv/mine", origin="registered")]
    wanted = [row("wiki"), row("same", "/srv/mine"), row("inner", "/srv/mine/deep"), row("outer", "/srv")]
    with pytest.raises(ConfigError) as refused:
        compare(known, Wanted(rows=wanted, where="/etc/ingestor.toml"))
    problems = refused.value.problems
    assert [problem.split(":")[0] for problem in problems] == [
        "source 'wiki'",
        "source 'same'",
        "source 'inner'",
        "source 'outer'",
    ]
    assert "/etc/ingestor.toml" in refused.value.message


def test_what_a_connector_refuses_is_named_with_its_source() -> None:
    """A refusal at making a source is a problem of the configuration, beside those of the other sources."""

    def make(row: SourceRow) -> Any:
        raise ConfigError([f"no {row.name} today"], where="the connector")

    with pytest.raises(ConfigError) as refused:
        make_all([row("a"), row("b")], make, "/etc/ingestor.toml")
    assert refused.value.problems == ("source 'a': no a today", "source 'b': no b today")
