"""What a configuration asks of the sources, and what has to change for it: at a start, and while the service runs.

The comparison is pure and complete: either all of a configuration can be had, or every problem is named and nothing
was done. Its effects on the ledger are the same at a start and at a reload; a service looks after the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.base import Source
from connectors.secrets import Secret
from ingestor import log
from ingestor.errors import ConfigError, IngestorError, UserError
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.service.folders import FILES, registered
from ingestor.service.jobs import Plan
from ingestor.service.schedule import Timing

_log = log.get()


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """``rows`` are the sources of the configuration ``where``; ``otherwise`` is the timing of those that have no table
    there; ``hooks`` say where the secrets of webhooks stand, by source. ``adopt`` takes on what else can be had at
    once; ``restart`` names the keys whose new values only a restart brings."""

    rows: Sequence[SourceRow] = ()
    timings: Mapping[str, Timing] = field(default_factory=dict)
    otherwise: Timing = field(default_factory=Timing)
    hooks: Mapping[str, Secret] = field(default_factory=dict)
    maintenance: Plan = field(default_factory=Plan)
    where: str = ""
    adopt: Callable[[], None] = lambda: None
    restart: tuple[str, ...] = ()

    def timing(self, source: str) -> Timing:
        return self.timings.get(source, self.otherwise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alteration:
    """What is not as it is wanted, in the rows that are wanted. ``left`` are configured sources that the configuration
    no longer has: they stay, as registered ones."""

    added: tuple[SourceRow, ...] = ()
    changed: tuple[SourceRow, ...] = ()
    left: tuple[SourceRow, ...] = ()


def compare(known: Sequence[SourceRow], wanted: Wanted) -> Alteration:
    """Pure, but for resolving links. Raises ``ConfigError`` with every problem that ``known`` makes of ``wanted``."""
    names, there = {row.name for row in wanted.rows}, {row.name: row for row in known}
    others = [row for row in known if row.name not in names and row.origin == "registered"]
    problems: list[str] = []
    added: list[SourceRow] = []
    changed: list[SourceRow] = []
    for row in wanted.rows:
        before = there.get(row.name)
        if before is None:
            added.append(row)
        elif before.kind != row.kind:
            problems.append(
                f"source {row.name!r}: it is of kind {before.kind}, not {row.kind}; give the new one another name,"
                f" or run `ingestor source remove {row.name}` first"
            )
        elif (before.settings, before.origin, before.scope) != (row.settings, row.origin, row.scope):
            changed.append(row)
        problems += _overlap(row, others)
    if problems:
        raise ConfigError(problems, where=wanted.where)
    left = tuple(row for row in known if row.origin == "configured" and row.name not in names)
    return Alteration(added=tuple(added), changed=tuple(changed), left=left)


def make_all(rows: Sequence[SourceRow], make: Callable[[SourceRow], Source], where: str) -> None:
    """Whether every one of them can be had: a connector may refuse what no look at the file shows. Raises
    ``ConfigError`` with every refusal."""
    problems: list[str] = []
    for row in rows:
        try:
            make(row).close()
        except ConfigError as error:
            problems += [f"source {row.name!r}: {problem}" for problem in error.problems]
        except IngestorError as error:
            problems.append(f"source {row.name!r}: {error.message}")
    if problems:
        raise ConfigError(problems, where=where)


def record(ledger: Ledger, alteration: Alteration) -> None:
    """The sources stand in the ledger as they are wanted. One that left the configuration is kept as a registered
    source: documents are never dropped because a line of a file is missing."""
    for row in (*alteration.added, *alteration.changed):
        ledger.sources.put(row.name, row.kind, row.settings, row.origin, row.scope)
    for row in alteration.left:
        ledger.sources.put(row.name, row.kind, row.settings, "registered", row.scope)
        _log.warning("source_left_configuration", source=row.name, remedy=f"ingestor source remove {row.name}")


def _overlap(row: SourceRow, others: Sequence[SourceRow]) -> list[str]:
    """What is wrong with its folder beside those that commands registered."""
    path = row.settings.get("path")
    if row.kind != FILES or not isinstance(path, str):
        return []
    try:
        same = registered(others, path)
    except UserError as error:
        return [f"source {row.name!r}: {error.message}"]
    if same is None:
        return []
    return [f"source {row.name!r}: its folder is the source {same.name!r} already; name it so, or remove that"]
