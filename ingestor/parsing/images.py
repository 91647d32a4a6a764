"""Pictures by OCR: PNG, JPEG, TIFF (each of its pages), GIF, BMP and WebP (the first picture of those that move)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing import ocr
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format

if TYPE_CHECKING:
    from PIL.Image import Image

_KINDS = ("Png", "Jpeg", "Tiff", "Gif", "Bmp", "WebP")


def parse_image(request: ParseRequest) -> Document:
    """``page`` counts from 1 where there are several. Raises ``ParseFailure``: expansion, before anything is decoded;
    no_text, where nothing is legible or nothing could be read."""
    reader = ocr.PageReader()
    assembly = Assembly()
    with _opened(request.content) as image:
        several = image.format == "TIFF" and getattr(image, "n_frames", 1) > 1
        for number in _frames(image, several=several):
            for paragraph in reader.read(number, lambda: _upright(image)):
                assembly.block(ElementKind.PARAGRAPH, paragraph, page=number if several else None)
    if not assembly.elements:
        raise no_text("The picture", reader)
    for page, note in reader.notes():
        assembly.block(ElementKind.PARAGRAPH, note, page=page)
    return assembly.document(title="", kind=Format.IMAGE.value)


def no_text(what: str, reader: ocr.PageReader) -> ParseFailure:
    """The failure of a document of pictures in which nothing was found or nothing could be read."""
    if (trouble := reader.trouble) is None:
        return ParseFailure(
            ParseReason.NO_TEXT,
            f"{what} holds no text that OCR can read.",
            hint="Nothing to do for a photograph; scan a page anew with more contrast, or exclude the file.",
        )
    return ParseFailure(
        ParseReason.NO_TEXT,
        f"{what} has no text and could not be read by OCR: {trouble.value}.",
        hint=trouble.hint,
        transient=trouble is ocr.Unread.FAILED,
    )


def _opened(content: bytes) -> Image:
    """Its head alone is read here."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    for kind in _KINDS:  # these and no others of Pillow's forty
        import_module(f"PIL.{kind}ImagePlugin")
    try:
        image = Pillow.open(io.BytesIO(content), formats=[kind.upper() for kind in _KINDS])
    except Pillow.DecompressionBombError as error:  # its own bound, a little above ours
        raise _too_large() from error
    except UnidentifiedImageError as error:
        raise ParseFailure(
            ParseReason.CORRUPT, "The picture is damaged.", hint="Restore or export the file again."
        ) from error
    return image


def _frames(image: Image, *, several: bool) -> Iterator[int]:
    """The numbers of the pages, each made the current one and its size checked."""
    for number in range(1, getattr(image, "n_frames", 1) + 1 if several else 2):
        if several:
            image.seek(number - 1)
        if image.width * image.height > ocr.LARGEST:
            raise _too_large(f" ({image.width:,} x {image.height:,} points)")
        yield number


def _upright(image: Image) -> Image:
    """Decoded, and turned as the camera says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _too_large(size: str = "") -> ParseFailure:
    return ParseFailure(
        ParseReason.EXPANSION,
        f"The picture is too large to be decoded{size}: at most {ocr.LARGEST // 10**6} million points are.",
        hint="Save it with fewer points, or exclude it.",
    )
