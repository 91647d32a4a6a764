"""Word and PowerPoint files of before 2007, which no library writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "parsing"))

import known_office
import parsing_samples


def old_office(folder: Path) -> dict[str, bytes]:
    """Made by LibreOffice (``soffice``), which has to be here, out of ours; ``folder`` is to work in."""
    made = {}
    for name, content, old in (("a.docx", known_office.docx()[0], "doc"), ("b.pptx", parsing_samples.pptx(), "ppt")):
        (folder / name).write_bytes(content)
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        command = ["soffice", profile, "--headless", "--convert-to", old, "--outdir", str(folder), str(folder / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=240)
        made[f"old.{old}"] = (folder / name).with_suffix(f".{old}").read_bytes()
    return made
