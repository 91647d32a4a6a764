"""Word and PowerPoint of before 2007: LibreOffice makes the current format of them, its adapter reads that.

Each document gets a profile of its own that goes afterwards: no macro runs, no link is followed, and nothing is
left for the next. The program stays in the worker's process group, so that it ends with it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import sandbox
from ingestor.parsing.archive import open_archive
from ingestor.parsing.formats import Format
from ingestor.parsing.unstructured_adapter import parse_pptx
from ingestor.parsing.word import parse_docx

_COMMON = "/org.openoffice.Office.Common"
_EMBEDDED = ("WinWordToWriter", "PowerPointToImpress", "ExcelToCalc", "VisioToDraw")
# (path, name, value): what a document may do while it is opened.
_SETTINGS = (
    (f"{_COMMON}/Security/Scripting", "DisableMacrosExecution", "true"),
    (f"{_COMMON}/Security/Scripting", "MacroSecurityLevel", "3"),
    (f"{_COMMON}/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    (f"{_COMMON}/Security/Scripting", "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "1"),
    # What is embedded is shown as its picture; converted, it is not read either, and takes most of the time and memory.
    *((f"{_COMMON}/Filter/Microsoft/Import", name, "false") for name in _EMBEDDED),
)
_ITEM = '<item oor:path="{}"><prop oor:name="{}" oor:op="fuse"><value>{}</value></prop></item>'
_PROFILE = (
    '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
    + "".join(_ITEM.format(*setting) for setting in _SETTINGS)
    + "</oor:items>"
)


def parse_doc(request: ParseRequest) -> Document:
    """As ``parse_docx``. Raises ``ParseFailure`` (unsupported) where there is no LibreOffice."""
    content = _converted(request.content, Format.DOC, Format.DOCX)
    return replace(parse_docx(replace(request, content=content)), kind=Format.DOC.value)


def parse_ppt(request: ParseRequest) -> Document:
    """As ``parse_pptx``, under the same condition."""
    content = _converted(request.content, Format.PPT, Format.PPTX)
    return replace(parse_pptx(replace(request, content=content)), kind=Format.PPT.value)


def _converted(content: bytes, source: Format, target: Format) -> bytes:
    """The file in ``target``. The time limit is that of the worker."""
    with tempfile.TemporaryDirectory(prefix="soffice-") as folder:
        place = Path(folder)
        user = place / "profile" / "user"
        user.mkdir(parents=True)
        (user / "registrymodifications.xcu").write_text(_PROFILE)
        given = place / f"document.{source.value}"
        given.write_bytes(content)
        command = [
            *("soffice", f"-env:UserInstallation={(place / 'profile').as_uri()}", "--headless", "--norestore"),
            *("--nologo", "--nodefault", "--nolockcheck", "--convert-to", target.value, "--outdir", folder, str(given)),
        ]
        environment = {"HOME": folder, "TMPDIR": folder, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        spent = sandbox.spent_by_children()
        try:
            subprocess.run(
                command,
                check=False,  # it says 0 whatever happens; the file tells
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=folder,
            )
        except FileNotFoundError as error:
            raise ParseFailure(
                ParseReason.UNSUPPORTED,
                f"LibreOffice is missing on this machine, and a {source.value} file needs it.",
                hint=f"Install LibreOffice (soffice), or save the file as {target.value}.",
            ) from error
        made = given.with_suffix(f".{target.value}")
        if not made.exists():
            sandbox.require_processor(since=spent)
            raise ParseFailure(
                ParseReason.CORRUPT,
                f"The {source.value} file is damaged: LibreOffice cannot read it.",
                hint="Restore or export the file again.",
            )
        result = made.read_bytes()
    open_archive(result, target.value).close()  # checked for expansion, as one that came from outside
    return result
