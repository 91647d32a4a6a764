"""What a configuration means to the parts: sources, turns, maintenance and cutters made of its sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingestor import log
from ingestor.errors import ConfigError
from ingestor.ledger.sources import SourceRow
from ingestor.model import SourceState
from ingestor.timing import is_cron, parse_duration, parse_windows

if TYPE_CHECKING:
    from ingestor.config import Config
    from ingestor.config import Source as ConfiguredSource
    from ingestor.config_sections import Chunking
    from ingestor.config_sections import Schedule as ScheduleSection
    from ingestor.context import Context
    from ingestor.ports import Cutter
    from ingestor.service.configured import Wanted
    from ingestor.service.jobs import Plan
    from ingestor.service.schedule import Timing


def cutter_of(chunking: Chunking) -> Cutter:
    """The cutter that a configuration asks for."""
    from ingestor.chunking import FixedCutter, SemanticCutter, Settings

    settings = Settings(target=chunking.target, limit=chunking.limit)
    return FixedCutter(settings) if chunking.strategy == "fixed" else SemanticCutter(settings)


def configured(config: Config) -> Sequence[SourceRow]:
    """Its sources as rows of the ledger."""
    return [
        SourceRow(
            name=source.name,
            kind=source.kind,
            settings=source.settings,
            origin="configured",
            state=SourceState.IDLE,
            note="",
            paused=False,
            next_run=None,
            scope=source.scope,
        )
        for source in config.sources
    ]


def wanted(config: Config) -> Wanted:
    """What the service is to do by it."""
    from ingestor.service.configured import Wanted
    from ingestor.service.schedule import Timing

    return Wanted(
        rows=configured(config),
        timings={source.name: _timing(source, config.schedule) for source in config.sources},
        otherwise=Timing(quiet=parse_windows(config.schedule.quiet)),
        hooks={source.name: source.webhook_secret for source in config.sources if source.webhook_secret},
        maintenance=_maintenance(config),
        where=str(config.file),
    )


def _timing(source: ConfiguredSource, schedule: ScheduleSection) -> Timing:
    from ingestor.service.schedule import Timing

    quiet = schedule.quiet if source.quiet is None else source.quiet
    return Timing(interval_s=source.interval_s, cron=source.cron, quiet=parse_windows(quiet))


def _maintenance(config: Config) -> Plan:
    from ingestor.service.jobs import Job, Plan
    from ingestor.service.schedule import Timing

    settings, timings, quiet = config.maintenance, {}, parse_windows(config.schedule.quiet)
    for job in Job:
        if text := getattr(settings, job):
            cron, seconds = (text, 0.0) if is_cron(text) else (None, parse_duration(text))
            timings[job] = Timing(interval_s=seconds, cron=cron, quiet=quiet)
    folder = Path(settings.backup_folder) if settings.backup_folder else None
    return Plan(timings=timings, backup_folder=folder, backup_keep=settings.backup_keep)


def reread(context: Context) -> Wanted:
    """The configuration as its file is now, compared with what the process began with."""
    from ingestor.config import load

    began, now = context.config, load(context.config_file)
    if now.file is None and began.file is not None:
        raise ConfigError(["the file is gone"], where=str(began.file))
    return replace(
        wanted(now),
        adopt=lambda: log.configure(level=now.log.level, form=now.log.format),
        restart=tuple(began.lasting(now)),
    )
