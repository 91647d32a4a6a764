"""The support bundle of a real state: all of it is there, and nobody's name, path, word or secret."""

from __future__ import annotations

import getpass
import json
import os
import socket
import tarfile
from pathlib import Path

import pytest

from ingestor.cli.main import main
from ingestor.service.health import health
from ingestor.service.metrics import Metrics
from ingestor.state import resolve
from ingestor.web.server import serve
from tests.support.served import Served

PARTS = {
    *("about.txt", "machine.json", "configuration.json", "status.json", "health.json", "metrics.txt", "doctor.json"),
    *("runs.json", "quarantine.json", "models.json", "cost.json", "state.json"),
}
WIKI = """
[[source]]
name = "Falcon wiki"
kind = "gitwiki"
url = "https://git.falcon.example/team.wiki.git"
token_file = "/etc/falcon.token"
exclude = ["falcon-*.md"]
"""


def unpacked(archive: Path) -> dict[str, str]:
    with tarfile.open(archive, "r:gz") as tar:
        members = {
            member.name.removeprefix("ingestor-support/"): tar.extractfile(member) for member in tar.getmembers()
        }
        return {name: stream.read().decode() for name, stream in members.items() if stream is not None}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder with a document, one that cannot be read, a wiki that is away, and a file that somebody put there."""
    root = tmp_path / "Falcon board"
    root.mkdir()
    (root / "falcon minutes.md").write_text("# Project Falcon\n\nThe zebra will be bought in May.\n")
    (root / "falcon budget.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    served = Served(tmp_path / "state", settings=WIKI)
    served.add(root, "Falcon files")
    served.sync("Falcon files")
    served.sync("Falcon wiki")
    (tmp_path / "state" / "falcon-notes.txt").write_text("zebra")
    lock = resolve(tmp_path / "state").try_lock()
    assert lock is not None
    page = Metrics(served.service, lambda: health(served.service)).render
    server = serve(
        served.operations,
        resolve(tmp_path / "state").socket_path,
        service=True,
        health=lambda: health(served.service),
        metrics=page,
    )
    try:
        yield tmp_path / "state"
    finally:
        server.stop()
        lock.release()
        served.close()


def call(state: Path, *arguments: str) -> int:
    return main(["--config", f"{state}.toml", "--state-dir", str(state), "support-bundle", *arguments])


def test_everything_is_told_but_no_name(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sources are known by hashes, which only the person at the terminal is told; figures and reasons are there."""
    assert call(state, str(tmp_path / "support.tar.gz")) == 0
    said = capsys.readouterr().out
    assert (tmp_path / "support.tar.gz").stat().st_mode & 0o777 == 0o600
    parts = unpacked(tmp_path / "support.tar.gz")
    assert set(parts) == PARTS
    everything = "\n".join(parts.values())
    forbidden = [
        "alcon",
        "zebra",
        "board",
        "budget",
        "etc",
        "example",
        str(tmp_path),
        str(state),
        os.fspath(Path.home()),
    ]
    for word in [*forbidden, socket.gethostname(), *({getpass.getuser()} - {"root"})]:
        assert word not in everything, word
    (line,) = [line for line in said.splitlines() if line.endswith("is Falcon files")]
    alias = line.split()[0]
    status = {one["name"]: one for one in json.loads(parts["status.json"])["sources"]}
    assert (status[alias]["documents"], status[alias]["quarantined"]) == (1, 1)
    assert {run["source"] for run in json.loads(parts["runs.json"])["runs"]} == set(status)
    (aside,) = json.loads(parts["quarantine.json"])["items"]
    assert (aside["reason"], aside["uri"][-4:]) == ("corrupt", ".pdf")
    assert f'ingestor_documents{{source="{alias}"}} 1.0' in parts["metrics.txt"]
    assert json.loads(parts["cost.json"])["months"][0]["documents"] == 1
    assert json.loads(parts["state.json"])["rows"]["chunk"] == 1
    (wiki,) = json.loads(parts["configuration.json"])["sources"]
    assert wiki["settings"] == {"url": "set", "token_file": "set", "exclude": {"entries": 1}}
    assert json.loads(parts["machine.json"])["packages"]["chromadb"] == "1.5.9"


def test_names_are_told_on_request_and_text_never(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is there is not overwritten by itself; what the documents say stands nowhere."""
    target = tmp_path / "support.tar.gz"
    assert call(state, "--names", str(target)) == 0
    everything = "\n".join(unpacked(target).values())
    assert "Falcon files" in everything
    assert "falcon%20budget.pdf" in everything
    assert "zebra" not in everything
    assert call(state, str(target)) == 2
    assert "exists already" in capsys.readouterr().err
    assert call(state, "--force", str(target)) == 0
    assert not target.with_name("support.tar.gz.partial").exists()


def test_a_state_that_cannot_be_read_still_gives_a_bundle(tmp_path: Path) -> None:
    """Its parts say why; the schemas of the files are told."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "ledger.sqlite3").write_bytes(b"no database at all" * 100)
    state.with_name("state.toml").write_text("[index]\nurll = 'x'\n")
    assert call(state, str(tmp_path / "support.tar.gz")) == 0
    parts = unpacked(tmp_path / "support.tar.gz")
    assert "error" in json.loads(parts["status.json"])
    assert "not a known key" in json.loads(parts["configuration.json"])["error"]
    assert json.loads(parts["state.json"])["schemas"] == {"ledger.sqlite3": 0}
    assert json.loads(parts["machine.json"])["processors"] > 0
