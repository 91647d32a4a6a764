"""What a document without a title of its own is called: its file's name, made readable. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_SURROGATES = re.compile("[\ud800-\udfff]")
_SEPARATED = re.compile(r"(?<=\w)-(?=[^\W\d_])|(?<=[^\W\d_])-(?=\w)")  # not within dates and numbers


def name_title(name: str) -> str:
    """The file name for people: no folder, no extension, words apart."""
    base = PurePosixPath(_SURROGATES.sub("\ufffd", name).replace("\\", "/")).name
    stem = PurePosixPath(base).stem or base
    words = stem.replace("_", " ")
    if " " not in words.strip():
        words = _SEPARATED.sub(" ", words)
    return " ".join(words.split()) or "untitled"
