"""What can go wrong between us and a git server, and in the mirror: nothing of it is ever a deletion.

Each fault strikes while a page is gone and another one edited, so that a run has something to lose its way with.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from connectors.base import WHOLE
from connectors.gitwiki.config import parse_settings
from connectors.gitwiki.source import GitSource
from ingestor.model import Outcome, RunId, Trigger, blake
from tests.support.faults_report import campaign_seed, write_report
from tests.support.git_churn import Churn
from tests.support.git_servers import SSHD, HttpServer, SshServer, http_server, ssh_server
from tests.support.git_wiki import Wiki
from tests.support.mounts import can_mount, unmount
from tests.support.world import SOURCE, World

TOKEN = "a-token-of-the-test"
PAGE = "Topic {0}\n\nThe page about {0} says that {0} is a thing of its own. It goes on for another sentence.\n"
NAMES = ("invoices", "refunds", "parcels", "laptops", "printers")


class Bench:
    """A wiki behind a real server, and a world that reads it."""

    def __init__(self, base: Path, server: HttpServer) -> None:
        self.base = base
        self.server = server
        self.wiki = Wiki(base / "srv" / "wiki.git")
        self.token = base / "token"
        self.token.write_text(TOKEN + "\n")
        (base / "state").mkdir()
        self.cache = base / "cache"
        self.settings: dict[str, object] = {"url": f"{server.url}/wiki.git", "token_file": str(self.token)}
        self.start()

    def start(self, **settings: object) -> None:
        """The first process, or the next one."""
        self.settings |= settings
        config = parse_settings(SOURCE, {"permissions": ["public"], **self.settings})
        self.world = World(self.base, self.base / "state", source=GitSource(config, self.cache, fresh_s=0.2))

    def restart(self, **settings: object) -> None:
        self.close()
        self.start(**settings)

    @property
    def mirror(self) -> Path:
        (found,) = self.cache.glob("mirror-*.git")
        return found

    def fill(self) -> None:
        self.wiki.commit(put={f"{name}.md": PAGE.format(name).encode() * 40 for name in NAMES})
        self.world.sync()

    def push(self) -> None:
        """A page goes, another is edited."""
        self.wiki.commit(remove=("refunds.md",), put={"laptops.md": os.urandom(6000).hex().encode() + b"\n" * 40})

    def equal(self) -> None:
        rows = dict(self.world.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))
        assert rows == {item: blake(content) for item, content in self.wiki.files().items()}
        self.world.healthy()

    def close(self) -> None:
        self.world.source.close()
        self.world.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "srv").mkdir()
    with http_server(tmp_path / "srv", token=TOKEN) as server:
        made = Bench(tmp_path, server)
        yield made
        made.close()


# -- the server ---------------------------------------------------------------------------------------------


@contextmanager
def answers(bench: Bench, **weather: object) -> Iterator[None]:
    before = {name: getattr(bench.server, name) for name in weather}
    for name, value in weather.items():
        setattr(bench.server, name, value)
    yield
    for name, value in before.items():
        setattr(bench.server, name, value)


@contextmanager
def token_withdrawn(bench: Bench) -> Iterator[None]:
    bench.token.write_text("another one\n")
    yield
    bench.token.write_text(TOKEN + "\n")


@contextmanager
def token_file_gone(bench: Bench) -> Iterator[None]:
    bench.token.unlink()
    yield
    bench.token.write_text(TOKEN + "\n")


@contextmanager
def repository_gone(bench: Bench) -> Iterator[None]:
    away = bench.base / "elsewhere.git"
    bench.wiki.path.rename(away)
    yield
    away.rename(bench.wiki.path)


@contextmanager
def repository_empty(bench: Bench) -> Iterator[None]:
    with repository_gone(bench):
        Wiki(bench.wiki.path)
        yield
        shutil.rmtree(bench.wiki.path)


@contextmanager
def branch_gone(bench: Bench) -> Iterator[None]:
    tip = bench.wiki.tip()
    bench.wiki.drop_branch()
    yield
    bench.wiki.reset(tip)


@contextmanager
def folder_gone(bench: Bench) -> Iterator[None]:
    """The configured folder is renamed; nobody told the configuration."""
    bench.restart(folder="nowhere")
    yield
    bench.restart(folder="")


FAULTS: dict[str, tuple[Callable[[Bench], object], str]] = {
    "token withdrawn": (token_withdrawn, "refuses our login"),
    "token file gone": (token_file_gone, "cannot be read"),
    "refused": (lambda bench: answers(bench, status=403), "refuses our login"),
    "not found": (lambda bench: answers(bench, status=404), "no repository"),
    "too often": (lambda bench: answers(bench, status=429, retry_after="30"), "less often"),
    "overloaded": (lambda bench: answers(bench, status=503), "cannot be reached"),
    "redirected": (lambda bench: answers(bench, redirect="http://127.0.0.1:9"), "another address"),
    "pack cut off": (lambda bench: answers(bench, cut_after=500), "cannot be reached, or broke off"),
    "repository gone": (repository_gone, "no repository"),
    "repository empty": (repository_empty, "empty"),
    "branch gone": (branch_gone, "no branch"),
    "folder gone": (folder_gone, "no folder"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_r5_a_fault_of_the_server_deletes_nothing(bench: Bench, fault: str) -> None:
    """The source is unavailable, says why without the token, and holds what it held; when the fault is over the run
    carries on as if nothing had been."""
    bench.fill()
    bench.push()
    held = bench.world.doc_ids()
    strike, words = FAULTS[fault]
    with strike(bench):  # type: ignore[attr-defined]
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert words in report.message
        assert TOKEN not in report.message
        assert bench.world.doc_ids() == held
    report = bench.world.sync()
    assert (report.counts.deleted, report.counts.updated) == (1, 1)
    bench.equal()


def test_a_token_goes_to_its_own_server_only(bench: Bench) -> None:
    """It stands in no address, in no argument of a process, in no file of ours, and a server that sends us on to
    another never shows it there."""
    seen: list[str] = []
    bench.fill()
    with http_server(bench.base / "srv", token=TOKEN) as other:
        with answers(bench, redirect=other.url):
            assert bench.world.run().outcome is Outcome.UNAVAILABLE
        assert (other.requests, other.logins) == ([], [])
    bench.push()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(process.read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    bench.world.sync()
    stop.set()
    watcher.join()
    assert any("ls-remote" in line for line in seen)
    assert not any(TOKEN in line for line in seen)
    assert not any(TOKEN.encode() in path.read_bytes() for path in bench.cache.rglob("*") if path.is_file())
    assert all(login.startswith("Basic ") for login in bench.server.logins)


# -- the mirror ---------------------------------------------------------------------------------------------


def pack_of_garbage(bench: Bench) -> None:
    for pack in (bench.mirror / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:100] + os.urandom(400))


def packs_gone(bench: Bench) -> None:
    shutil.rmtree(bench.mirror / "objects" / "pack")


def head_of_garbage(bench: Bench) -> None:
    (bench.mirror / "HEAD").write_bytes(os.urandom(40))


def tip_of_garbage(bench: Bench) -> None:
    (bench.mirror / "refs" / "ingestor" / "tip").write_text("0123456789abcdef" * 2 + "01234567\n")


def all_gone(bench: Bench) -> None:
    shutil.rmtree(bench.cache)


def left_over_locks(bench: Bench) -> None:
    (bench.mirror / "refs" / "ingestor" / "tip.lock").touch()
    (bench.mirror / "shallow.lock").touch()
    (bench.mirror / "packed-refs.lock").touch()
    (bench.mirror / "objects" / "pack" / "tmp_pack_abcdef").write_bytes(b"PACK half of one")
    (bench.cache / "new-half").mkdir()


@pytest.mark.parametrize(
    ("damage", "next_process"),
    [
        (pack_of_garbage, False),
        (pack_of_garbage, True),
        (packs_gone, False),
        (head_of_garbage, True),
        (tip_of_garbage, False),
        (all_gone, True),
        (left_over_locks, True),
    ],
)
def test_a_damaged_mirror_mends_itself(bench: Bench, damage: Callable[[Bench], None], next_process: bool) -> None:
    """Whatever a crash or a bad disk left of it: after at most one run that says so, the wiki is held true again, and
    no page that is there was ever missing."""
    bench.fill()
    if next_process:
        bench.close()
    damage(bench)
    if next_process:
        bench.start()
    bench.push()
    report = bench.world.run()
    assert report.outcome in {Outcome.OK, Outcome.UNAVAILABLE}, report.message
    assert bench.world.doc_ids().keys() >= bench.wiki.files().keys()
    bench.world.sync()
    bench.equal()
    assert not [path.name for path in bench.cache.rglob("*") if path.name.startswith(("tmp_", "new-", "old-"))]


def test_a_fetch_that_was_killed_is_done_again(bench: Bench) -> None:
    """git dies in the middle of a pack: the mirror holds the state before, and the next run fetches anew."""
    bench.fill()
    bench.push()
    held = bench.world.doc_ids()
    bench.server.stall.clear()
    source = bench.world.source
    assert isinstance(source, GitSource)
    killed = threading.Event()

    def kill() -> None:
        bench.server.stalled.wait(30)
        for process in list(source._git._running):
            if b"\0fetch\0" in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                os.killpg(process.pid, signal.SIGKILL)
                killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    report = bench.world.run()
    killer.join()
    bench.server.stall.set()
    assert killed.is_set()
    assert report.outcome is Outcome.UNAVAILABLE
    assert bench.world.doc_ids() == held
    bench.world.sync()
    bench.equal()


def test_closing_ends_a_fetch(bench: Bench) -> None:
    """A service that stops does not wait for a server: the fetch is ended and the mirror holds the state before."""
    bench.fill()
    bench.push()
    bench.server.stall.clear()
    outcome = list[Outcome]()
    runner = threading.Thread(target=lambda: outcome.append(bench.world.engine.run(*_run(bench)).outcome))
    runner.start()
    assert bench.server.stalled.wait(30)
    bench.world.source.close()
    runner.join(30)
    bench.server.stall.set()
    assert outcome == [Outcome.UNAVAILABLE]
    bench.restart()
    bench.world.sync()
    bench.equal()


def _run(bench: Bench) -> tuple[RunId, Trigger]:
    return bench.world.ledger.runs.start_run(SOURCE, Trigger.SYNC, WHOLE), Trigger.SYNC


@pytest.mark.skipif(not can_mount(), reason="needs the superuser, to mount")
def test_a_full_disk_beneath_the_mirror(tmp_path: Path) -> None:
    """What does not fit is said; the mirror that is there goes on, and room is all that it takes."""
    (tmp_path / "srv").mkdir()
    (tmp_path / "cache").mkdir()
    with ExitStack() as ending:
        mounted = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "cache", str(tmp_path / "cache")]
        subprocess.run(mounted, check=True)
        ending.callback(unmount, tmp_path / "cache")
        server = ending.enter_context(http_server(tmp_path / "srv", token=TOKEN))
        bench = Bench(tmp_path, server)
        ending.callback(bench.close)
        bench.fill()
        held = bench.world.doc_ids()
        bench.push()
        bench.wiki.put("big.bin", os.urandom(4_000_000))
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert "full" in report.message
        assert bench.world.doc_ids() == held
        subprocess.run(["mount", "-o", "remount,size=64m", str(tmp_path / "cache")], check=True)
        assert bench.world.run().outcome is Outcome.PARTIAL  # random bytes are no document, and set aside
        assert "refunds.md" not in bench.world.doc_ids()
        bench.equal()


# -- ssh ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[tuple[Bench, SshServer]]:
    (tmp_path / "srv").mkdir()
    with ssh_server(tmp_path / "ssh") as server, http_server(tmp_path / "srv") as http:
        made = Bench(tmp_path, http)
        made.close()
        made.settings = {"url": f"{server.url}{made.wiki.path}"}
        made.start(ssh_key_file=str(server.key_file), known_hosts_file=str(server.known_hosts_file))
        yield made, server
        made.close()


@pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's server (package openssh-server)")
def test_r5_faults_over_ssh_delete_nothing(ssh: tuple[Bench, SshServer]) -> None:
    """The key that is pinned is the only one that is spoken to; refused, stopped and strange servers are outages."""
    bench, server = ssh
    bench.fill()
    bench.push()
    held = bench.world.doc_ids()

    def struck(words: str) -> None:
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert words in report.message
        assert bench.world.doc_ids() == held

    server.new_host_key()
    struck("host key")
    server.known_hosts_file.write_text("")
    struck("host key")
    server.pin()
    authorized = (server.folder / "authorized").read_text()
    (server.folder / "authorized").write_text("")
    struck("refuses our login")
    (server.folder / "authorized").write_text(authorized)
    server.key_file.chmod(0o644)
    struck("ssh_key_file")
    server.key_file.chmod(0o600)
    server.stop()
    struck("cannot be reached")
    server.start()
    bench.world.sync()
    bench.equal()


# -- histories ----------------------------------------------------------------------------------------------

_WEATHER: tuple[Callable[[Bench], object], ...] = (
    token_withdrawn,
    repository_gone,
    repository_empty,
    branch_gone,
    lambda bench: answers(bench, status=500),
    lambda bench: answers(bench, status=404),
    lambda bench: answers(bench, cut_after=60),
)
_DAMAGE = (pack_of_garbage, packs_gone, head_of_garbage, tip_of_garbage, all_gone, left_over_locks)


def history(base: Path, seed: int, steps: int) -> int:
    """Pushes with faults between them; how many runs failed. A document leaves only when its page is gone."""
    chance = random.Random(seed)
    (base / "srv").mkdir(parents=True)
    failed = 0
    with http_server(base / "srv", token=TOKEN) as server:
        bench = Bench(base, server)
        churn = Churn(bench.wiki, seed, pages=24)
        bench.world.sync()
        for _ in range(steps):
            for _ in range(chance.randint(1, 3)):
                churn.step()
            before = bench.world.doc_ids().keys()
            with ExitStack() as weather:
                if chance.random() < 0.4:
                    weather.enter_context(chance.choice(_WEATHER)(bench))  # type: ignore[arg-type]
                elif chance.random() < 0.3:
                    chance.choice(_DAMAGE)(bench)
                if chance.random() < 0.2:
                    bench.restart()
                outcome = bench.world.run().outcome
                assert outcome in {Outcome.OK, Outcome.UNAVAILABLE}
                failed += outcome is Outcome.UNAVAILABLE
                wrong = (before - bench.world.doc_ids().keys()) & churn.now.keys()
                assert not wrong, f"seed {seed}: {wrong} left, and are there"
        while bench.world.run().outcome is Outcome.UNAVAILABLE:
            failed += 1
            assert failed < 2 * steps
        bench.equal()
        bench.close()
    return failed


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11])
def test_r5_random_histories_delete_nothing_wrongly(tmp_path: Path, seed: int) -> None:
    """Pushes of every kind, faults of the server and of the mirror, restarts: at the end the ledger is the wiki."""
    assert history(tmp_path, seed, steps=8) > 0


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_r5_two_hundred_random_histories(tmp_path: Path) -> None:
    """The same, 200 times."""
    seed, began, failed, runs = campaign_seed(), time.monotonic(), 0, 0
    for number in range(200):
        place = tmp_path / str(number)
        failed += history(place, seed + number, steps=10)
        runs += 10
        shutil.rmtree(place)
    write_report(
        "gitwiki_faults.md",
        "Random histories of a git wiki with faults of its server and of its mirror",
        [
            f"200 histories from seed {seed}, {runs} runs beneath pushes of every kind; {failed} of them could not ask.",
            "0 documents left whose page was there; at the end of each history the ledger held the wiki.",
            f"{time.monotonic() - began:.0f} s.",
        ],
    )
