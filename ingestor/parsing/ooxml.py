"""The parts of an OOXML file by their relations: names of parts are a habit of programs, relations are the rule."""

from __future__ import annotations

import posixpath
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element


class Package:
    """Reads parts of an archive as trees. No entity is expanded, nothing is loaded from elsewhere."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        from lxml import etree

        self._archive = archive
        self._names = set(archive.namelist())
        self._parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)

    def main(self, usual: str) -> str:
        """The name of the part that the file is about; ``usual`` where it does not say."""
        named = [target for kind, target in self.relations("").values() if kind == "officeDocument"]
        return named[0] if named and named[0] in self._names else usual

    def part(self, name: str) -> _Element | None:
        """None where there is no such part."""
        from lxml import etree

        return etree.fromstring(self._archive.read(name), self._parser) if name in self._names else None

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Id -> (last word of its type, name of the part) for what lies in the file."""
        folder, _, name = part.rpartition("/")
        found = {}
        listed = self.part(posixpath.join(folder, "_rels", f"{name}.rels"))
        for node in () if listed is None else listed:
            target = posixpath.normpath(posixpath.join("/", folder, node.get("Target") or "")).lstrip("/")
            if node.get("TargetMode") != "External":
                found[node.get("Id") or ""] = ((node.get("Type") or "").rpartition("/")[2], target)
        return found
