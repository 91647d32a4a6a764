"""A kind of source for tests: a folder that opens to a secret only, as wikis do. Put into the box as a third party's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors import files
from connectors.base import ItemId, Source

SECRET = "open sesame"


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    return files.check(name, _rest(settings))


def make(name: str, settings: Mapping[str, object], *more: Any) -> Source:
    try:
        given = Path(os.environ["CREDENTIALS_DIRECTORY"], str(settings["token_credential"])).read_text()
    except (OSError, KeyError) as error:
        raise ValueError(f"the credential {settings['token_credential']} cannot be read: {error}") from error
    if given != SECRET:
        raise ValueError("the secret is another one")
    return files.make(name, _rest(settings), *more)


def place(settings: Mapping[str, object]) -> str:
    return files.place(_rest(settings))


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    return files.item_at(_rest(settings), where)


def _rest(settings: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in settings.items() if key != "token_credential"}
