"""PDF by pypdfium2: the text of each page in the order of its content, cut into paragraphs by position.

pdfium gives characters and their boxes. Lines that stand further apart than the lines of a paragraph do,
or change their size, begin a new one; a line that ends early keeps its break (rows, addresses). A heading is
only what stands out in size by a fifth and is short. What each page repeats at its edge is left out. A page
without text that shows something is read by OCR.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

import pypdfium2
from pypdfium2 import raw

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing import clock, ocr
from ingestor.parsing.archive import encrypted
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.images import no_text
from ingestor.parsing.keywords import listed
from ingestor.parsing.pdf_columns import Piece, boxes, in_columns
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from PIL.Image import Image

_HYPHENS = ("\ufffe", "\x02")  # how pdfium marks a word that goes on in the next line
_BULLET = re.compile(r"^(?:[•‣▪◦●○■–*·-]|\(?\d{1,3}[.)]|[a-z][.)])\s+\S")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_HEADING_RATIO = 1.2
_HEADING_WORDS = 20
_HEADING_LEVELS = 3
# A line shorter than this share of the long ones was ended on purpose and not by the margin.
_FULL_LINE = 0.6
# A running title or foot may have so many lines.
_EDGE_LINES = 3
_EDGE_GAP = 1.8
_DIGITS = re.compile(r"\d+")
# Lines further apart than this many times the usual step are of two paragraphs.
_PARAGRAPH_GAP = 1.3
_ENDS = frozenset(".!?:;")

# A page is a scan where a picture covers half of it and its text is no more than a stamp or a page number.
_SCAN_COVERS = 0.5
_STAMP_LETTERS = 40
_SCAN_SCALE = 300 / 72  # to dots per inch
_SCAN_POINTS = 25e6  # a page of A3 at that scale; larger ones are shown smaller


@dataclass(slots=True)
class _Line:
    """One line of a page; ``size`` is the height of its font, ``top`` its upper edge (0: unknown). What ``whole`` says
    is a paragraph already, by OCR."""

    text: str
    page: int
    top: float = 0.0
    size: float = 0.0
    joined: bool = False
    full: bool = True
    whole: bool = False


@dataclass(slots=True)
class _Paragraph:
    lines: list[_Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        pieces: list[str] = []
        before: _Line | None = None
        for line in self.lines:
            gap = "" if before is None or line.joined else " " if before.full else "\n"
            pieces += (gap, " ".join(line.text.split()))
            before = line
        return "".join(pieces)


def parse_pdf(request: ParseRequest) -> Document:
    """``page`` counts from 1. Raises ``ParseFailure`` where no page has text, nor a picture of one that can be read."""
    try:
        pdf = pypdfium2.PdfDocument(request.content)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error) or "ecurity" in str(error):
            raise encrypted("pdf") from error
        raise ParseFailure(
            ParseReason.CORRUPT, "The PDF file is damaged.", hint="Restore or export the file again."
        ) from error
    reader = ocr.PageReader()
    try:
        pages = [_page_lines(pdf, index, reader) for index in range(len(pdf))]
        facts = pdf.get_metadata_dict()
    finally:
        pdf.close()
    if not any(pages):
        raise no_text("The PDF", reader)
    lines = _without_furniture(pages)
    lengths = sorted(len(line.text) for line in lines if not line.whole)
    for line in lines:
        line.full = len(line.text) >= _FULL_LINE * lengths[len(lengths) * 9 // 10] if lengths else True
    body = _body_size(lines)
    levels = _heading_levels(lines, body)
    assembly = Assembly()
    for paragraph in _paragraphs(lines):
        _add(assembly, paragraph, levels)
    assembly.close_sections()
    for page, note in reader.notes():
        assembly.block(ElementKind.PARAGRAPH, note, page=page)
    return assembly.document(
        title=best_title((str(facts.get("Title", "")), assembly.first_heading())),
        kind=Format.PDF.value,
        tags=listed(str(facts.get("Keywords", ""))),
    )


def _without_furniture(pages: Sequence[Sequence[_Line]]) -> list[_Line]:
    """The lines of all pages, less those at their edges that many pages repeat and that differ in numbers
    alone (running titles, page numbers). Left and right pages have titles of their own, so nearly half of the
    pages suffice."""
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_shape(line) for line in (*page[:_EDGE_LINES], *page[-_EDGE_LINES:])})
    repeated = {shape for shape, count in seen.items() if count >= 3 and count * 5 >= 2 * len(pages)}
    kept: list[_Line] = []
    for page in pages:
        first = _edge(page, repeated)
        last = len(page) - _edge(page[first:][::-1], repeated)
        kept.extend(page[first:last])
    return kept or [line for page in pages for line in page]


def _edge(inwards: Sequence[_Line], repeated: set[str]) -> int:
    """How many lines at an edge are furniture. More than one only where a gap parts them from the body: forms
    repeat lines of their body, too."""
    found = 0
    for number, line in enumerate(inwards[:_EDGE_LINES], start=1):
        if _shape(line) not in repeated:
            break
        if number == 1 or (number < len(inwards) and _parted(line, inwards[number])):
            found = number
    return found


def _parted(line: _Line, following: _Line) -> bool:
    return bool(line.top and following.top) and abs(line.top - following.top) > _EDGE_GAP * max(
        line.size, following.size
    )


def _shape(line: _Line) -> str:
    return _DIGITS.sub("#", line.text.strip())


def _page_lines(pdf: Any, index: int, reader: ocr.PageReader) -> list[_Line]:
    """A page that cannot be loaded costs itself, not the document."""
    clock.page_begins(index)
    try:
        page = pdf[index]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []
    lines = list(_lines(text_page, index + 1))
    text_page.close()
    if sum(len(line.text) for line in lines) <= _STAMP_LETTERS:
        with suppress(pypdfium2.PdfiumError):  # a damaged picture, like a damaged page
            if _is_scan(page, has_text=bool(lines)):
                read = reader.read(index + 1, lambda: _picture(page))
                lines = [_Line(text=text, page=index + 1, whole=True) for text in read] or lines
    page.close()
    return lines


def _is_scan(page: Any, *, has_text: bool) -> bool:
    """Whether a page shows what its text does not say: a picture that covers it, or anything where it has no text."""
    if not has_text:
        return next(iter(page.get_objects(max_depth=1)), None) is not None
    area = page.get_width() * page.get_height()
    for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = image.get_bounds()
        if (right - left) * (top - bottom) >= _SCAN_COVERS * area:
            return True
    return False


def _picture(page: Any) -> Image | None:
    """The page as it looks, grey; None where a picture on it has too many points to be decoded."""
    for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        width, height = image.get_px_size()
        if width * height > ocr.LARGEST:
            return None
    area = max(page.get_width() * page.get_height(), 1.0)
    bitmap = page.render(scale=min(_SCAN_SCALE, (_SCAN_POINTS / area) ** 0.5), grayscale=True)
    shown: Image = bitmap.to_pil().copy()
    bitmap.close()
    return shown


def _lines(text_page: Any, number: int) -> Iterator[_Line]:
    text = text_page.get_text_range(errors="ignore")
    joined = False
    found = [
        # Broken at newlines and where a hyphenated word goes on.
        Piece(start=match.start(), text=match[0], boxes=boxes(text_page, match.start(), len(match[0])))
        for match in re.finditer(r"[^\r\n\x02\ufffe]+", text)
    ]
    pieces = in_columns(found, text_page)
    for piece, following in zip_longest(pieces, pieces[1:]):
        words = _CONTROLS.sub("", piece.text)
        end = piece.start + len(piece.text)
        goes_on = text[end : end + 1] in _HYPHENS if end < len(text) else False
        if piece.split and following is not None:  # pdfium sees no end of a line there, and so no hyphen
            goes_on = words[-2:-1].isalpha() and words[-1:] == "-" and following.text[:1].islower()
            words = words[:-1] if goes_on else words
        if words.strip():
            first = piece.start + len(piece.text) - len(piece.text.lstrip())
            top, size = _place(text_page, first)
            yield _Line(text=words, page=number, top=top, size=size, joined=joined)
        joined = goes_on


def _place(text_page: Any, position: int) -> tuple[float, float]:
    """(upper edge, height) of the character at a position of the text; zeros where pdfium has none."""
    character = raw.FPDFText_GetCharIndexFromTextIndex(text_page, position)
    if character < 0:
        return 0.0, 0.0
    try:
        _, bottom, _, top = text_page.get_charbox(character, loose=True)
    except pypdfium2.PdfiumError:
        return 0.0, 0.0
    return top, round(abs(top - bottom), 1)


def _paragraphs(lines: Sequence[_Line]) -> Iterator[_Paragraph]:
    steps = sorted(a.top - b.top for a, b in pairwise(lines) if a.page == b.page and a.top > b.top > 0)
    usual = steps[len(steps) // 4] if steps else 0.0  # most lines have a neighbour in their paragraph
    current = _Paragraph()
    for line in lines:
        far = current.lines and line.page > current.lines[0].page + 1  # a citation opens where its paragraph begins
        if current.lines and not line.joined and (far or _begins(current.lines[-1], line, usual)):
            yield current
            current = _Paragraph()
        current.lines.append(line)
    if current.lines:
        yield current


def _begins(before: _Line, line: _Line, usual: float) -> bool:
    """Whether ``line`` starts a new paragraph after ``before``."""
    if before.whole or line.whole or _BULLET.match(line.text.strip()):
        return True
    if before.page != line.page:
        return not _goes_on(before, line)
    if not (before.size and line.size):
        return False
    if max(before.size, line.size) > 1.12 * min(before.size, line.size):
        return True
    step = before.top - line.top
    # Upwards is a new column or a box; further down than usual is a gap between paragraphs.
    if step < -line.size:
        return not _goes_on(before, line)
    return step > _PARAGRAPH_GAP * min(max(usual, 0.9 * line.size), 2 * line.size)


def _goes_on(before: _Line, line: _Line) -> bool:
    """Whether a sentence runs over the end of a page or a column."""
    return (
        before.full
        and abs(before.size - line.size) < 0.5
        and before.text.rstrip()[-1:] not in _ENDS
        and line.text.lstrip()[:1].islower()
    )


def _body_size(lines: Sequence[_Line]) -> float:
    sizes: Counter[float] = Counter()
    for line in lines:
        if line.size:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _heading_levels(lines: Sequence[_Line], body: float) -> dict[float, int]:
    """Level by size, largest first. Nothing where sizes say nothing: most text would be headings."""
    large = {line.size for line in lines if body and line.size >= _HEADING_RATIO * body}
    share = sum(len(line.text) for line in lines if line.size in large)
    if share * 4 > sum(len(line.text) for line in lines):
        return {}
    return {size: min(level, _HEADING_LEVELS) for level, size in enumerate(sorted(large, reverse=True), start=1)}


def _add(assembly: Assembly, paragraph: _Paragraph, levels: dict[float, int]) -> None:
    first = paragraph.lines[0]
    text = paragraph.text
    level = levels.get(first.size)
    if level is not None and len(text.split()) <= _HEADING_WORDS and len(paragraph.lines) <= 3 and _names(text):
        assembly.heading(text, level, page=first.page)
        return
    kind = ElementKind.LIST_ITEM if _BULLET.match(text) else ElementKind.PARAGRAPH
    assembly.block(kind, text, page=first.page)


def _names(text: str) -> bool:
    """A heading has letters and does not end like a sentence."""
    return any(c.isalpha() for c in text) and not text.endswith((".", ",", ";"))
