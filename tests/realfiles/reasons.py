"""Why a file has few of the words that another reader finds, looked at one by one."""

from __future__ import annotations

import re

from tests.realfiles.fetch import RealFile

# (pattern of the file's name, reason); the first that matches.
REASONS: tuple[tuple[str, str], ...] = ()


def reason_of(file: RealFile) -> str:
    return next((reason for pattern, reason in REASONS if re.search(pattern, file.name)), "not looked at yet")
