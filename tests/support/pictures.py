"""Pictures of pages whose text is known, as scanners make them, and the PDFs around them."""

from __future__ import annotations

import io
import random
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

_WORDS = """refund committee invoice harbour telemetry calibration sensor firmware warranty escalation quarter budget
tide station report archive measure signal window customer delivery payment approval contract schedule inspection
maintenance resolution incident procedure""".split()


def prose(seed: int, *, paragraphs: int = 1, sentences: int = 3) -> list[str]:
    """Paragraphs that no two seeds share."""
    rng = random.Random(seed)
    return [
        " ".join(" ".join(rng.choices(_WORDS, k=rng.randrange(7, 13))).capitalize() + "." for _ in range(sentences))
        for _ in range(paragraphs)
    ]


def page(paragraphs: Sequence[str], *, dpi: int = 150, height: int = 400, columns: int = 1) -> Image.Image:
    """A grey page of 8.27 inches by ``height`` points with the paragraphs in print of 11 points."""
    scale = dpi / 72
    image = Image.new("L", (int(595 * scale), int(height * scale)), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11 * scale)
    share = -(-len(paragraphs) // columns)
    for column in range(columns):
        top = 40.0
        for paragraph in paragraphs[column * share : (column + 1) * share]:
            for line in textwrap.wrap(paragraph, 84 // columns - 6 * (columns - 1)):
                draw.text(((40 + column * 270) * scale, top * scale), line, fill=0, font=font)
                top += 15
            top += 15
    return image


def as_file(image: Image.Image, kind: str, more: Sequence[Image.Image] = ()) -> bytes:
    """The file; ``more`` are further pages of a TIFF."""
    out = io.BytesIO()
    if more:
        image.save(out, kind, save_all=True, append_images=list(more))
    else:
        image.save(out, kind)
    return out.getvalue()


def pdf(pages: Sequence[Sequence[str] | Image.Image | None]) -> bytes:
    """A page a member: lines as text, a picture that covers it, or nothing."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    for content in pages:
        if isinstance(content, Image.Image):
            canvas.drawImage(ImageReader(content), 0, 0, *A4)
        for number, line in enumerate(content if isinstance(content, Sequence) else ()):
            canvas.drawString(60, 780 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def covered_pdf(picture: Image.Image, lines: Sequence[str]) -> bytes:
    """A page for each line: the picture over all of it, and the line in its foot."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    for line in lines:
        canvas.drawImage(ImageReader(picture), 0, 0, *A4)
        canvas.drawString(60, 20, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def recall(text: str, truth: Sequence[str]) -> tuple[float, float]:
    """Shares of the words of ``truth`` that stand in ``text`` at all, and in the same order."""
    wanted, found = tokens(" ".join(truth)), tokens(text)
    matches = SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return (
        sum((Counter(wanted) & Counter(found)).values()) / len(wanted),
        sum(match.size for match in matches) / len(wanted),
    )
