"""The service under a real systemd: what an administrator does to it, and what may happen to it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.support.systemd_box import Box, booted
from tests.support.systemd_root import ROOT, CannotMake
from tests.support.vault_kind import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GRACE_S = 10.0

CONFIG = """
[[source]]
name = "docs"
kind = "files"
path = "/srv/docs"
permissions = ["public"]

[[source]]
name = "vault"
kind = "vault"
path = "/srv/vault"
token_credential = "secret_vault"

[[source]]
name = "team"
kind = "files"
path = "/srv/team/closed/docs"

[[source]]
name = "ana"
kind = "files"
path = "/srv/ana"
"""

# Shorter than in service: tests wait for it. The watchdog still allows more than any loop takes on a loaded machine.
HURRY = "[Service]\nWatchdogSec=30\nRestartSec=1\n"

OPENED = "[Service]\nSupplementaryGroups=staff\nBindReadOnlyPaths=/home/ana/docs:/srv/ana\n"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Installed and started once, with a folder to read, a secret, and two places that are shut."""
    base = tmp_path_factory.mktemp("box")
    try:
        with booted(base) as made:
            prepare(made)
            yield made.started()
    except CannotMake as why:
        pytest.skip(f"systemd in a folder: {why}")


def prepare(box: Box) -> None:
    box.write("/etc/ingestor/ingestor.toml", CONFIG)
    box.write("/etc/ingestor/secrets/vault", SECRET, mode=0o600)
    box.write("/etc/systemd/system/ingestor.service.d/hurry.conf", HURRY)
    box.write("/srv/docs/first.md", "# First\n\nA zebra is in the first document.\n")
    box.write("/srv/vault/secret.md", "# Vault\n\nA pangolin is in the vault.\n")
    box.write("/srv/team/closed/docs/team.md", "# Team\n\nAn okapi is in the team's folder.\n")
    box.write("/home/ana/docs/ana.md", "# Ana\n\nA lemur is in Ana's folder.\n")
    shutil.copytree(ROOT / "tests/data/handbook/finance", box.tree / "srv/docs/finance")
    (box.tree / "srv/ana").mkdir()
    (box.tree / "home/ana").chmod(0o700)
    box.run("chgrp", "staff", "/srv/team/closed")
    (box.tree / "srv/team/closed").chmod(0o750)
    box.run("systemctl", "daemon-reload")


def test_it_starts_hardened_and_parses_embeds_and_answers(box: Box) -> None:
    """READY, a status in words, and with all of the hardening: office files and a PDF are read, a question by meaning
    is answered, and ledger and index agree."""
    box.started()
    assert (box.show("ActiveState"), box.show("SubState"), box.show("User")) == ("active", "running", "ingestor")
    box.until_ready()
    box.until_found("zebra", "docs")
    box.until(lambda: "4 sources" in box.show("StatusText"), "the status text")
    hits = box.program("search", "who may buy things, and up to what amount", "--mode", "dense").stdout
    assert "purchasing-policy.docx" in hits
    assert box.program("verify").returncode == 0


def test_an_edit_reaches_search(box: Box) -> None:
    """By the watcher, through all of the mounts that the hardening puts between."""
    box.started()
    box.run("sh", "-c", "printf '# New\\n\\nA giraffe came in.\\n' > /srv/docs/new.md")
    box.until_found("giraffe", "docs")


def test_a_credential_is_read_by_the_service_alone(box: Box) -> None:
    """The source that needs the secret works; neither another account nor the service's other files have it."""
    box.started()
    box.until_found("pangolin", "vault")
    assert box.run(
        "runuser", "-u", "nobody", "--", "cat", "/run/credentials/ingestor.service/secret_vault", expect=None
    ).returncode
    assert box.run("runuser", "-u", "ingestor", "--", "cat", "/etc/ingestor/secrets/vault", expect=None).returncode


def test_it_can_write_its_two_folders_and_nothing_else(box: Box) -> None:
    """Not even the superuser could, where the service is: everything else is read-only or hidden."""
    box.started()
    main = box.show("MainPID")

    def write(path: str) -> bool:
        inside = ("nsenter", "-t", main, "-m", "touch", path)
        return box.run(*inside, expect=None).returncode == 0

    assert [path for path in ("/var/lib/ingestor/x", "/var/cache/ingestor/x", "/tmp/x") if not write(path)] == []
    shut = (
        "/x",
        "/srv/docs/x",
        "/etc/ingestor/x",
        "/opt/ingestor/x",
        "/usr/x",
        "/var/lib/x",
        "/proc/sys/vm/swappiness",
    )
    assert [path for path in shut if write(path)] == []
    assert not (box.tree / "tmp/x").exists()
    assert box.run("nsenter", "-t", main, "-m", "ls", "/home").stdout.split() in ([], ["ana"])
    assert box.run("nsenter", "-t", main, "-m", "ls", "/root", expect=None).stdout == ""


def test_a_reload_takes_a_source_in_and_refuses_a_broken_file(box: Box) -> None:
    """By systemctl with its exit code, and by SIGHUP; every problem is in the log; the process stays the same."""
    box.started()
    box.until_found("zebra", "docs")
    main = box.show("MainPID")
    box.write("/srv/more/more.md", "# More\n\nA tapir came in.\n")
    box.write("/srv/late/late.md", "# Late\n\nA walrus came in.\n")
    more = CONFIG + '[[source]]\nname = "more"\nkind = "files"\npath = "/srv/more"\npermissions = ["public"]\n'
    box.write("/etc/ingestor/ingestor.toml", more)
    box.run("systemctl", "reload", "ingestor")
    box.until_found("tapir", "more")

    box.write("/etc/ingestor/ingestor.toml", more + '[[source]]\nname = "odd"\nkind = "oddd"\n[indexx]\n')
    assert box.run("systemctl", "reload", "ingestor", expect=None).returncode != 0
    assert "indexx is not a known key" in box.log()
    assert '"oddd" is not a kind of source' in box.log()

    late = more + '[[source]]\nname = "late"\nkind = "files"\npath = "/srv/late"\npermissions = ["public"]\n'
    box.write("/etc/ingestor/ingestor.toml", late)  # the commands that ask read it as well
    assert (box.found("tapir"), box.found("walrus")) == ({"more"}, set())
    box.run("systemctl", "kill", "--kill-who=main", "-s", "HUP", "ingestor")
    box.until_found("walrus", "late")
    assert box.show("MainPID") == main
    box.write("/etc/ingestor/ingestor.toml", CONFIG)
    box.run("systemctl", "reload", "ingestor")
    for name in ("more", "late"):
        assert f"{name} is no source any more" in box.program("source", "remove", name).stdout


def test_a_shut_folder_is_named_and_opened_by_a_drop_in(box: Box) -> None:
    """`doctor` in the service's account says which folder on the way is shut; a group and a bind mount open it."""
    said = box.program("doctor", expect=None).stdout
    assert "ingestor may not enter /srv/team/closed" in said
    box.write("/etc/systemd/system/ingestor.service.d/folders.conf", OPENED)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "ingestor")
    box.until_found("okapi", "team")
    box.until_found("lemur", "ana")


def test_a_killed_service_is_started_again(box: Box) -> None:
    """SIGKILL in the middle of whatever it does: systemd starts it, and everything is found as before."""
    box.started()
    box.until_found("zebra", "docs")
    main, restarts = box.show("MainPID"), int(box.show("NRestarts"))
    box.run("systemctl", "kill", "--kill-who=main", "-s", "KILL", "ingestor")
    box.until(lambda: box.show("MainPID") not in {main, "0"} and box.show("ActiveState") == "active", "the restart")
    assert int(box.show("NRestarts")) == restarts + 1
    box.until_found("zebra", "docs")


def test_the_watchdog_ends_a_service_with_one_frozen_loop(box: Box) -> None:
    """All other loops, the socket and the main thread go on, and still it is ended, with its threads in the log; the
    next one does what was left."""
    box.started()
    box.until_ready()  # a loop that loads the model is not frozen
    main, restarts = box.show("MainPID"), int(box.show("NRestarts"))
    box.run("touch", "/run/freeze-embed")
    box.run("sh", "-c", "printf '# Frozen\\n\\nA narwhal came in.\\n' > /srv/docs/frozen.md")
    box.until_found("narwhal", "docs")  # by its words, while the loop that embeds stands still
    box.until(lambda: int(box.show("NRestarts")) > restarts, "the watchdog's bite")
    box.run("rm", "/run/freeze-embed")
    log = box.log(lines=600)  # with the stacks of all threads
    assert '"loop_frozen"' in log
    assert '"reason": "embed"' in log
    assert "Failed with result 'watchdog'" in log
    assert re.search(r"box_freezer.py\", line \d+ in hook", log)
    box.until(lambda: box.show("MainPID") not in {main, "0"} and box.show("ActiveState") == "active", "the restart")
    box.until(lambda: box.found("narwhal", "dense") == {"docs"}, "the document to be found by meaning")


def test_a_stop_takes_less_than_the_grace(box: Box) -> None:
    """In order and with success, with a start after it that finds everything."""
    box.started()
    box.until_ready()  # to load a model cannot be interrupted
    box.run("systemctl", "stop", "ingestor")
    events = [json.loads(line) for line in box.log().splitlines() if line.startswith("{")]
    last = {event["event"]: datetime.fromisoformat(event["timestamp"]) for event in events}
    took = (last["service_stopped"] - last["service_stopping"]).total_seconds()
    print(f"stopped within {took:.1f} s")
    assert 0 < took < GRACE_S
    assert (box.show("Result"), box.show("ExecMainStatus"), box.show("ActiveState")) == ("success", "0", "inactive")
    assert '"service_stopped"' in box.log()
    assert "parser" not in box.program("quarantine", "list").stdout


def test_the_backfill_unit_works_without_the_service(box: Box) -> None:
    """What the timer starts: one pass, exit with success, the same state folder."""
    box.run("systemctl", "stop", "ingestor")
    box.write("/etc/systemd/system/ingestor-backfill.service.d/folders.conf", OPENED)
    box.run("systemctl", "daemon-reload")
    box.write("/srv/docs/night.md", "# Night\n\nA capybara came in.\n")
    box.run("systemctl", "start", "ingestor-backfill")
    assert box.show("Result", "ingestor-backfill") == "success"
    assert box.found("capybara") == {"docs"}
    box.run("systemctl", "start", "ingestor-backfill.timer")
    assert box.show("NextElapseUSecRealtime", "ingestor-backfill.timer")
