"""The smallest connector that keeps the contract: notes in one JSON file. An example for authors of connectors.

The file holds ``{"place": "...", "notes": {"folder/name.md": {"key": "...", "at": 1.0, "text": "..."}}}``. It comes as
a package of its own would: the registry finds it by the entry point in the folder beside this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connectors.base import (
    Change,
    Checkpoint,
    Fetched,
    Grant,
    ItemId,
    ItemRef,
    Scope,
    Source,
    Upserted,
    Version,
    Watcher,
    within,
)
from connectors.errors import ItemVanished, SourceUnavailable
from connectors.paths import item_id, path_of
from connectors.settings import SettingsError, principals, unknown

KEYS = ("file", "permissions")


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    problems: list[str] = []
    unknown(settings, KEYS, problems)
    principals(settings.get("permissions", []), problems)
    if not isinstance(settings.get("file"), str):
        problems.append("file is missing: name the JSON file that holds the notes")
    return problems


def make(name: str, settings: Mapping[str, object], cache: Path) -> Source:
    if problems := check(name, settings):
        raise SettingsError(name, problems)
    return Notes(name, Path(str(settings["file"])), principals(settings.get("permissions", []), []))


def place(settings: Mapping[str, object]) -> str:
    return str(settings.get("file", ""))


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    return None  # a note has no address of its own


class Notes:
    """Reads the file anew for each question, so that what it says is of now."""

    def __init__(self, name: str, file: Path, readers: tuple[str, ...]) -> None:
        self._name = name
        self._file = file
        self._grant = Grant(place="file", principals=frozenset(readers))

    @property
    def name(self) -> str:
        return self._name

    def identity(self) -> str:
        return f"notes:{item_id(str(self._read()['place']).encode())}"

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        for path, note in self._notes().items():
            if within(path, scope):
                yield Upserted(ref=self._ref(path, note))
        yield Checkpoint(scope=scope, complete=True)  # the file was read whole, so what is not in it is not there

    def fetch(self, ref: ItemRef) -> Fetched:
        note = self._notes().get(ref.item_id)
        if note is None:
            raise ItemVanished("The note was gone when it was read.", place=ref.item_id)
        return Fetched(ref=self._ref(ref.item_id, note), content=note["text"].encode())

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        note = self._notes().get(item_id)
        return self._ref(item_id, note) if note is not None else None

    def explain(self, item_id: ItemId) -> str | None:
        return None if item_id in self._notes() else f'There is no note "{item_id}".'

    def watcher(self) -> Watcher | None:
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            # Never an empty listing: an unreadable file says nothing about its notes.
            raise SourceUnavailable(
                "The notes cannot be read.", place=str(self._file), hint="Check the file and its permissions."
            ) from error

    def _notes(self) -> dict[str, dict[str, Any]]:
        return {item_id(path.encode()): note for path, note in self._read()["notes"].items()}

    def _ref(self, item: str, note: Mapping[str, Any]) -> ItemRef:
        content, path = note["text"].encode(), path_of(item)
        digest = hashlib.sha256(content).hexdigest()
        parent, _, name = item.rpartition("/")
        return ItemRef(
            item_id=ItemId(item),
            name=path.decode().rpartition("/")[2] if path else name,
            version=Version(digest),
            size=len(content),
            modified_at=note["at"],
            file_key=note["key"],
            move_key=digest,
            parent=ItemId(parent) if parent else None,
            grant=self._grant,
        )
