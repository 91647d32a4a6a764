"""The connection check of a source as a person reads it: the item that was read is parsed, and no secret is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from connectors.base import Fetched
from connectors.examining import Finding, Level
from connectors.secrets import values_of
from ingestor.errors import ParseFailure
from ingestor.model import ParseRequest


def told(
    found: Iterable[Finding | Fetched], settings: Mapping[str, object], *, seconds: float, scratch: Path
) -> Iterator[Finding]:
    """``found`` without what the secrets are that ``settings`` name, whoever repeated them. ``seconds`` is how long the
    parser has, ``scratch`` a folder for it."""
    secrets = values_of(settings)
    for one in found:
        finding = one if isinstance(one, Finding) else _parsed(one, seconds, scratch / "parser")
        yield replace(finding, message=_without(finding.message, secrets), hint=_without(finding.hint, secrets))


def _parsed(fetched: Fetched, seconds: float, scratch: Path) -> Finding:
    from ingestor.parsing.limits import Limits
    from ingestor.parsing.pool import ParserPool

    pool = ParserPool(workers=1, limits=Limits(seconds=seconds, processor=seconds), scratch=scratch)
    request = ParseRequest(name=fetched.ref.name, content=fetched.content, media_type=fetched.ref.media_type)
    try:
        document = pool.submit(request).result()
    except ParseFailure as failure:
        return Finding(name="parsing", level=Level.WARN, message=str(failure), hint=failure.hint)
    finally:
        pool.close()
    headings = sum(element.level is not None for element in document.elements)
    size = f"{len(document.text):,} characters, {len(document.elements):,} elements, {headings:,} headings"
    return Finding(name="parsing", message=f"{document.kind}: {size}")


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "(hidden)")
    return text
