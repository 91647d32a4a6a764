"""PDFs whose text is known, piece by piece in reading order: as a layout program writes them, with columns, footnotes,
tables, nested lists, divided words, boxes beside the text, and a running title and page numbers that are no text.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    ListFlowable,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from tests.support.pictures import prose

_STYLES = getSampleStyleSheet()


@dataclass(frozen=True, kw_only=True)
class Known:
    """``truth`` in reading order; ``absent`` are words of the page's furniture, that the text must not have."""

    content: bytes
    truth: list[str]
    absent: str = ""


def two_columns() -> Known:
    """One column after the other over several pages; paragraphs run over their ends."""
    out, truth, story = io.BytesIO(), [], []
    for number, paragraph in enumerate(prose(10, paragraphs=24, sentences=6)):
        if number % 6 == 0:
            truth.append(f"Chapter {number // 6} on stations")
            story.append(Paragraph(truth[-1], _STYLES["Heading1"]))
        truth.append(paragraph)
        story.append(Paragraph(paragraph, _STYLES["BodyText"]))
    frames = [Frame(left * cm, 2.5 * cm, 8 * cm, 23 * cm, id=str(left)) for left in (2, 11)]
    document = BaseDocTemplate(out, pagesize=A4, invariant=True)
    document.addPageTemplates([PageTemplate(id="columns", frames=frames, onPage=_furniture)])
    document.build(story)
    return Known(content=out.getvalue(), truth=truth, absent="yearbook")


def rows_through_columns(columns: int = 2) -> Known:
    """Drawn line by line across the page, under a title that stands across; words are divided at lines' ends."""
    out, truth = io.BytesIO(), []
    canvas = Canvas(out, pagesize=A4, invariant=True)
    width = (17 - (columns - 1)) / columns
    for page in range(2):
        canvas.setFont("Times-Roman", 18)
        truth.append(f"Report number {page + 1} of the whole harbour and of all its stations")
        canvas.drawString(2 * cm, 27.5 * cm, truth[-1])
        canvas.setFont("Times-Roman", 10)
        texts = [" ".join(prose(100 + page * 10 + n, paragraphs=1, sentences=12)) for n in range(columns)]
        truth += texts
        wrapped = [_divided(text, "Times-Roman", 10, width * cm) for text in texts]
        for number in range(max(map(len, wrapped))):
            for column, lines in enumerate(wrapped):
                if number < len(lines):
                    canvas.drawString((2 + column * (width + 1)) * cm, 26 * cm - number * 12, lines[number])
        canvas.showPage()
    canvas.save()
    return Known(content=out.getvalue(), truth=truth)


def divided_words() -> Known:
    """A column in which each line that can ends within a word."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    text = " ".join(prose(30, sentences=20))
    for number, line in enumerate(_divided(text, "Helvetica", 12, 9 * cm)):
        canvas.drawString(3 * cm, 27 * cm - number * 14, line)
    canvas.save()
    return Known(content=out.getvalue(), truth=[text])


def footnotes() -> Known:
    """A small print under each page's text, which is read with its page."""
    out, truth = io.BytesIO(), []
    canvas = Canvas(out, pagesize=A4, invariant=True)
    for page in range(3):
        _furniture(canvas, None)
        top = 26 * cm
        for paragraph in prose(40 + page, paragraphs=4, sentences=4):
            truth.append(paragraph)
            top = _lines(canvas, paragraph, "Helvetica", 11, top) - 12
        note = f"{page + 1} " + prose(50 + page, sentences=1)[0]
        truth.append(note)
        _lines(canvas, note, "Helvetica", 8, 4 * cm)
        canvas.showPage()
    canvas.save()
    return Known(content=out.getvalue(), truth=truth, absent="yearbook")


def tables() -> Known:
    """Rows of figures, and rows of prose in cells of several lines."""
    out, cells = io.BytesIO(), prose(60, paragraphs=10, sentences=1)
    rows = [["Article", "Price", "Stock"], *([f"Sensor {n}", f"{n * 7}.50", str(n * 3)] for n in range(1, 30))]
    prose_rows = list(zip(cells[::2], cells[1::2], strict=True))
    wrapped = [[Paragraph(cell, _STYLES["BodyText"]) for cell in row] for row in prose_rows]
    story = [
        Paragraph("Prices", _STYLES["Title"]),
        Table(rows),
        Spacer(1, 20),
        Table(wrapped, colWidths=[8 * cm, 6 * cm]),
    ]
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build(story)
    truth = ["Prices", *(" ".join(row) for row in rows), *(" ".join(row) for row in prose_rows)]
    return Known(content=out.getvalue(), truth=truth)


def nested_lists() -> Known:
    """Points, and numbered points below them."""
    out, truth, points = io.BytesIO(), [], []
    for number, text in enumerate(prose(70, paragraphs=5, sentences=1)):
        below = prose(80 + number, paragraphs=3, sentences=1)
        truth += [text, *(f"{n} {one}" for n, one in enumerate(below, start=1))]
        inner = ListFlowable([Paragraph(one, _STYLES["BodyText"]) for one in below], bulletType="1", bulletFormat="%s.")
        points += [Paragraph(text, _STYLES["BodyText"]), inner]
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build([ListFlowable(points, bulletType="bullet", start="•")])
    return Known(content=out.getvalue(), truth=truth)


def boxes() -> Known:
    """A frame with text of its own at the side of the page, after the text that it belongs to."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    body, aside = prose(90, paragraphs=4, sentences=4), prose(95, sentences=3)
    top = 27 * cm
    for paragraph in body:
        top = _lines(canvas, paragraph, "Helvetica", 11, top, width=11) - 12
    canvas.rect(14.5 * cm, 20 * cm, 5 * cm, 6 * cm)
    _lines(canvas, aside[0], "Helvetica-Bold", 9, 25.5 * cm, left=14.7, width=4.6)
    canvas.save()
    return Known(content=out.getvalue(), truth=[*body, *aside])


ALL = {
    "two columns": two_columns,
    "rows through two columns": rows_through_columns,
    "rows through three columns": lambda: rows_through_columns(3),
    "divided words": divided_words,
    "footnotes": footnotes,
    "tables": tables,
    "nested lists": nested_lists,
    "boxes": boxes,
}


def _furniture(canvas: Canvas, _: object) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(2 * cm, 28.5 * cm, "Yearbook of the harbour")
    canvas.drawCentredString(10.5 * cm, 1 * cm, f"Yearbook page {canvas.getPageNumber()}")
    canvas.restoreState()


def _lines(
    canvas: Canvas, text: str, font: str, size: float, top: float, *, left: float = 2, width: float = 16
) -> float:
    """Draw it from ``top`` down; the height below it."""
    canvas.setFont(font, size)
    for line in simpleSplit(text, font, size, width * cm):
        canvas.drawString(left * cm, top, line)
        top -= 1.25 * size
    return top


def _divided(text: str, font: str, size: float, width: float) -> list[str]:
    """Lines filled as far as they go, long words divided after four letters."""
    lines, line = [], ""
    for word in text.split():
        begun = f"{line} {word[:4]}-".lstrip()
        if stringWidth(f"{line} {word}".lstrip(), font, size) <= width:
            line = f"{line} {word}".lstrip()
        elif len(word) > 6 and word.islower() and stringWidth(begun, font, size) <= width:
            lines.append(begun)
            line = word[4:]
        else:
            lines.append(line)
            line = word
    return [*lines, line]
