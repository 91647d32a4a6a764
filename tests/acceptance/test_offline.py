"""Nothing leaves the machine: seen by the kernel where it allows it, and by every Python process itself."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.acceptance.taken import HANDBOOK
from tests.acceptance.tracing import environment, traces
from tests.support.program import Program

pytestmark = pytest.mark.slow

CALL_HOME = "import socket; s = socket.socket(); s.connect_ex(('203.0.113.1', 443))"

# In a network without any route, each try to leave is counted by the kernel, whoever makes it.
COUNTED = '"$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 >"$COUNTERS"; exit $code'


def without_network() -> Sequence[str]:
    """The words that run a command in a network of its own that leads nowhere; none where that is forbidden."""
    for words in (("unshare", "-n"), ("unshare", "-r", "-n")):
        try:
            if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
                return words
        except FileNotFoundError:
            break
    return ()


def refused(counters: Path) -> int:
    """How often something in that network tried to get out."""
    text = counters.read_text()
    heads, values = [line.split() for line in text.splitlines() if line.startswith("Ip:")]
    six = re.search(r"^Ip6OutNoRoutes\s+(\d+)$", text, re.MULTILINE)
    return int(values[heads.index("OutNoRoutes")]) + (int(six[1]) if six else 0)


def test_the_whole_handbook_needs_no_network(make_program: Callable[..., Program], tmp_path: Path) -> None:
    """Without any network a backfill of all formats succeeds and is searched; no process of the program, in
    Python or not, tries to reach another machine."""
    nowhere, counters, folder = without_network(), tmp_path / "counters", tmp_path / "traces"
    prefix = (*nowhere, "sh", "-c", COUNTED, "sh") if nowhere else ()
    program = make_program(prefix=prefix, environ={**environment(folder), "COUNTERS": str(counters)})
    run = program.backfill(HANDBOOK)
    assert (run["outcome"], run["documents"]["failed"]) == ("ok", 0)
    assert run["embedded"] > 0
    tried = [refused(counters)] if nowhere else []
    assert program.search("how long do refunds take", mode="dense")[0]["uri"].endswith("refunds-and-returns.md")
    tried += [refused(counters)] if nowhere else []

    assert not any(tried)
    seen = traces(folder)
    assert [trace.outward for trace in seen if trace.outward] == []
    assert len(seen) >= 4  # both commands, and the index host of each


def test_the_watch_over_the_network_would_notice(tmp_path: Path) -> None:
    """The two measures do see a process that tries to leave."""
    folder, counters = tmp_path / "traces", tmp_path / "counters"
    nowhere = without_network()
    prefix = (*nowhere, "sh", "-c", COUNTED, "sh") if nowhere else ("timeout", "1")
    env = {"PATH": "/usr/sbin:/usr/bin:/bin", **environment(folder), "COUNTERS": str(counters)}
    subprocess.run([*prefix, sys.executable, "-c", CALL_HOME], env=env, check=False)
    assert [trace.outward for trace in traces(folder)] == [(("socket.connect", ["203.0.113.1", 443]),)]
    assert not nowhere or refused(counters) == 1
