"""``ingestor support-bundle``: what others have to know to help, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestor.cli.output import clean, emit_line
from ingestor.cli.session import context_of, reading

if TYPE_CHECKING:
    from connectors.examining import Finding
    from ingestor.cli.backend import Reading
    from ingestor.context import Context
    from ingestor.service.redaction import Redactor
    from ingestor.service.support import Part
    from ingestor.wire import Wire

_RUNS = 500


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write (a compressed tar).")],
    names: Annotated[
        bool, typer.Option("--names", help="Leave names of sources, paths and documents readable.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE where it exists.")] = False,
) -> None:
    """Collect what helps to find out what is wrong, for somebody who cannot look at this machine.

    Versions, configuration, status, doctor, health, metrics, the last runs, what is set aside and why, what sources
    cost, sizes and schemas. No text of documents, no secrets; names are hashed, and of messages only the words that are
    the program's own are left. The names of the sources are printed beside their hashes, for you alone. Look into the
    archive before you give it away: it is JSON.

    Examples:
      ingestor support-bundle support.tar.gz
      ingestor support-bundle --names support.tar.gz
    """
    import connectors
    import ingestor
    from ingestor.service.redaction import Redactor, words_of
    from ingestor.service.support import write

    packages = [Path(str(package.__path__[0])) for package in (ingestor, connectors)]
    context, ledger = context_of(ctx), reading(ctx)
    sources = _sources(ledger)
    redactor = Redactor(words_of(packages), sources, keep=names)
    write(file, _parts(context, ledger, redactor), redactor, named=names, overwrite=force)
    emit_line(f"{clean(str(file))}: {file.stat().st_size / 1024:,.0f} KiB")
    if not names:
        for name in sources:
            emit_line(f"{redactor.name(name)} is {clean(name)}")


def _parts(context: Context, ledger: Reading, redactor: Redactor) -> dict[str, Part]:
    from ingestor.cli.doctor_checks import examine
    from ingestor.service.support import Part, configuration, machine, state_folder
    from ingestor.web.client import health, metrics

    def said(reply: Wire) -> Any:
        return reply.model_dump(mode="json")

    return {
        "machine.json": Part(collect=machine, plain=True),
        "configuration.json": Part(collect=lambda: configuration(context.config, redactor), plain=True),
        "status.json": Part(collect=lambda: said(ledger.status())),
        "health.json": Part(collect=lambda: said(health(context.state))),
        "metrics.txt": Part(collect=lambda: metrics(context.state)),
        "doctor.json": Part(collect=lambda: [_checked(check) for check in examine(context)]),
        "runs.json": Part(collect=lambda: said(ledger.runs(_RUNS, None))),
        "quarantine.json": Part(collect=lambda: said(ledger.quarantine(None))),
        "models.json": Part(collect=lambda: said(ledger.models())),
        "cost.json": Part(collect=lambda: said(ledger.cost(None))),
        "state.json": Part(collect=lambda: state_folder(ledger.facts(), redactor), plain=True),
    }


def _checked(check: Finding) -> dict[str, str]:
    return {"check": check.name, "level": check.level.value, "message": check.message, "hint": check.hint}


def _sources(ledger: Reading) -> list[str]:
    from ingestor.errors import IngestorError

    try:
        return [source.name for source in ledger.source_list().sources]
    except IngestorError:
        return []
