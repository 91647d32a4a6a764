"""The text of the slides of a PowerPoint file of before 2007, out of its records: what stands on slides and in notes.

A small reader after the published format ([MS-PPT]): the last edit says where each part lies, the document which parts
are slides; a shape has its text within it, or names one of the document's outline. Masters, prompts, names of designs,
and what earlier edits left in the file are no text of a slide.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import olefile

_DOCUMENT, _SLIDE, _SLIDE_ATOM, _NOTES = 1000, 1006, 1007, 1008
_PERSIST, _LIST, _EDIT, _DIRECTORY = 1011, 4080, 4085, 6002
_OUTLINE_REFERENCE, _HEADER, _CHARACTERS, _BYTES = 3998, 3999, 4000, 4008
_TEXT_BOX = 0xF00D
_OF_SLIDES, _OF_NOTES = 0, 2  # instances of a list
_NOTES_TEXT = 2  # the kind of text that a header names


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    kind: int
    instance: int
    container: bool
    body: bytes

    def inside(self) -> Iterator[_Record]:
        return _records(self.body) if self.container or self.kind == _TEXT_BOX else iter(())

    def all(self, kind: int) -> Iterator[_Record]:
        """Those of a kind at any depth, in order."""
        for record in self.inside():
            if record.kind == kind:
                yield record
            else:
                yield from record.all(kind)


def text_of_slides(content: bytes) -> str:
    """Raises anything where the file is no whole PowerPoint file."""
    with olefile.OleFileIO(content) as ole:
        user, stream = (ole.openstream(name).read() for name in ("Current User", "PowerPoint Document"))
    places, document = _places(stream, struct.unpack_from("<I", user, 16)[0])
    root = _record(stream, places[document])
    notes = {}
    for identity, reference, _ in _listed(root, _OF_NOTES):
        notes[identity] = _record(stream, places[reference])
    found: list[str] = []
    for _, reference, outline in _listed(root, _OF_SLIDES):
        slide = _record(stream, places[reference])
        for box in slide.all(_TEXT_BOX):
            found += [outline[struct.unpack_from("<I", one.body)[0]] for one in box.all(_OUTLINE_REFERENCE)]
            found += [text for _, text in _texts(box.inside())]
        atom = next(slide.all(_SLIDE_ATOM))
        page = notes.get(struct.unpack_from("<I", atom.body, 16)[0])
        for box in page.all(_TEXT_BOX) if page is not None else ():
            found += [text for kind, text in _texts(box.inside()) if kind == _NOTES_TEXT]
    return "\n".join(found)


def _places(stream: bytes, edit: int) -> tuple[dict[int, int], int]:
    """(where each part lies, by its number; the number of the document): a later edit counts before an earlier."""
    places: dict[int, int] = {}
    document = 0
    while edit:
        before, directory, number = struct.unpack_from("<III", _record(stream, edit).body, 8)
        document = document or number
        body, at = _record(stream, directory).body, 0
        while at < len(body):
            head = struct.unpack_from("<I", body, at)[0]
            first, count = head & 0xFFFFF, head >> 20
            for index, place in enumerate(struct.unpack_from(f"<{count}I", body, at + 4)):
                places.setdefault(first + index, place)
            at += 4 + 4 * count
        edit = before if before < edit else 0
    return places, document


def _listed(document: _Record, instance: int) -> Iterator[tuple[int, int, list[str]]]:
    """(identity, number of the part, texts of its outline) of each slide or page of notes, in order."""
    for listed in document.inside():
        if listed.kind != _LIST or listed.instance != instance:
            continue
        run: list[_Record] = []
        for record in reversed(list(listed.inside())):
            if record.kind != _PERSIST:
                run.insert(0, record)
                continue
            reference, _, _, identity = struct.unpack_from("<IIII", record.body)
            yield identity, reference, [text for _, text in _texts(iter(run))]
            run = []


def _texts(records: Iterator[_Record]) -> Iterator[tuple[int, str]]:
    """(kind, text) for each header, the empty ones too, since an outline is counted by them."""
    kind, text = None, ""
    for record in records:
        if record.kind == _HEADER:
            if kind is not None:
                yield kind, text
            kind, text = struct.unpack_from("<I", record.body)[0], ""
        elif record.kind == _CHARACTERS:
            text = record.body.decode("utf-16-le", "replace")
        elif record.kind == _BYTES:
            text = record.body.decode("latin-1")
    if kind is not None:
        yield kind, text


def _record(stream: bytes, place: int) -> _Record:
    return next(_records(stream, place))


def _records(body: bytes, at: int = 0) -> Iterator[_Record]:
    while at + 8 <= len(body):
        head, kind, length = struct.unpack_from("<HHI", body, at)
        yield _Record(kind=kind, instance=head >> 4, container=head & 0xF == 0xF, body=body[at + 8 : at + 8 + length])
        at += 8 + length
