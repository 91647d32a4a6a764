"""The commands about the state as a whole: what they ask for, what they print, how they end."""

from __future__ import annotations

import json
from pathlib import Path

from scripted_backend import Invoke, Scripted

from ingestor import wire, wire_service
from ingestor.cli.progress import Phase, phase
from ingestor.errors import UserError


def test_backup_names_the_file_as_the_service_sees_it(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """The service has another working directory, so the path is made absolute here."""
    result = invoke("backup", "b.tar")
    assert result.out == f"{tmp_path}/b.tar: vectors-0.sqlite3, ledger.sqlite3; 3.0 MiB in 2.0 s\n"
    assert backend.asked == [("backup", wire_service.BackupRequest(path=f"{tmp_path}/b.tar"))]
    invoke("backup", "--force", "/b.tar")
    assert backend.asked[-1][1] == wire_service.BackupRequest(path="/b.tar", overwrite=True)
    assert json.loads(invoke("backup", "/b.tar", "--json").out)["bytes"] == 3 * 1024**2
    backend.answers["backup"] = UserError("/b.tar exists already.", hint="--force")
    assert invoke("backup", "/b.tar").code == 2


def test_restore_says_what_came_back_and_what_follows(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """It needs no service, and a person has to know that the index is still to be built."""
    result = invoke("restore", "b.tar")
    assert result.code == 0
    assert "21 documents of 1 source" in result.out
    assert "builds the vector index" in result.out
    assert backend.asked == [("restore", tmp_path / "b.tar")]
    assert json.loads(invoke("restore", "b.tar", "--json").out)["documents"] == 21


def test_rebuild_says_how_much_it_built(invoke: Invoke, backend: Scripted) -> None:
    """One that was suspended ends with the code of suspension."""
    assert invoke("rebuild").out == "The index was built anew: 1,500 rows; 2.0 s\n"
    assert json.loads(invoke("rebuild", "--json").out)["outcome"] == "ok"
    backend.answers["rebuild"] = wire.RebuildReply(outcome="suspended", rows=0, duration_s=1.0)
    assert invoke("rebuild").code == 143


def test_work_that_is_not_about_documents_counts_for_itself() -> None:
    """A bar shows what is done of what there is, by the name of the work."""
    shown = phase(wire.Progress(stage="backup", done=3, total=12))
    assert shown == Phase(name="backup", done=3, total=12, text="")
    assert phase(wire.Progress(stage="rebuild")).total is None
