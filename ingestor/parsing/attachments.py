"""What hangs on a mail, gathered for the engine, which makes each a document of its own.

An attachment's name is hostile: it is shown, it helps to find the type, and nothing is ever written under it.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from ingestor.model import Attachment
from ingestor.parsing import ocr
from ingestor.parsing.formats import Format, claimed, named_format

MOST = 100
"""Attachments of one item. More are told of by a last one that stands for them all."""

MOST_BYTES = 128 * 2**20
"""Of all attachments of one item together: they travel in one answer, and wait in memory to be parsed."""

_NAME_LIMIT = 200
_SMALLEST_PICTURE = 8 * 1024
# They say who wrote a mail, not what.
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature"}
    | {"application/pgp-signature", "application/pgp-keys"}
)


class Attachments:
    """Takes them in order; ``taken`` is what becomes of them, ``names`` what the mail's own text says it has."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._taken: list[Attachment] = []
        self._room = MOST_BYTES
        self._over = 0

    def add(self, name: str, content: bytes | None, media_type: str | None, *, inline: bool = False) -> None:
        """``inline``: a picture within the text. ``content`` None: it cannot be taken out of the mail."""
        if media_type in _SIGNATURES:
            return
        # Most are logos and lines; one that is large enough to hold words is worth reading, where something can.
        if inline and (content is None or len(content) < _SMALLEST_PICTURE or not _is_read(name, media_type)):
            return
        shown = clean_name(name)
        self.names.append(shown)
        if len(self._taken) >= MOST:
            self._over += 1
            return
        if content is not None and len(content) > self._room:
            content = None
        self._room -= len(content or b"")
        self._taken.append(Attachment(name=shown, content=content, media_type=media_type))

    @property
    def taken(self) -> tuple[Attachment, ...]:
        if not self._over:
            return tuple(self._taken)
        return (*self._taken, Attachment(name=f"{self._over} more attachments", content=None))


def _is_read(name: str, media_type: str | None) -> bool:
    """Whether something here reads it: pictures are read where OCR is."""
    if claimed(name, media_type) is not None:
        return True
    fmt = named_format(name, media_type)
    return fmt is not None and (fmt is not Format.IMAGE or ocr.reads())


def clean_name(name: str) -> str:
    """One line without control characters or folders; never empty."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    base = PurePosixPath(line.replace("\\", "/")).name.strip()
    if len(base) > _NAME_LIMIT:
        suffix = PurePosixPath(base).suffix[:20]
        base = base[: _NAME_LIMIT - len(suffix)] + suffix
    return base if base.strip(".") else "unnamed"
