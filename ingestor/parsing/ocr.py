"""Text out of pictures of pages: how much of it is read, what is believed, and what is said about the rest.

A page is read only where it has no text of its own. What the program is unsure of as a whole is no text: a photograph
must not become words. What was not read is told, in the document, where a limit or a missing program is the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from ingestor.parsing import clock, tesseract
from ingestor.parsing.tesseract import Word

if TYPE_CHECKING:
    from PIL.Image import Image

    from ingestor.config_sections import Parsing

LARGEST = 150 * 10**6
"""Points of a picture: more than a page of A0 at 300 dots per inch, half a gigabyte of memory. More is not decoded."""

# Rubbish out of photographs and pages that lie on their head has about 50 on average, print more than 85.
_PAGE_CONFIDENCE = 70.0
_WORD_CONFIDENCE = 30.0
# Signs without a letter or a digit are mostly specks.
_SIGN_CONFIDENCE = 60.0
_SMALLEST = 16  # points on a side; nothing can be read in less
_CONTRAST = 16  # of 255, between the darkest and the brightest point; an empty page has less
# Pictures of a screen have small letters: doubled, they are read much better.
_SCREEN = 2000
_ENOUGH = 40e6  # points; more of them cost time, and print is read no better
_HYPHENS = ("-", "\u00ad", "\u2010", "\u00ac")


class OcrMode(StrEnum):
    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ocr:
    """``languages`` as tesseract calls them, empty for English and what else is installed; ``pages`` of one document
    are read at most."""

    mode: OcrMode = OcrMode.AUTO
    languages: tuple[str, ...] = ()
    pages: int = 100

    def here(self) -> Ocr:
        """The same with the languages that are used on this machine; without any, nothing can be read."""
        found = tesseract.installed() if self.mode is OcrMode.AUTO else None
        languages = found.chosen(self.languages) if found is not None else ()
        return Ocr(mode=self.mode, languages=languages, pages=self.pages)

    def fingerprint(self) -> str:
        """For the recipe: everything that the text of a picture depends on. Starts no program."""
        if self.mode is OcrMode.OFF:
            return "ocr-off"
        found = tesseract.seen()
        languages = found.chosen(self.languages) if found is not None else ()
        if found is None or not languages:
            return "tesseract-none"
        return f"tesseract-{found.version}-{'+'.join(languages)}-{self.pages}"


def ocr_settings(parsing: Parsing) -> Ocr:
    """As the configuration has them; languages are written as tesseract writes them (``eng+deu``)."""
    languages = tuple(filter(None, parsing.ocr_languages.split("+")))
    return Ocr(mode=OcrMode(parsing.ocr), languages=languages, pages=parsing.ocr_pages)


class Unread(StrEnum):
    """Why a page was not read, as the end of a sentence."""

    OFF = "OCR is off"
    MISSING = "tesseract is not installed"
    LIMIT = "they are more than are read of one document"
    SLOW = "that takes too long"
    LARGE = "the picture is too large"
    FAILED = "tesseract failed"

    @property
    def hint(self) -> str:
        return _HINTS[self]


_HINTS = {
    Unread.OFF: 'Scanned pages: set ocr = "auto" under [parsing], or exclude the file.',
    Unread.MISSING: "Scanned pages: install tesseract and start ingestor again, or exclude the file.",
    Unread.LIMIT: "Scanned pages: raise ocr_pages under [parsing], or split the file.",
    Unread.SLOW: "Scan it with less noise, or exclude the file.",
    Unread.LARGE: "Save the picture with fewer points, or exclude the file.",
    Unread.FAILED: "See ingestor doctor, or exclude the file.",
}


@dataclass(slots=True)
class _Process:
    """How this process reads: set once, as its other limits are."""

    ocr: Ocr | None = None
    page_seconds: float = 30.0


_process = _Process()


def prepare(ocr: Ocr, *, page_seconds: float) -> None:
    """For a worker: what to read with (languages that are here), and processor time a page."""
    _process.ocr, _process.page_seconds = ocr, page_seconds


def reads() -> bool:
    """Whether pictures are read in this process at all."""
    settings = _process.ocr or Ocr().here()
    return settings.mode is OcrMode.AUTO and bool(settings.languages)


class PageReader:
    """Reads pages of one document and keeps account of what was not read."""

    def __init__(self) -> None:
        self._ocr = _process.ocr or Ocr().here()
        self._read = 0
        self._unread: dict[Unread, list[int]] = {}

    def read(self, page: int, picture: Callable[[], Image | None]) -> tuple[str, ...]:
        """The paragraphs of a page in reading order; empty where it has none or was not read. ``picture`` is called
        only if it will be read, and gives None where it is too large."""
        try:
            why = self._obstacle()
            if why is None:
                self._read += 1
                clock.picture_begins()
                shown = picture()
                if shown is not None:
                    return self._paragraphs(shown)
                why = Unread.LARGE
        except tesseract.TooSlow:
            why = Unread.SLOW
        except tesseract.Failed:
            why = Unread.FAILED
        self._unread.setdefault(why, []).append(page)
        return ()

    @property
    def trouble(self) -> Unread | None:
        """Why pages were not read, the first cause; None where all were."""
        return next(iter(self._unread), None)

    def notes(self) -> Iterable[tuple[int, str]]:
        """(page, sentence) for what was not read, unless that is wanted."""
        for why, pages in self._unread.items():
            if why is not Unread.OFF:
                said = "Page {} is a picture and was" if len(pages) == 1 else "Pages {} are pictures and were"
                yield pages[0], f"[{said.format(_ranges(pages))} not read: {why.value}.]"

    def _obstacle(self) -> Unread | None:
        if self._ocr.mode is OcrMode.OFF:
            return Unread.OFF
        if not self._ocr.languages:
            return Unread.MISSING
        return Unread.LIMIT if self._read >= self._ocr.pages else None

    def _paragraphs(self, image: Image) -> tuple[str, ...]:
        if min(image.size) < _SMALLEST:
            return ()
        picture = _portable(image)
        if picture is None:
            return ()
        for layout in (tesseract.UPRIGHT, tesseract.TURNED):
            words = tesseract.words(
                picture, languages=self._ocr.languages, layout=layout, seconds=_process.page_seconds
            )
            if believed(words):
                return paragraphs(words)
        return ()


def believed(words: Sequence[Word]) -> bool:
    """Whether this is text: by the confidence of its letters on average."""
    letters = sum(len(word.text) for word in words)
    return bool(letters) and (
        sum(word.confidence * len(word.text) for word in words) >= _PAGE_CONFIDENCE * letters
        and any(c.isalnum() for word in words for c in word.text)
    )


def paragraphs(words: Iterable[Word]) -> tuple[str, ...]:
    """Words put together again, with those that a line's end had divided; what is hardly legible is left out."""
    kept = [word for word in words if word.confidence >= _floor(word.text)]
    found = []
    for _, of_paragraph in groupby(kept, key=lambda word: word.line[:2]):
        text = ""
        for _, of_line in groupby(of_paragraph, key=lambda word: word.line):
            line = " ".join(word.text for word in of_line)
            if text.endswith(_HYPHENS) and text[-2:-1].isalpha() and line[:1].islower():
                text = text[:-1] + line
            else:
                text += f" {line}" if text else line
        found.append(text)
    return tuple(found)


def _floor(text: str) -> float:
    return _WORD_CONFIDENCE if any(c.isalnum() for c in text) else _SIGN_CONFIDENCE


def _portable(image: Image) -> bytes | None:
    """As a grey PGM picture, on white where it is transparent; None where it shows nothing."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):  # 16 bits a point, which a plain conversion would cut off
        image = image.convert("I").point(lambda value: value * (1 / 256))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", image.size, "white"), image)
    grey = image.convert("L")
    shades = [shade for shade, count in enumerate(grey.histogram()) if count]
    if shades[-1] - shades[0] < _CONTRAST:
        return None
    if max(grey.size) < _SCREEN:
        grey = grey.resize((grey.width * 2, grey.height * 2), Pillow.Resampling.LANCZOS)
    elif (excess := grey.width * grey.height / _ENOUGH) > 1:
        grey = grey.resize((int(grey.width / excess**0.5), int(grey.height / excess**0.5)), Pillow.Resampling.BOX)
    return b"P5 %d %d 255\n" % grey.size + grey.tobytes()


def _ranges(pages: Sequence[int]) -> str:
    """``2, 5-9``."""
    said: list[str] = []
    for _, run in groupby(enumerate(sorted(pages)), key=lambda pair: pair[1] - pair[0]):
        numbers = [page for _, page in run]
        said.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ", ".join(said)
