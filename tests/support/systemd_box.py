"""A real systemd, booted in a folder, with this program installed in it as ``deploy/README.md`` says.

The folder is an overlay over the cached Debian, so that each box begins fresh. The program's packages are those of the
interpreter that tests, bound read-only; the interpreter itself is the box's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.systemd_root import ROOT, CannotMake, debian_root

PATIENCE_S = 120.0
"""No promise, a fuse."""

UNITS = ROOT / "deploy" / "systemd"
PROGRAM = "/usr/local/bin/ingestor"

_STARTER = "#!/opt/ingestor/bin/python3\nimport sys\nfrom ingestor.cli.main import main\nsys.exit(main())\n"

# Freezes one loop, and it alone, where the code says that it is about to embed. Only in the box.
_FREEZER = """
import threading, time
from pathlib import Path

def _freeze():
    from ingestor import faultpoint
    def hook(name):
        while name == "embed.batch" and Path("/run/freeze-embed").exists():
            time.sleep(0.2)
    faultpoint.install(hook)

threading.Timer(1.0, _freeze).start()
"""


class Box:
    """A booted box; ``tree`` is its root, seen from outside."""

    def __init__(self, tree: Path, init: int) -> None:
        self.tree = tree
        self._init = init

    def run(self, *command: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """A command in the box, as its superuser. ``expect`` None takes any exit code."""
        inside = ["nsenter", "-t", str(self._init), "-a", *command]
        done = subprocess.run(inside, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        assert expect is None or done.returncode == expect, (
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n{self.log()}"
        )
        return done

    def program(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """The command line, as an administrator uses it."""
        return self.run(PROGRAM, *arguments, expect=expect)

    def show(self, key: str, unit: str = "ingestor") -> str:
        return self.run("systemctl", "show", "--value", "-p", key, unit).stdout.strip()

    def log(self, lines: int = 60) -> str:
        inside = ["nsenter", "-t", str(self._init), "-a", "journalctl", "-u", "ingestor*", "-o", "cat", f"-n{lines}"]
        return subprocess.run(inside, check=False, capture_output=True, text=True, timeout=PATIENCE_S).stdout

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        place = self.tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        # By the box's own view: an overlay tells its watchers only of what is done through it.
        place.write_text(text)
        place.chmod(mode)

    def found(self, word: str, mode: str = "keyword") -> set[str]:
        """The sources that answer with the word."""
        done = self.program("search", word, "--mode", mode, "--json", expect=None)
        hits: list[Any] = json.loads(done.stdout.splitlines()[-1])["hits"] if done.returncode == 0 else []
        return {hit["source"] for hit in hits if word in hit["text"]}

    def until(self, true: Callable[[], object], what: str, *, look_s: float = 0.5) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, f"Waited in vain for {what}:\n{self.log()}"
            time.sleep(look_s)

    def until_found(self, word: str, *sources: str) -> None:
        self.until(lambda: self.found(word) == set(sources), f"{word!r} in {sources}")

    def until_ready(self) -> None:
        self.until(lambda: self.program("health", "--ready", expect=None).returncode == 0, "the service to be ready")

    def started(self) -> Box:
        """With the service running, whatever was done to it before."""
        self.run("systemctl", "start", "ingestor")
        return self


@contextmanager
def booted(base: Path) -> Iterator[Box]:
    """A box in ``base``. Raises ``CannotMake`` where this machine cannot boot one."""
    tree = _tree(base)
    log = (base / "console.log").open("w")
    group = _control_group()
    # In a control group of its own: with --keep-unit two boxes would share that of who starts them.
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]
    command = ["systemd-nspawn", "-q", "-D", str(tree), "-b", "--keep-unit", "--register=no", "--private-network"]
    binds = [f"--bind-ro={place}:/opt/packages/{number}" for number, place in enumerate(_packages())]
    nspawn = subprocess.Popen(
        [*enter, *command, "--console=pipe", "-M", f"box{os.getpid()}", *binds],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        start_new_session=True,
    )
    try:
        yield _await_boot(Box(tree, _init_of(nspawn, group, base)), base)
    finally:
        _end(nspawn)
        log.close()
        _remove(group)
        subprocess.run(["umount", str(tree)], check=False)


def _tree(base: Path) -> Path:
    """The installed tree, which nothing has booted yet."""
    for program in ("systemd-nspawn", "nsenter", "mount"):
        if shutil.which(program) is None:
            raise CannotMake(f"{program} is not installed")
    if sys.version_info[:2] != (3, 11):
        raise CannotMake("the box has Python 3.11, and the packages that test are for another one")
    lower, upper, work, tree = debian_root(), base / "upper", base / "work", base / "tree"
    for folder in (upper, work, tree):
        folder.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, tree], check=False, capture_output=True)
    if done.returncode:
        raise CannotMake("no overlay can be mounted here")
    install(tree)
    return tree


def install(tree: Path) -> None:
    """The program and its units, in the places that ``deploy/README.md`` names."""
    subprocess.run(["chroot", tree, "python3", "-m", "venv", "--without-pip", "/opt/ingestor"], check=True)
    packages = tree / "opt/ingestor/lib/python3.11/site-packages"
    for name in ("ingestor", "connectors"):
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "vault_kind.py", packages)
    kind = packages / "vault_kind-1.0.dist-info"
    kind.mkdir()
    (kind / "METADATA").write_text("Metadata-Version: 2.1\nName: vault-kind\nVersion: 1.0\n")
    (kind / "entry_points.txt").write_text("[ingestor.connectors]\nvault = vault_kind\n")
    places = [f"/opt/packages/{number}\n" for number, _ in enumerate(_packages())]
    (packages / "box.pth").write_text("".join(["import box_freezer\n", *places]))
    (packages / "box_freezer.py").write_text(_FREEZER)
    starter = tree / "opt/ingestor/bin/ingestor"
    starter.write_text(_STARTER)
    starter.chmod(0o755)
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.timer")]:
        shutil.copy(unit, tree / "etc/systemd/system")
    shutil.copy(UNITS / "ingestor.sh", tree / PROGRAM.lstrip("/"))
    for folder in ("sysusers.d", "tmpfiles.d"):
        (tree / "etc" / folder).mkdir(exist_ok=True)
        shutil.copy(UNITS / folder / "ingestor.conf", tree / "etc" / folder)


def _packages() -> Sequence[str]:
    """Where the interpreter that tests has its packages."""
    places = {os.path.realpath(place) for place in (*site.getsitepackages(), *sys.path) if "site-packages" in place}
    return sorted(place for place in places if Path(place).is_dir())


def _control_group() -> Path:
    places = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    for place in places:
        if (place / "cgroup.procs").exists():
            group = place / f"ingestor-box-{os.getpid()}"
            with contextlib.suppress(OSError):
                group.mkdir(exist_ok=True)
                return group
    raise CannotMake("no control group can be made here")


def _remove(group: Path) -> None:
    """Innermost first; a kernel that is not done with one yet keeps an empty folder."""
    for folder in sorted((path for path in (group, *group.rglob("*")) if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _init_of(nspawn: subprocess.Popen[bytes], group: Path, base: Path) -> int:
    """The box's process 1, by the control group that it makes for itself."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and nspawn.poll() is None:
        with contextlib.suppress(OSError):
            if found := (group / "payload/init.scope/cgroup.procs").read_text().split():
                return int(found[0])
        time.sleep(0.05)
    raise CannotMake(f"systemd does not boot in a folder here: {(base / 'console.log').read_text()[-300:]}")


def _await_boot(box: Box, base: Path) -> Box:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if box.run("systemctl", "is-system-running", expect=None).stdout.strip() in {"running", "degraded"}:
            return box
        time.sleep(0.2)
    state = box.run("systemctl", "is-system-running", expect=None)
    told = state.stdout + state.stderr + (base / "console.log").read_text()[-300:]
    raise CannotMake(f"systemd does not come up in a folder here: {told}")


def _end(nspawn: subprocess.Popen[bytes]) -> None:
    """SIGTERM is a shutdown in order."""
    nspawn.send_signal(signal.SIGTERM)
    try:
        nspawn.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(nspawn.pid, signal.SIGKILL)
        nspawn.wait()
