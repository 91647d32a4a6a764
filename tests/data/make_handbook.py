"""Write the binary documents of the sample handbook from their sources, byte for byte the same each time.

``python tests/data/make_handbook.py [TARGET]``: each ``handbook_src/DIR/NAME.FORMAT.txt`` becomes
``handbook/DIR/NAME.FORMAT``. The containers are written here and not by a library, stored and not
compressed, with one fixed date: then neither a new library nor another zlib changes a byte of them.

A source is a small subset of Markdown, one block a line: ``# title`` (in a workbook: a sheet),
``## heading``, ``- list item``, ``| table | row |`` (the first row of a table is its header), ``---``
(a new page) and paragraphs.
"""

from __future__ import annotations

import io
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "handbook_src"
HANDBOOK = HERE / "handbook"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """``kind`` is title, heading, item, table, page or text; ``rows`` are those of a table."""

    kind: str
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


def main(target: Path = HANDBOOK) -> list[Path]:
    """Write every binary document under ``target``; returns their paths."""
    written = []
    for source in sorted(SOURCES.rglob("*.txt")):
        path = target / source.relative_to(SOURCES).with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WRITERS[path.suffix](tuple(blocks(source.read_text(encoding="utf-8")))))
        written.append(path)
    return written


def blocks(source: str) -> Iterator[Block]:
    rows: list[tuple[str, ...]] = []
    for line in (*source.splitlines(), ""):
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
            continue
        if rows:
            yield Block(kind="table", rows=tuple(rows))
            rows = []
        if line == "---":
            yield Block(kind="page")
        elif line:
            mark, _, rest = line.partition(" ")
            kind = {"#": "title", "##": "heading", "-": "item"}.get(mark)
            yield Block(kind=kind, text=rest) if kind else Block(kind="text", text=line)


# -- Office Open XML -------------------------------------------------------------------------------

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MEDIA = "application/vnd.openxmlformats-officedocument"


def container(parts: dict[str, str], types: dict[str, str], main_part: str, main_parts: dict[str, str]) -> bytes:
    """A package of ``parts``. ``types`` maps parts to their media types, ``main_parts`` relates parts
    (names relative to the main part's folder) to the main one by their kind."""
    folder, _, name = main_part.rpartition("/")
    overrides = "".join(f'<Override PartName="/{part}" ContentType="{MEDIA}.{t}"/>' for part, t in types.items())
    files = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
        "_rels/.rels": _relations({main_part: "officeDocument"}),
        f"{folder}/_rels/{name}.rels": _relations(main_parts),
        **parts,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
        for path, content in files.items():
            info = zipfile.ZipInfo(path, date_time=(2026, 1, 1, 0, 0, 0))
            info.create_system = 3  # else the byte differs between systems
            package.writestr(info, (XML + content).encode("utf-8"))
    return out.getvalue()


def _relations(parts: dict[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{i}" Type="{OFFICE}/{kind}" Target="{part}"/>'
        for i, (part, kind) in enumerate(parts.items(), 1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>'


def docx(content: tuple[Block, ...]) -> bytes:
    styles = {"title": "Heading1", "heading": "Heading2", "item": "ListBullet", "text": "Normal"}

    def paragraph(text: str, style: str) -> str:
        return (
            f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>'
            f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
        )

    def table(rows: tuple[tuple[str, ...], ...]) -> str:
        grid = "".join(f'<w:gridCol w:w="{9000 // len(rows[0])}"/>' for _ in rows[0])
        cells = ["".join(f"<w:tc>{paragraph(cell, 'Normal')}</w:tc>" for cell in row) for row in rows]
        return (
            f'<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
            + "".join(f"<w:tr>{row}</w:tr>" for row in cells)
            + "</w:tbl>"
        )

    body = "".join(table(b.rows) if b.kind == "table" else paragraph(b.text, styles[b.kind]) for b in content)
    style_rows = "".join(
        f'<w:style w:type="{kind}" w:styleId="{name}"><w:name w:val="{shown}"/></w:style>'
        for kind, name, shown in (
            ("paragraph", "Normal", "Normal"),
            ("paragraph", "Heading1", "heading 1"),
            ("paragraph", "Heading2", "heading 2"),
            ("paragraph", "ListBullet", "List Bullet"),
            ("table", "TableGrid", "Table Grid"),
        )
    ).replace('w:styleId="Normal"', 'w:default="1" w:styleId="Normal"')
    return container(
        {
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>',
            "word/styles.xml": f'<w:styles xmlns:w="{WORD}">{style_rows}</w:styles>',
        },
        {
            "word/document.xml": "wordprocessingml.document.main+xml",
            "word/styles.xml": "wordprocessingml.styles+xml",
        },
        "word/document.xml",
        {"styles.xml": "styles"},
    )


def xlsx(content: tuple[Block, ...]) -> bytes:
    names = [block.text for block in content if block.kind == "title"]
    tables = [block.rows for block in content if block.kind == "table"]

    def cell(value: str, row: int, column: int) -> str:
        place = f"{chr(ord('A') + column)}{row}"
        if value.replace(".", "", 1).isdigit():
            return f'<c r="{place}"><v>{value}</v></c>'
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'

    def sheet(rows: tuple[tuple[str, ...], ...]) -> str:
        data = "".join(
            f'<row r="{r}">{"".join(cell(value, r, c) for c, value in enumerate(row))}</row>'
            for r, row in enumerate(rows, 1)
        )
        return f'<worksheet xmlns="{SHEET}"><sheetData>{data}</sheetData></worksheet>'

    entries = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(names, 1))
    paths = [f"worksheets/sheet{i}.xml" for i in range(1, len(names) + 1)]
    # One style of each sort is the least that spreadsheet programs open without complaint.
    styles = (
        f'<styleSheet xmlns="{SHEET}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="1"><xf xfId="0"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
    return container(
        {
            "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{entries}</sheets></workbook>',
            **{f"xl/{path}": sheet(rows) for path, rows in zip(paths, tables, strict=True)},
            "xl/styles.xml": styles,
        },
        {
            "xl/workbook.xml": "spreadsheetml.sheet.main+xml",
            **{f"xl/{path}": "spreadsheetml.worksheet+xml" for path in paths},
            "xl/styles.xml": "spreadsheetml.styles+xml",
        },
        "xl/workbook.xml",
        {**dict.fromkeys(paths, "worksheet"), "styles.xml": "styles"},
    )


# -- PDF -------------------------------------------------------------------------------------------

WIDTH, HEIGHT, MARGIN = 595, 842, 60
COLUMNS = 96
"""Characters of 10 point Helvetica that fit between the margins, as English text goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Texts in one font, each so many points right of the margin, ``before`` below the line above."""

    cells: tuple[tuple[int, str], ...]
    bold: bool = False
    size: int = 10
    before: int = 13


def pdf(content: tuple[Block, ...]) -> bytes:
    title = next(block.text for block in content if block.kind == "title")
    pages = list(_pages(content))
    kids = " ".join(f"{5 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode("ascii"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages, 1):
        footer = f"Marram Instruments - {title} - page {number} of {len(pages)}"
        stream = _drawn(lines) + _shown(footer, MARGIN, MARGIN // 2, bold=False, size=8)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {len(objects) + 2} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode("ascii")
        )
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(stream), stream))
    objects.append(b"<< /Title (%s) >>" % title.encode("ascii"))
    out, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(objects), len(out))
    )


def _pages(content: tuple[Block, ...]) -> Iterator[list[Line]]:
    page: list[Line] = []
    room = HEIGHT - 2 * MARGIN
    for block in content:
        lines = list(_lines(block))
        needed = sum(line.before for line in lines) + (40 if block.kind == "heading" else 0)
        if page and (block.kind == "page" or needed > room):
            yield page
            page, room = [], HEIGHT - 2 * MARGIN
        page += lines
        room -= sum(line.before for line in lines)
    yield page


def _lines(block: Block) -> Iterator[Line]:
    if block.kind == "title":
        yield Line(cells=((0, block.text),), bold=True, size=18, before=20)
    elif block.kind == "heading":
        yield Line(cells=((0, block.text),), bold=True, size=13, before=26)
    elif block.kind == "table":
        widths = [max(map(len, column)) + 3 for column in zip(*block.rows, strict=True)]
        starts = [sum(widths[:i]) * (WIDTH - 2 * MARGIN) // sum(widths) for i in range(len(widths))]
        for i, row in enumerate(block.rows):
            yield Line(cells=tuple(zip(starts, row, strict=True)), bold=i == 0, before=20 if i == 0 else 14)
    elif block.kind != "page":
        for i, line in enumerate(textwrap.wrap(block.text, COLUMNS, break_on_hyphens=False)):
            yield Line(cells=((0, line),), before=20 if i == 0 else 13)


def _drawn(lines: list[Line]) -> bytes:
    out, y = b"", HEIGHT - MARGIN
    for line in lines:
        y -= line.before
        for x, text in line.cells:
            out += _shown(text, MARGIN + x, y, bold=line.bold, size=line.size)
    return out


def _shown(text: str, x: int, y: int, *, bold: bool, size: int) -> bytes:
    raw = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F%d %d Tf %d %d Td (%s) Tj ET\n" % (2 if bold else 1, size, x, y, raw)


WRITERS: dict[str, Callable[[tuple[Block, ...]], bytes]] = {".docx": docx, ".xlsx": xlsx, ".pdf": pdf}


if __name__ == "__main__":
    for path in main(*map(Path, sys.argv[1:2])):
        print(path)
