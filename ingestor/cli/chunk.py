"""``ingestor chunk FILE``: where a file is cut into passages, and why."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.output import clean, console, emit_json
from ingestor.cli.session import context_of

if TYPE_CHECKING:
    from rich.console import Console

    from ingestor.config import Config
    from ingestor.config_sections import Chunking
    from ingestor.model import Document, Passage

_FEW, _MANY = 1 / 3, 2  # in targets: shorter and longer passages stand out


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to cut; nothing of it is kept.")],
    target: Annotated[
        int | None, typer.Option("--target", metavar="N", help="Another length than the configuration's.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Another limit than the configuration's.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Cut as documents of this source are.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a passage and line.")] = False,
) -> None:
    """Show where a file is cut into passages, how long they are, and why each ends where it does.

    The file is parsed and cut as in a source, by the lengths of the configuration unless others are given.
    Sizes are in about characters of English.

    Examples:
      ingestor chunk handbook.md
      ingestor chunk --target 400 --json report.pdf
    """
    from ingestor import wire_reading
    from ingestor.errors import UserError
    from ingestor.wiring_config import cutter_of

    config = context_of(ctx).config
    chunking = _chunking(config, source)
    lengths = {"target": target or chunking.target, "limit": limit or chunking.limit}
    try:
        cutter = cutter_of(chunking.model_copy(update=lengths))
    except ValueError as error:
        raise UserError(str(error)) from error
    passages = cutter.cut(_parsed(file, config))
    if not json:
        _show(console(), passages, lengths["target"])
        return
    for passage in passages:
        emit_json(
            wire_reading.PassageReply(
                start=passage.start,
                end=passage.end,
                text=passage.text,
                tokens=passage.length,
                section=passage.section,
                reason=passage.reason,
            )
        )


def _chunking(config: Config, source: str | None) -> Chunking:
    from ingestor.errors import UserError

    if source is None:
        return config.chunking
    for one in config.sources:
        if one.name == source:
            return config.chunking_of(one)
    raise UserError(
        f"The configuration has no source {source!r}.",
        hint="Registered sources are cut by [chunking]: leave out --source.",
    )


def _parsed(file: Path, config: Config) -> Document:
    from ingestor.errors import ParseFailure, UserError
    from ingestor.model import ParseRequest
    from ingestor.parsing.limits import Limits
    from ingestor.parsing.pool import ParserPool

    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    seconds = config.parsing.timeout_s
    with TemporaryDirectory(prefix="ingestor-chunk-") as scratch:
        pool = ParserPool(workers=1, limits=Limits(seconds=seconds, processor=seconds), scratch=Path(scratch))
        try:
            return pool.submit(ParseRequest(name=file.name, content=content)).result()
        except ParseFailure as failure:
            raise UserError(f"{file} cannot be cut: {failure}") from failure
        finally:
            pool.close()


def _show(out: Console, passages: tuple[Passage, ...], target: int) -> None:
    from rich.text import Text

    for number, passage in enumerate(passages, 1):
        odd = not _FEW * target <= passage.length <= _MANY * target
        out.print(
            Text.assemble(
                (f"{number} ", "bold"),
                (f"{passage.length}", "bold yellow" if odd else "bold green"),
                f" until {passage.reason}",
                (f"  {clean(' > '.join(passage.section))}" if passage.section else "", "dim"),
            )
        )
        out.print(Text(clean(passage.text), style="cyan" if number % 2 else "magenta"), soft_wrap=True)
        out.print()
    lengths = [passage.length for passage in passages]
    if not lengths:
        out.print("Nothing to cut: the file holds no text.")
        return
    mean = sum(lengths) / len(lengths)
    out.print(f"{len(lengths):,} passages of {min(lengths):,} to {max(lengths):,}, {mean:,.0f} on the average")
