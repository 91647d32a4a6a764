"""Checks that the settings of every kind of source share. Each notes what is wrong as a sentence in ``problems``
and returns something harmless, so that a person gets every problem at once."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

MIB = 1024 * 1024
DEFAULT_MAX_SIZE = 100 * MIB

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_PRINCIPAL = re.compile(r"public|(?:user|group):[^\s,:][^,:\n]*")


class SettingsError(ValueError):
    """What is wrong with a source's settings: ``problems`` are whole sentences without their source."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f'source "{name}": ' + "; ".join(problems))


def problems_of(
    parse: Callable[[str, Mapping[str, object]], object], name: str, settings: Mapping[str, object]
) -> list[str]:
    """What ``parse`` finds wrong, in words; empty when the settings will do."""
    try:
        parse(name, settings)
    except SettingsError as error:
        return list(error.problems)
    return []


def address(settings: Mapping[str, object]) -> str:
    """The key ``url``, which holds no secret; empty where there is none."""
    url = settings.get("url")
    return url if isinstance(url, str) else ""


def digest(*facts: object) -> str:
    """Of what a listing depends on beside the content: a cursor that was made with others says nothing."""
    return hashlib.blake2b(repr(facts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def unknown(settings: Mapping[str, object], keys: Sequence[str], problems: list[str]) -> None:
    """Keys that the kind does not have."""
    for key in settings:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            problems.append(f"{key} is not a known key" + (f'; did you mean "{near[0]}"?' if near else ""))


def globs(key: str, value: object, problems: list[str]) -> tuple[str, ...]:
    """Gitignore lines."""
    from connectors.patterns import compile_line

    if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
        problems.append(f'{key} must be a list of patterns, like ["**/*.md"]')
        return ()
    bad = [line for line in value if compile_line(line) is None]
    problems.extend(f"{key} has a pattern that cannot match anything: {line!r}" for line in bad)
    return tuple(value)


def flag(key: str, value: object, problems: list[str]) -> bool:
    if not isinstance(value, bool):
        problems.append(f"{key} must be true or false")
        return False
    return value


def text(key: str, settings: Mapping[str, object], problems: list[str]) -> str:
    """One line without quotation marks; empty where the key is not given."""
    value = settings.get(key, "")
    if not isinstance(value, str) or "\0" in value or "\n" in value or '"' in value:
        problems.append(f"{key} must be a text")
        return ""
    return value


def size(key: str, value: object, problems: list[str]) -> int:
    """Bytes of a number or of a text like "20 MB" (thousands) or "20 MiB" (1,024)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number, unit, binary = match.groups()
        found = int(float(number) * (1024 if binary else 1000) ** _POWER[unit.upper()])
        if found > 0:
            return found
    problems.append(f'{key} must be a number of bytes or a size like "20 MB", not {value!r}')
    return 0


def rate(value: object, problems: list[str]) -> float:
    """Requests a second."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.01 <= value <= 1000:
        return float(value)
    problems.append("rate must be a number of requests a second, from 0.01 to 1000")
    return 1.0


def principals(value: object, problems: list[str], *, otherwise: str = "") -> tuple[str, ...]:
    """Who may read. ``otherwise`` names, for the sentence, what else the kind takes in place of a list."""
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        bad = [one for one in value if not _PRINCIPAL.fullmatch(one)]
        problems.extend(f"permissions: {one!r} is not public, user:NAME or group:NAME" for one in bad)
        return tuple(value)
    problems.append(f'permissions must be {otherwise}a list like ["group:staff"]')
    return ()
