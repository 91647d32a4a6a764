"""The configuration: ``ingestor.toml`` checked whole, so that every problem is listed at once.

Pydantic stands at this edge; what leaves it is a frozen tree. Keys of a ``[[source]]`` table other than
name, kind, schedule, cron, quiet, chunking, scope and webhook_secret_* belong to the connector of that kind, which
checks them itself.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from connectors.secrets import Secret, secret
from ingestor.config_sections import (
    Answers,
    Chunking,
    Embedding,
    Health,
    Http,
    Index,
    Log,
    Maintenance,
    Parsing,
    QuietHours,
    Retention,
    Schedule,
    Search,
    Section,
    SourceChunking,
)
from ingestor.errors import ConfigError
from ingestor.model import SCOPE, SCOPE_FORM
from ingestor.timing import parse_cron, parse_duration

FILE_NAME = "ingestor.toml"
DEFAULT_INTERVAL_S = 300.0

_SECRET = re.compile(r"password|passwd|token|secret|api_?key", re.IGNORECASE)

SourceCheck = Callable[[str, str, Mapping[str, object]], Sequence[str]]
"""``(kind, name, settings)`` to problems: what ``connectors.registry.check`` is."""


def _interval(value: object) -> object:
    return parse_duration(value)


class Source(BaseModel):
    """One ``[[source]]`` table. Without ``cron`` the source is listed every ``interval_s`` seconds."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^\w(?:[\w .-]{0,62}[\w.-])?$")]
    kind: Annotated[str, StringConstraints(min_length=1)]
    interval_s: Annotated[float, BeforeValidator(_interval), Field(alias="schedule")] = DEFAULT_INTERVAL_S
    cron: Annotated[str, BeforeValidator(parse_cron)] | None = None
    quiet: QuietHours | None = None
    chunking: SourceChunking = SourceChunking()
    scope: Annotated[str, StringConstraints(pattern=SCOPE)] = ""
    webhook_secret_file: str = ""
    webhook_secret_env: str = ""
    webhook_secret_credential: str = ""

    @property
    def webhook_secret(self) -> Secret:
        """Where the secret stands that calls of the source's webhook prove; empty: it takes none."""
        return secret("webhook_secret", self.model_dump(), [])

    @property
    def settings(self) -> Mapping[str, object]:
        """The keys of the connector, as they stand in the file, paths made absolute."""
        return self.model_extra or {}


_HOOK_KEYS = ("webhook_secret_file", "webhook_secret_env", "webhook_secret_credential")

_SECTIONS: Mapping[str, type[Section]] = {
    "embedding": Embedding,
    "index": Index,
    "search": Search,
    "retention": Retention,
    "answers": Answers,
    "parsing": Parsing,
    "chunking": Chunking,
    "log": Log,
    "health": Health,
    "schedule": Schedule,
    "maintenance": Maintenance,
    "http": Http,
}
_LIVELY = frozenset({"log", "schedule", "maintenance"})  # a running service takes these on


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The effective configuration. ``file`` is where it came from, ``explicit`` the dotted keys that the
    file sets; everything else is a default."""

    embedding: Embedding = field(default_factory=Embedding)
    index: Index = field(default_factory=Index)
    search: Search = field(default_factory=Search)
    retention: Retention = field(default_factory=Retention)
    answers: Answers = field(default_factory=Answers)
    parsing: Parsing = field(default_factory=Parsing)
    chunking: Chunking = field(default_factory=Chunking)
    log: Log = field(default_factory=Log)
    health: Health = field(default_factory=Health)
    schedule: Schedule = field(default_factory=Schedule)
    maintenance: Maintenance = field(default_factory=Maintenance)
    http: Http = field(default_factory=Http)
    sources: tuple[Source, ...] = ()
    file: Path | None = None
    explicit: frozenset[str] = frozenset()

    def sections(self) -> dict[str, dict[str, object]]:
        """Every value in force outside of the sources, by section and key."""
        return {section: getattr(self, section).model_dump() for section in _SECTIONS}

    def chunking_of(self, source: Source) -> Chunking:
        """How its documents are cut: by its own keys, else by those of all."""
        return self.chunking.model_copy(update=source.chunking.model_dump(exclude_none=True))

    def lasting(self, other: Config) -> list[str]:
        """The keys that ``other`` sets otherwise and that a running service does not change, how a source is cut among
        them."""
        changed = [
            f"{section}.{key}"
            for section, values in self.sections().items()
            if section not in _LIVELY
            for key, value in values.items()
            if other.sections()[section][key] != value
        ]
        before = {source.name: source.chunking for source in self.sources}
        return changed + [
            f"source.{source.name}.chunking"
            for source in other.sources
            if source.chunking != before.get(source.name, SourceChunking())
        ]

    def shown(self) -> list[tuple[str, object, str]]:
        """(key, value, where it comes from) of everything, secrets masked, in the order of the file."""
        rows: list[tuple[str, object, str]] = []
        for section, values in self.sections().items():
            for key, value in values.items():
                name = f"{section}.{key}"
                rows.append((name, value, str(self.file) if name in self.explicit else "default"))
        for source in self.sources:
            prefix = f"source.{source.name}"
            timing = ("cron", source.cron) if source.cron else ("schedule", f"{source.interval_s:g}s")
            by = str(self.file) if f"{prefix}.{timing[0]}" in self.explicit else "default"
            rows += [(f"{prefix}.kind", source.kind, str(self.file)), (f"{prefix}.{timing[0]}", timing[1], by)]
            if source.quiet is not None:
                rows.append((f"{prefix}.quiet", source.quiet, str(self.file)))
            if source.scope:
                rows.append((f"{prefix}.scope", source.scope, str(self.file)))
            own = source.chunking.model_dump(exclude_none=True)
            rows += [(f"{prefix}.chunking.{key}", value, str(self.file)) for key, value in own.items()]
            secrets = {key: value for key in _HOOK_KEYS if (value := getattr(source, key))}
            settings = secrets | dict(source.settings)
            rows += [(f"{prefix}.{key}", _masked(key, value), str(self.file)) for key, value in settings.items()]
        return rows


def find(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file by CONTRACTS, or None where there is none. A file that was named, by flag
    or environment, is taken even if it is not there: that is an error, not a reason to look further."""
    env = os.environ if environ is None else environ
    named = explicit or (Path(env["INGESTOR_CONFIG"]) if env.get("INGESTOR_CONFIG") else None)
    if named is not None:
        return named.expanduser().absolute()
    xdg = env.get("XDG_CONFIG_HOME", "")
    home = Path(xdg) if xdg.startswith("/") else Path(env.get("HOME", "/nonexistent")) / ".config"
    places = (Path.cwd() / FILE_NAME, home / "ingestor" / FILE_NAME, Path("/etc/ingestor") / FILE_NAME)
    return next((place for place in places if place.is_file()), None)


def load(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The effective configuration. Raises ``ConfigError`` with every problem of the file."""
    path = find(explicit, environ)
    if path is None:
        return Config()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"the file cannot be read: {error.strerror}"], where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(["the file is not UTF-8 text"], where=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not valid TOML: {error}"], where=str(path)) from error
    return build(data, file=path)


def build(data: Mapping[str, Any], *, file: Path, check: SourceCheck | None = None) -> Config:
    """Check the parsed file and make the tree. ``check`` is the connectors' own check of their keys."""
    problems = [_unknown(key, [*_SECTIONS, "source"]) for key in data if key not in _SECTIONS and key != "source"]
    explicit: set[str] = set()
    sections: dict[str, Any] = {}
    for name, model in _SECTIONS.items():
        table = data.get(name, {})
        if not isinstance(table, dict):
            problems.append(f"[{name}] must be a table")
            continue
        try:
            sections[name] = model.model_validate(table)
        except ValidationError as error:
            problems += _sentences(error, f"[{name}]", list(model.model_fields))
        explicit |= {f"{name}.{key}" for key in table}
    sources, source_problems = _sources(data.get("source", []), file.parent, check or _registry_check)
    problems += source_problems
    explicit |= {f"source.{s.name}.{key}" for s, table in sources for key in table}
    chunking = sections.get("chunking")
    if chunking is not None:
        made = Config(chunking=chunking)
        lengths = {"[chunking]": chunking} | {
            f'source "{s.name}" chunking:': made.chunking_of(s) for s, _ in sources if s.chunking != SourceChunking()
        }
        problems += [
            f"{where} target ({one.target}) must be smaller than limit ({one.limit})"
            for where, one in lengths.items()
            if one.target >= one.limit
        ]
    http = sections.get("http")
    if http is not None and ip_address(http.address).is_unspecified and not http.hosts:
        problems.append(f"[http] hosts is empty; name what {http.address} is reached by, like docs.example.org")
    if problems:
        raise ConfigError(problems, where=str(file))
    return Config(**sections, sources=tuple(s for s, _ in sources), file=file, explicit=frozenset(explicit))


def _sources(
    tables: object, folder: Path, check: SourceCheck
) -> tuple[list[tuple[Source, Mapping[str, Any]]], list[str]]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        return [], ["source must be written as [[source]] tables"]
    problems: list[str] = []
    sources: list[tuple[Source, Mapping[str, Any]]] = []
    for number, table in enumerate(tables, start=1):
        given = table.get("name")
        label = f'source "{given}"' if isinstance(given, str) and given else f"source number {number}"
        try:
            source = Source.model_validate({key: _absolute(key, value, folder) for key, value in table.items()})
        except ValidationError as error:
            problems += _sentences(error, label, ["name", "kind", "schedule", "cron", "quiet", "chunking", "scope"])
            continue
        if "schedule" in table and "cron" in table:
            problems.append(f"{label}: schedule and cron exclude each other; keep one")
        found = list(check(source.kind, source.name, source.settings))
        secret("webhook_secret", source.model_dump(), found)
        problems += [f"{label}: {problem}" for problem in found]
        sources.append((source, table))
    problems += _clashes([source for source, _ in sources])
    return sources, problems


def _clashes(sources: Sequence[Source]) -> Iterable[str]:
    """Names given twice, and folders that lie in one another (a file would belong to both)."""
    seen: set[str] = set()
    for source in sources:
        if source.name in seen:
            yield f'source "{source.name}": another source has this name'
        seen.add(source.name)
    folders = [
        (os.path.realpath(path), source.name)
        for source in sources
        if source.kind == "files" and isinstance(path := source.settings.get("path"), str)
    ]
    for index, (folder, name) in enumerate(folders):
        for other_folder, other in folders[index + 1 :]:
            if folder == other_folder:
                yield f'source "{other}": its folder is also that of source "{name}"'
            elif _inside(folder, other_folder):
                yield f'source "{name}": its folder lies inside that of source "{other}"; keep one of them'
            elif _inside(other_folder, folder):
                yield f'source "{other}": its folder lies inside that of source "{name}"; keep one of them'


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith(outer.rstrip("/") + "/")


def _absolute(key: str, value: Any, folder: Path) -> Any:
    """Paths of a configuration are relative to its file, not to where the command happens to run."""
    if isinstance(value, str) and value and (key == "path" or key.endswith("_file")):
        return os.path.normpath(folder / Path(value).expanduser())
    return value


def _registry_check(kind: str, name: str, settings: Mapping[str, object]) -> Sequence[str]:
    from connectors import registry

    return registry.check(kind, name, settings)


def _sentences(error: ValidationError, where: str, keys: Sequence[str]) -> list[str]:
    """Pydantic's findings in our words, one each."""
    sentences = []
    for finding in error.errors(include_url=False):
        place = [part for part in finding["loc"] if isinstance(part, str)]
        key = place[0] if place else ""
        if finding["type"] == "extra_forbidden":
            sentences.append(f"{where} {_unknown(key, keys)}")
        elif finding["type"] == "missing":
            sentences.append(f"{where} {key} is missing")
        else:
            message = finding["msg"].removeprefix("Value error, ")
            if finding["type"] == "string_pattern_mismatch":
                message = f"{finding['input']!r} is not allowed here ({_PATTERNS.get(key, 'its form is wrong')})"
            sentences.append(f"{where} {key}: {message[:1].lower()}{message[1:]}")
    return sentences


_PATTERNS = {
    "name": "letters, digits, space, dot, dash and underscore, at most 64",
    "ocr_languages": "empty, or as tesseract writes them, like eng+deu",
    "url": "empty, or http://HOST:PORT without a user name",
    "hosts": "a name without a port",
    "collection": "letters, digits, dot, dash and underscore",
    "scope": SCOPE_FORM,
}


def _unknown(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"{key} is not a known key" + (f'; did you mean "{near[0]}"?' if near else "")


def _masked(key: str, value: object) -> object:
    """A value as ``config show`` prints it. The name of a file that holds a secret is no secret."""
    if _SECRET.search(key) and not key.endswith("_file"):
        return "(hidden)"
    return re.sub(r"://[^/@\s]+@", "://(hidden)@", value) if isinstance(value, str) else value
