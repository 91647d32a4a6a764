"""The sections of ``ingestor.toml`` with their keys, defaults and checks, each for itself. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from ingestor.timing import is_cron, parse_cron, parse_duration, parse_windows


def parse_address(value: object) -> str:
    """An IP address, as it stands."""
    try:
        return str(ip_address(value)) if isinstance(value, str) else ""
    except ValueError:
        raise ValueError(f"{value!r} is no IP address; write one like 127.0.0.1") from None


def _times(value: object) -> object:
    """A list of times of day, as it stands."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('write a list, like ["08:00-12:00", "13:00-17:30"]')
    parse_windows(value)
    return value


def _job(value: object) -> object:
    """Empty, a duration, or a cron expression, as it stands."""
    if not isinstance(value, str):
        raise ValueError('write "1d", a cron expression like "30 3 * * 0", or "" for never')  # noqa: TRY004 - likewise
    if value:
        parse_cron(value) if is_cron(value) else parse_duration(value)
    return value


def _folder(value: object) -> object:
    if isinstance(value, str) and value and not value.startswith("/"):
        raise ValueError(f"{value!r} does not begin with a slash")
    return value


QuietHours = Annotated[list[str], BeforeValidator(_times)]
Job = Annotated[str, BeforeValidator(_job)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Vectors = Literal["pooled", "whole"]


class Embedding(Section):
    """``vectors``: a passage has the mean of its sentences' vectors, or that of its text as a whole."""

    model: Annotated[str, StringConstraints(min_length=1)] = "builtin:all-MiniLM-L6-v2"
    vectors: Vectors = "pooled"


class Index(Section):
    url: Annotated[str, StringConstraints(pattern=r"^(https?://[^/\s@]+/?)?$")] = ""
    collection: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$", min_length=3, max_length=128)
    ] = "ingestor"


class Search(Section):
    """How hits are ranked. Empty ``rerank_model`` is none, else a folder with a CrossEncoder."""

    fusion: Literal["weighted", "rrf"] = "weighted"
    keyword_weight: Annotated[float, Field(ge=0, le=10, strict=False)] = 0.9
    unit_weight: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.65
    rerank_model: Annotated[str, BeforeValidator(_folder)] = ""
    rerank_top: Annotated[int, Field(ge=2, le=100)] = 20


class Retention(Section):
    days: Annotated[int, Field(ge=1)] = 30


class Answers(Section):
    """Whether answers to programs and assistants are kept, with their questions, and for how many days."""

    keep: bool = False
    questions: bool = False
    days: Annotated[int, Field(ge=1)] = 30


class Parsing(Section):
    """``workers`` 0 is as many as the machine has processors for. Empty ``ocr_languages`` are English and what else
    tesseract has here."""

    workers: Annotated[int, Field(ge=0, le=256)] = 0
    timeout_s: Annotated[float, Field(gt=0, strict=False)] = 60.0
    ocr: Literal["auto", "off"] = "auto"
    ocr_languages: Annotated[
        str, StringConstraints(pattern=r"^([A-Za-z]{3}(_[A-Za-z]+)*(\+[A-Za-z]{3}(_[A-Za-z]+)*)*)?$")
    ] = ""
    ocr_pages: Annotated[int, Field(ge=1, le=10_000)] = 100


Target = Annotated[int, Field(ge=100)]
Limit = Annotated[int, Field(ge=150)]
Strategy = Literal["semantic", "fixed"]


class Chunking(Section):
    """Lengths in the cutter's measure: about a character of English each."""

    target: Target = 750
    limit: Limit = 2400
    strategy: Strategy = "semantic"


class SourceChunking(Section):
    """What is left out is as in ``[chunking]``."""

    target: Target | None = None
    limit: Limit | None = None
    strategy: Strategy | None = None


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Health(Section):
    """``port`` of 127.0.0.1 for the health pages; 0 is none."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0


class Schedule(Section):
    """``quiet``: hours of the day in which nothing begins by schedule; a source may say otherwise."""

    quiet: QuietHours = Field(default_factory=list)


class Maintenance(Section):
    """How often each job is done, or when; empty is never. ``backup_folder`` empty is one in the state folder."""

    retention: Job = "6h"
    rebuild: Job = "6h"
    probe: Job = "1d"
    verify: Job = ""
    quarantine_retry: Job = ""
    backup: Job = ""
    backup_folder: Annotated[str, BeforeValidator(_folder)] = ""
    backup_keep: Annotated[int, Field(ge=1, le=1000)] = 7
    backup_before_upgrade: bool = True


class Http(Section):
    """``port`` 0 is none. ``hosts`` are names that a request may call the server by, besides its address (and
    ``localhost`` on the loopback interface). ``per_minute`` requests of each caller are answered."""

    address: Annotated[str, BeforeValidator(parse_address)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    hosts: list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$")]] = []
    per_minute: Annotated[int, Field(ge=1)] = 600
