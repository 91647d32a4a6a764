"""The console command as a person runs it: real processes, an environment of our own, no network needed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestor import wire
from ingestor.state import resolve
from ingestor.web.client import RemoteOperations, ping

COMMAND = Path(sys.executable).parent / "ingestor"
PATIENCE_S = 240.0
"""No promise, a fuse: a loaded machine may take ten times as long as a quiet one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A finished command."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> Any:
        """The final object of ``--json``: the last line of stdout."""
        return json.loads(self.stdout.splitlines()[-1])

    @property
    def run(self) -> Any:
        """The one run that a command with ``--json`` reports."""
        (run,) = self.json["runs"]
        return run


@dataclass(frozen=True, kw_only=True)
class Program:
    """``ingestor`` on one state folder. ``home`` holds the working directory and nothing else of interest;
    ``environ`` is added to the scrubbed environment; ``prefix`` goes before the command (``unshare`` ...)."""

    state: Path
    home: Path
    config: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    def command(self, *arguments: object) -> list[str]:
        options = ["--state-dir", str(self.state)]
        if self.config is not None:
            options += ["--config", str(self.config)]
        return [*self.prefix, str(COMMAND), *options, *(str(argument) for argument in arguments)]

    def start(self, *arguments: object, **popen: Any) -> subprocess.Popen[str]:
        """The command in the background, its output in pipes unless ``popen`` says otherwise."""
        cwd = self.home / "cwd"
        cwd.mkdir(parents=True, exist_ok=True)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | popen
        return subprocess.Popen(self.command(*arguments), cwd=cwd, env=self.environment(), text=True, **streams)

    def environment(self) -> dict[str, str]:
        """Nothing of the tests' own surroundings reaches the program but the search path for programs."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        return {"LANG": "C.UTF-8", **kept, "HOME": str(self.home), **self.environ}

    def __call__(self, *arguments: object, expect: int | None = 0, **popen: Any) -> Done:
        """Run to the end. ``expect`` is the exit code that is no surprise; None takes any."""
        began = time.monotonic()
        process = self.start(*arguments, **popen)
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(f"ingestor {' '.join(map(str, arguments))} did not end:\n{stderr[-4000:]}") from None
        done = Done(code=process.returncode, stdout=stdout or "", stderr=stderr or "", seconds=time.monotonic() - began)
        assert expect is None or done.code == expect, (
            f"ingestor {' '.join(map(str, arguments))} ended with {done.code}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
        return done

    def backfill(self, *arguments: object, expect: int | None = 0) -> Any:
        """One backfill's run as ``--json`` gives it."""
        return self("backfill", *arguments, "--json", expect=expect).run

    def search(self, query: str, *, mode: str = "hybrid", top: int = 10) -> list[Any]:
        """The hits of one search, best first."""
        hits: list[Any] = self("search", query, "--mode", mode, "--top", top, "--json").json["hits"]
        return hits

    def status(self) -> Any:
        """The one source of ``status --json``."""
        (source,) = self("status", "--json").json["sources"]
        return source

    def verified(self) -> Any:
        """``verify --json``, which found nothing."""
        reply = self("verify", "--json", "--list", expect=None).json
        assert reply["ok"], reply
        return reply

    @contextlib.contextmanager
    def service(self) -> Iterator[Service]:
        """``ingestor run``, ready and its first scans done; ended by SIGTERM if the test did not end it."""
        log = self.home / "service.log"
        with log.open("w") as stream:
            service = Service(self, self.start("run", stdout=stream, stderr=stream), log)
        try:
            service.await_ready()
            yield service
        finally:
            if service.process.poll() is None:
                service.process.terminate()
                try:
                    service.process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    service.process.kill()
                    service.process.wait()


class Service:
    """A running service and its operations over the socket, in this process."""

    def __init__(self, program: Program, process: subprocess.Popen[str], log: Path) -> None:
        self.program = program
        self.process = process
        self.socket = resolve(program.state).socket_path
        self.operations = RemoteOperations(self.socket)
        self._log = log

    @property
    def log(self) -> list[dict[str, Any]]:
        """The events that were logged so far."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def await_ready(self) -> None:
        """Until it answers and every source had its first whole look."""
        self.until(lambda: any(event["event"] == "service_ready" for event in self.log), "the service to be ready")
        assert ping(self.socket) is not None
        names = [source["name"] for source in self.program("status", "--json").json["sources"]]
        for name in names:
            self.until(
                lambda name=name: any(e["event"] == "run_finished" and e["source"] == name for e in self.log),
                f"the first scan of {name}",
            )

    def search(self, query: str, *, mode: str = "keyword", top: int = 10) -> list[wire.SearchHit]:
        request = wire.SearchRequest.model_validate({"query": query, "mode": mode, "top": top})
        return list(self.operations.search(request).hits)

    def until(self, true: Callable[[], object], what: str, *, look_s: float = 0.02) -> float:
        """Wait until ``true()``; the seconds that took."""
        began = time.monotonic()
        while not true():
            if self.process.poll() is not None:
                raise AssertionError(f"The service ended with {self.process.returncode} before {what}:\n{self._tail()}")
            if time.monotonic() - began > PATIENCE_S / 2:
                raise AssertionError(f"Waited in vain for {what}:\n{self._tail()}")
            time.sleep(look_s)
        return time.monotonic() - began

    def stop(self, signum: int = signal.SIGTERM) -> tuple[int, float]:
        """Send the signal; the exit code and the seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(signum)
        code = self.process.wait(PATIENCE_S)
        return code, time.monotonic() - began

    def _tail(self) -> str:
        return self._log.read_text()[-4000:]
