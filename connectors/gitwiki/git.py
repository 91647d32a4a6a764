"""Running the git program: with nothing of the user's surroundings, no prompt, no hook, limits on time and size.

git is used as a program because it is the one implementation that every server is tested with. What it may do
is written into a configuration file of its own, which it is told to take in place of the system's and the
user's: local transports hand it on to the other side, where options of the command line do not arrive. The
token reaches it by the environment of a helper that answers for one host only: never by an address, an
argument or a file of ours.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from connectors.errors import SourceUnavailable
from connectors.gitwiki.config import GitConfig, Transport
from connectors.gitwiki.trouble import Broken, full_disk, trouble_of
from connectors.secrets import read_secret, secret_path

_LOCAL_S = 600.0  # a walk over the history of a very large repository
_ASK_S = 60.0
_FETCH_S = 3600.0
_STDERR_KEPT = 16 * 1024
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")

# Answers for the one host that it is set for. printf is a part of the shell: nothing of it shows among processes.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$INGESTOR_GIT_USERNAME" "$INGESTOR_GIT_PASSWORD"; }; f'
)

# A server that sends less than 1,000 bytes a second for a minute is given up.
_CONFIG = """\
[core]
	hooksPath = /dev/null
	fsmonitor = false
[fetch]
	recurseSubmodules = false
	unpackLimit = 1
	writeCommitGraph = true
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[protocol]
	version = 2
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A process with its pipes. What it says of its troubles is kept only where somebody reads it."""

    process: subprocess.Popen[bytes]
    stdin: BufferedWriter
    stdout: BufferedReader
    stderr: BufferedReader | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    code: int
    out: bytes
    err: str


class Git:
    """Runs git for one source. Any thread; ``close`` ends what runs, also from another."""

    def __init__(self, config: GitConfig, home: Path) -> None:
        """``home`` is a folder of ours, which takes the place of the user's own."""
        self._config = config
        self._home = home
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def remote(self, *arguments: str, repository: Path | None = None, fetching: bool = False) -> bytes:
        """A command that asks the server; what it printed. Raises ``SourceUnavailable``, ``Broken``."""
        environment = self._environment() | self._proof()
        answer = self._run(
            self._command(arguments, repository),
            environment,
            limit_s=_FETCH_S if fetching else _ASK_S,
            most_bytes=self._config.max_repository,
        )
        if answer.code != 0:
            raise trouble_of(answer.err, self._config, secrets=self._secrets(environment))
        return answer.out

    def local(self, repository: Path, *arguments: str, fine: Sequence[int] = (0,)) -> Answer:
        """A command on the mirror alone. Raises ``Broken`` when it ends with a code that is not ``fine``."""
        answer = self._run(self._command(arguments, repository), self._environment(), limit_s=_LOCAL_S)
        if answer.code not in fine:
            raise full_disk(answer.err, self._config) or Broken(answer.err)
        return answer

    @contextlib.contextmanager
    def conversation(self, repository: Path, *arguments: str) -> Iterator[Running]:
        """A command on the mirror whose pipes the caller holds; it is ended when the caller is done."""
        running = self._start(self._command(arguments, repository), self._environment(), told=False)
        try:
            yield running
        finally:
            self._end(running)

    def close(self) -> None:
        """End what runs; nothing can be run afterwards. Safe to call twice."""
        self._closed = True
        with self._lock:
            running = list(self._running)
        for process in running:
            _kill(process)

    # -- surroundings ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Write the configuration that stands for the user's and the system's. Raises ``OSError``."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        config, parts = self._config, urlsplit(self._config.url)
        text = _CONFIG
        if config.token:
            text += f"[credential {_quoted(f'{parts.scheme}://{parts.netloc}')}]\n\thelper = {_quoted(_HELPER)}\n"
        if config.ca_file:
            text += f"[http]\n\tsslCAInfo = {_quoted(config.ca_file)}\n"
        if config.transport is Transport.FILE:
            # It was named by an administrator, whoever owns it.
            text += f"[safe]\n\tdirectory = {_quoted(unquote(parts.path))}\n"
        place, fresh = self._home / "gitconfig", self._home / f"gitconfig.{os.getpid()}"
        with contextlib.suppress(OSError):
            if place.read_text(encoding="utf-8") == text:
                return
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(place)

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", *_PROXIES) if key in os.environ}
        return kept | {
            "HOME": str(self._home),
            "LC_ALL": "C",  # what went wrong is told by its words
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._home / "gitconfig"),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": self._config.transport.value,
            "GIT_TERMINAL_PROMPT": "0",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }

    def _proof(self) -> dict[str, str]:
        """What shows the server who we are. Read anew each time: a token may be replaced while we run."""
        config = self._config
        if config.transport is Transport.SSH:
            return {"GIT_SSH_COMMAND": self._ssh(), "GIT_SSH_VARIANT": "ssh"}
        if not config.token:
            return {}
        return {"INGESTOR_GIT_USERNAME": config.username, "INGESTOR_GIT_PASSWORD": read_secret(config.token, "token")}

    def _ssh(self) -> str:
        config = self._config
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f'UserKnownHostsFile="{config.known_hosts_file}"',
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PreferredAuthentications=publickey",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ConnectTimeout=30",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
        ]
        command = ["ssh", "-F", "none", "-a", "-x", "-i", str(secret_path(config.ssh_key, "ssh_key"))]
        return shlex.join([*command, *(word for option in options for word in ("-o", option))])

    @staticmethod
    def _secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(filter(None, (environment.get("INGESTOR_GIT_PASSWORD"),)))

    @staticmethod
    def _command(arguments: Sequence[str], repository: Path | None) -> list[str]:
        return ["git", *(["--git-dir", str(repository)] if repository else []), *arguments]

    # -- processes ---------------------------------------------------------------------------------

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], *, told: bool = True, limited: bool = False
    ) -> Running:
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self._home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if told else subprocess.DEVNULL,
                # Python ignores the signal that ends who writes beyond a limit, and git then says what went wrong.
                restore_signals=not limited,
                start_new_session=True,  # git starts others; all of them are ended together
            )
        except FileNotFoundError as error:
            raise SourceUnavailable(
                "The program git is not installed.", hint="Install git, and for ssh addresses openssh-client."
            ) from error
        except OSError as error:
            raise SourceUnavailable(f"git cannot be started: {error.strerror}.", hint="Try again later.") from error
        with self._lock:
            self._running.add(process)
        if self._closed:
            _kill(process)
        return Running(
            process=process,
            stdin=cast("BufferedWriter", process.stdin),
            stdout=cast("BufferedReader", process.stdout),
            stderr=cast("BufferedReader | None", process.stderr),
        )

    def _end(self, running: Running) -> None:
        _kill(running.process)
        for pipe in (running.stdin, running.stdout, running.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        running.process.wait()
        with self._lock:
            self._running.discard(running.process)

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], *, limit_s: float, most_bytes: int | None = None
    ) -> Answer:
        running = self._start(command, environment, limited=most_bytes is not None)
        process, late = running.process, threading.Event()
        if most_bytes is not None:
            # Inherited by what git starts for the transfer: a pack that grows beyond it is given up.
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        def give_up() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(limit_s, give_up)
        timer.daemon = True
        timer.start()
        tail = _Tail(running)
        try:
            running.stdin.close()
            out = running.stdout.read()
            err = tail.text()
            code = process.wait()
        finally:
            timer.cancel()
            self._end(running)
        if late.is_set():
            raise SourceUnavailable(
                f"git did not end within {limit_s:g} s.",
                place=self._config.url,
                hint="It is tried again at the next run; look whether the server is slow or the repository very large.",
            )
        if self._closed:
            raise SourceUnavailable("The source was closed while git worked.", hint="The next run carries on.")
        return Answer(code=code, out=out, err=err)


class _Tail:
    """Empties a process's stderr beside its stdout and keeps the end: a server may say as much as it likes."""

    def __init__(self, running: Running) -> None:
        self._kept = b""
        self._stream = running.stderr
        self._thread = threading.Thread(target=self._read, name="git-stderr", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._stream is not None and (block := self._stream.read1(_STDERR_KEPT)):
                self._kept = (self._kept + block)[-_STDERR_KEPT:]

    def text(self) -> str:
        self._thread.join()
        return self._kept.decode("utf-8", "replace")


# -- helpers ---------------------------------------------------------------------------------------


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _quoted(value: str) -> str:
    """A value of git's configuration format."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
