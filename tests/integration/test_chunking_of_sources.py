"""How each source is cut follows from its own table of the configuration: a whole service, a stub for the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor.chunking.length import length
from tests.support.served import Served

pytestmark = pytest.mark.slow

TEXT = "# Harbour\n\n" + "\n\n".join(
    f"Berth {n} takes boats of up to {n + 3} metres. It has a ladder of steel. Its fee is due in month {n % 12 + 1}."
    for n in range(60)
)


def settings(root: Path, short: str) -> str:
    return "".join(
        f'[[source]]\nname = "{name}"\nkind = "files"\npath = "{root / name}"\npermissions = ["public"]\n{more}\n'
        for name, more in (("usual", ""), ("short", f"chunking = {short}"))
    )


def lengths(served: Served, source: str) -> list[int]:
    rows = served.ledger.sync._db.read(
        "SELECT live_chunk.text FROM live_chunk JOIN chunk ON chunk.id = live_chunk.id"
        " JOIN document ON document.id = chunk.doc JOIN source ON source.id = document.source WHERE source.name = ?"
        " ORDER BY live_chunk.id",
        (source,),
    )
    return [length(text) for (text,) in rows]


def test_a_source_is_cut_as_its_table_says(tmp_path: Path) -> None:
    """Target, limit and strategy of one source are its own, and after a change of them it is cut anew, with its units
    embedded as they were; the other one is left alone."""
    for name in ("usual", "short"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "harbour.md").write_text(TEXT)
    served = Served(
        tmp_path / "state", settings=settings(tmp_path, '{ target = 200, limit = 600, strategy = "fixed" }')
    )
    try:
        for name in ("usual", "short"):
            served.sync(name)
        usual, short = lengths(served, "usual"), lengths(served, "short")
        assert max(short) <= 200 < max(usual)
        assert min(short[:-1]) > 100
        embedded = served.embedder.embedded
    finally:
        served.close()
    served = Served(tmp_path / "state", settings=settings(tmp_path, "{ target = 300, limit = 900 }"))
    try:
        reports = {name: served.sync(name) for name in ("usual", "short")}
        assert lengths(served, "usual") == usual
        assert reports["usual"].counts.chunks_added == reports["usual"].counts.chunks_removed == 0
        assert 300 < max(lengths(served, "short")) <= 900
        assert served.embedder.embedded == 0 < embedded
    finally:
        served.close()
