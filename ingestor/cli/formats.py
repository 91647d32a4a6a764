"""``ingestor formats``: which kinds of files can be read here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestor.cli.output import emit_json, print_table
from ingestor.cli.session import Json

if TYPE_CHECKING:
    from ingestor.wire_reading import FormatReply


_PROGRAMS = frozenset({"pandoc", "soffice", "tesseract"})


def command(json: Json = False) -> None:
    """Show which formats can be read here, and what is missing for the rest.

    The type of a file is told by its content and its name together.

    Examples:
      ingestor formats
      ingestor formats --json
    """
    from ingestor import wire_reading
    from ingestor.parsing.formats import formats

    known = [
        wire_reading.FormatReply(
            format=fmt.format, extensions=fmt.extensions, works=fmt.works, missing=fmt.missing, partly=fmt.partly
        )
        for fmt in formats()
    ]
    if json:
        emit_json(wire_reading.FormatsReply(formats=tuple(known)))
        return
    print_table(("format", "read here", "files named"), [_row(fmt) for fmt in known])


def _row(fmt: FormatReply) -> tuple[str, ...]:
    said = "yes" if fmt.works else f"no: {_lacks(fmt.missing)}"
    if fmt.works and fmt.partly:
        said = f"yes; scanned pages: {_lacks(fmt.partly)}"
    return fmt.format, said, " ".join(fmt.extensions)


def _lacks(missing: str) -> str:
    """What has to be installed, programs of the system apart from Python packages; else the reason as it stands."""
    if " " in missing.replace(", ", ","):
        return missing
    programs = [name for name in missing.split(", ") if name in _PROGRAMS]
    packages = [name for name in missing.split(", ") if name not in _PROGRAMS]
    said = [f"the program {', '.join(programs)}"] if programs else []
    said += [f"the Python package {', '.join(packages)}"] if packages else []
    return f"needs {' and '.join(said)}"
