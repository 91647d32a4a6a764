"""An image built from ``deploy/Containerfile`` on a base that needs no registry, and containers run from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.systemd_root import ROOT, SUITE, CannotMake, debian_root

BASE = f"localhost/ingestor-base:{SUITE}"
IMAGE = os.environ.get("INGESTOR_IMAGE", "localhost/ingestor:test")
"""Built by the tests, unless one that is there already is named."""

PATIENCE_S = 180.0

# runc and cgroupfs: these work without a systemd, and on machines with both kinds of control groups.
PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime=runc")
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")


def podman(*arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PODMAN, *arguments], check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert expect is None or done.returncode == expect, (
        f"podman {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
    return done


def build() -> float:
    """The image, anew; the seconds that took, 0 where one was named. Raises ``CannotMake`` where programs are missing."""
    for program in ("podman", "buildah", "runc"):
        if shutil.which(program) is None:
            raise CannotMake(f"{program} is not installed")
    if "INGESTOR_IMAGE" in os.environ:
        return 0.0
    tree = debian_root()
    if podman("image", "exists", BASE, expect=None).returncode:
        with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run([*PODMAN, "import", "-", BASE], check=True, stdin=tar.stdout, capture_output=True)
    began = time.monotonic()
    mounts = [f"--volume={place}:{place}:ro" for place in ("/etc/ssl/certs", *_pip_places())]
    options = ["--isolation=chroot", "--network=host", "--format=docker", f"--build-arg=BASE_IMAGE={BASE}"]
    command = ["buildah", "bud", *options, *mounts, "-t", IMAGE, "-f", "deploy/Containerfile", "."]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return time.monotonic() - began


def _pip_places() -> Sequence[str]:
    """What pip is told here about where packages come from: its files, and the folders that these name."""
    files = [path for path in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf") if path.is_file()]
    named = re.findall(r"(?:file://|=\s*)(/[^\s,]+)", "\n".join(path.read_text() for path in files))
    folders = {"/".join(place.split("/")[:3]) for place in named if Path(place).is_dir()}
    return [*map(str, files), *sorted(folders)]


class Container:
    """One that runs as ``deploy/compose.yaml`` runs it: no network, no root, nothing to write but state and scratch."""

    def __init__(self, name: str, state: str, sources: Path, config: Path) -> None:
        self.name = name
        podman("rm", "-f", name, expect=None)
        mounts = (f"-v={state}:/var/lib/ingestor", f"-v={sources}:/sources:ro", f"-v={config}:/etc/ingestor:ro")
        confined = (
            "--network=none",
            "--read-only",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--init=false",
        )
        command = ("--config", "/etc/ingestor/ingestor.toml", "run")
        podman("run", "-d", "--name", name, *confined, "--tmpfs=/tmp", *LIMITS, *mounts, IMAGE, *command)

    def run(self, *command: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        return podman("exec", self.name, *command, expect=expect)

    def log(self) -> str:
        done = podman("logs", self.name, expect=None)
        return done.stdout + done.stderr

    def until(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, f"Waited in vain for {what}:\n{self.log()[-3000:]}"
            time.sleep(1.0)

    def until_ready(self) -> None:
        self.until(lambda: self.run("ingestor", "health", "--ready", expect=None).returncode == 0, "it to be ready")

    def found(self, word: str, mode: str = "keyword") -> bool:
        return word in self.run("ingestor", "search", word, "--mode", mode, expect=None).stdout

    def stop(self) -> tuple[int, float]:
        """By SIGTERM, as every supervisor does; the exit code and the seconds."""
        began = time.monotonic()
        podman("stop", "-t", "30", self.name)
        took = time.monotonic() - began
        return int(podman("inspect", "--format", "{{.State.ExitCode}}", self.name).stdout), took

    def remove(self) -> None:
        podman("rm", "-f", self.name, expect=None)
