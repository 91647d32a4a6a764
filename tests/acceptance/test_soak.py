"""The service under churn: after half an hour it takes no more of the machine than after ten minutes, and what it holds is
what the folder holds. The short form is two minutes of the same, with windows fifteen times as short: a service that has
just begun still fills its caches, so it may grow a little, but by less than what one leak for each request would be."""

from __future__ import annotations

import random
import socket
import statistics
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faults_report import campaign_seed, write_report
from tests.support.program import Program
from tests.support.soak import Asking, Churn, median, soak

pytestmark = pytest.mark.slow

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Form:
    """How long it lasts, by what share memory may grow, and by how many descriptors and threads."""

    minutes: float
    growth: float
    more: int


LONG = Form(minutes=30.0, growth=0.02, more=0)
SHORT = Form(minutes=2.0, growth=0.10, more=10)  # some 150 requests come after the first window
BUGS = ("_crashed", "_damaged", "_failed", "loop_frozen", "index_wrecked")
CONFIG = """
[log]
format = "json"
[health]
port = {port}
[maintenance]
retention = "5m"
quarantine_retry = "3m"
[[source]]
name = "desk"
kind = "files"
path = "{folder}"
permissions = "posix"
schedule = "1m"
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def live(tmp_path: Path, make_program: Callable[..., Program], form: Form, seed: int) -> list[str]:
    """A service whose growth, end and holdings are checked; its figures."""
    folder, port = tmp_path / "desk", free_port()
    folder.mkdir()
    churn = Churn(folder, seed)
    program = make_program(config=CONFIG.format(port=port, folder=folder))
    program.backfill()
    with program.service() as service:
        service.search("warm up the model", mode="dense")
        asking = Asking(service, port, random.Random(seed))
        watched = soak(service, churn, asking, form.minutes * 60)
        service.until(lambda: settled(port, churn.readable()), "the last edits to be taken in")
        assert program.verified()["ok"]
        told = [event["event"] for event in service.log if event["event"].endswith(BUGS)]
        code, seconds = service.stop()
    assert told == []
    assert code == 0

    minute = form.minutes * 60 / 30  # of the half hour that the windows speak of
    before, after = watched.between(10 * minute, 15 * minute), watched.between(25 * minute, 30 * minute)
    memory = [median(window, lambda sample: sample.memory) for window in (before, after)]
    descriptors = [median(window, lambda sample: sample.descriptors) for window in (before, after)]
    threads = [median(window, lambda sample: sample.threads) for window in (before, after)]
    slow = [
        statistics.median(took for at, took in asking.took_ms if begin * minute <= at < end * minute)
        for begin, end in ((10, 15), (25, 30))
    ]
    growth = memory[1] / memory[0] - 1
    figures = [
        f"{form.minutes:g} minutes, {len(watched.samples)} looks at the processes.",
        "",
        "| median of | minutes 10-15 | last five | change |",
        "|---|---|---|---|",
        f"| memory of service and index host, MiB | {memory[0] / MIB:,.1f} | {memory[1] / MIB:,.1f} | {growth:+.2%} |",
        f"| descriptors of the service | {descriptors[0]:g} | {descriptors[1]:g} | {descriptors[1] - descriptors[0]:+g} |",
        f"| threads of the service | {threads[0]:g} | {threads[1]:g} | {threads[1] - threads[0]:+g} |",
        f"| a keyword and a hybrid search | {slow[0]:.0f} ms | {slow[1]:.0f} ms | |",
        "",
        "Done to the folder: " + ", ".join(f"{count} {what}" for what, count in sorted(churn.done.items())) + ".",
        "Asked of the service: " + ", ".join(f"{count} {what}" for what, count in sorted(asking.done.items())) + ".",
        f"Ended {seconds:.1f} s after SIGTERM; `verify` found nothing.",
    ]
    if form is SHORT:
        figures[2] = figures[2].replace("minutes 10-15", "the second sixth").replace("last five", "the last sixth")
    print("\n" + "\n".join(figures))
    assert growth <= form.growth, figures
    assert descriptors[1] <= descriptors[0] + form.more, figures
    assert threads[1] <= threads[0] + form.more, figures
    return figures


def settled(port: int, documents: int) -> bool:
    """Whether monitoring sees as many documents as there are files, and nothing that waits."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = [line.rpartition(" ") for line in answer.read().decode().splitlines()]
    values = {name: float(value) for name, _, value in lines if not name.startswith("#")}
    waiting = [value for name, value in values.items() if name.startswith("ingestor_pending_rows")]
    return values['ingestor_documents{source="desk"}'] == documents and not any(waiting)


@pytest.mark.timeout(900)
def test_two_minutes_of_churn(tmp_path: Path, make_program: Callable[..., Program]) -> None:
    """Nothing grows, nothing is lost, and it ends well."""
    live(tmp_path, make_program, SHORT, seed=20_261_127)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_half_an_hour_of_churn(tmp_path: Path, make_program: Callable[..., Program]) -> None:
    """The same, for `make soak`; writes tests/results/soak.md."""
    seed = campaign_seed()
    write_report("soak.md", "Soak", [f"`make soak`, seed {seed}.", "", *live(tmp_path, make_program, LONG, seed)])
