"""What the processes of one command did, as ``trace/sitecustomize.py`` recorded it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_HOOK = Path(__file__).parent / "trace"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One process. ``talks`` are (call, address); Unix sockets are named by their path."""

    argv: tuple[str, ...]
    modules: frozenset[str]
    starts: tuple[str, ...]
    talks: tuple[tuple[str, object], ...]

    @property
    def is_main(self) -> bool:
        """Whether it is the command itself and none of its children."""
        return any(part.endswith("/ingestor") for part in self.argv[:2])

    @property
    def outward(self) -> tuple[tuple[str, object], ...]:
        """What leaves the machine, or would."""
        return tuple(talk for talk in self.talks if not _local(talk[1]))

    def has(self, *packages: str) -> set[str]:
        """Those of ``packages`` that were imported."""
        return {package for package in packages if package in self.modules}


def environment(folder: Path) -> dict[str, str]:
    """Variables that make the program's processes write their traces into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"PYTHONPATH": str(_HOOK), "INGESTOR_TEST_TRACE": str(folder)}


def traces(folder: Path) -> list[Trace]:
    """Every process that wrote into ``folder``."""
    return [_trace(path) for path in sorted(folder.glob("*.jsonl"))]


def main_trace(folder: Path) -> Trace:
    """The one command that was run."""
    (trace,) = [trace for trace in traces(folder) if trace.is_main]
    return trace


def _trace(path: Path) -> Trace:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    modules = next((what for kind, what in lines if kind == "modules"), [])
    return Trace(
        argv=tuple(next(what for kind, what in lines if kind == "argv")),
        modules=frozenset(modules),
        starts=tuple(str(what) for kind, what in lines if kind == "start"),
        talks=tuple((what[0], what[1]) for kind, what in lines if kind == "talk"),
    )


def _local(address: object) -> bool:
    if isinstance(address, str):  # a Unix socket's path, or a name that is looked up
        return address.startswith(("/", "127.", "\0")) or address in {"", "localhost", "::1"}
    if isinstance(address, list) and address:
        return str(address[0]).startswith("127.") or address[0] in {"::1", "localhost"}
    return address is None
