"""Files that are made to hurt whoever reads them: small ones that become large, endless ones, and ones that ask for a
file of the machine. ``full`` are their real sizes; the short ones have the same shape.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import pictures

MEBIBYTE = 2**20
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "application/vnd.openxmlformats-officedocument"

Make = Callable[[bool, Path], tuple[str, bytes]]
"""``(full, secret)`` to name and content; ``secret`` is a file that no document may show."""


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def zeros(mebibytes: int, member: str) -> bytes:
    """An archive whose one member unpacks to so much."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(member, "w", force_zip64=True) as part,
    ):
        for _ in range(mebibytes):
            part.write(bytes(MEBIBYTE))
    return out.getvalue()


def laughs(root: str, text: str = "&a9;") -> str:
    """Ten entities, each ten times the one before: 12 GB."""
    entities = '<!ENTITY a0 "lollollollol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f"<!DOCTYPE {root} [{entities}]>" + text


def asks_for(secret: Path, root: str) -> str:
    return f'<!DOCTYPE {root} [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'


def docx(body: str, *, head: str = "", links: str = "") -> bytes:
    override = f'<Override PartName="/word/document.xml" ContentType="{_MAIN}.wordprocessingml.document.main+xml"/>'
    members = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{override}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<?xml version="1.0"?>{head}<w:document xmlns:w="{_WORD}" xmlns:r="{_OFFICE}">'
        f"<w:body>{body}</w:body></w:document>",
    }
    if links:
        members["word/_rels/document.xml.rels"] = (
            f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
        )
    return zipped(members)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(rows: str, *, head: str = "") -> bytes:
    sheet, book = f"{_MAIN}.spreadsheetml.worksheet+xml", f"{_MAIN}.spreadsheetml.sheet.main+xml"
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{book}"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet}"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
            '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>',
        }
    )


def cell(place: str, text: str = "words") -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def opendocument(kind: str, body: str, *, head: str = "") -> bytes:
    spaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"' for short in ("office", "table", "text")
    )
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f'<?xml version="1.0"?>{head}<office:document-content {spaces}><office:body>'
            f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        }
    )


def png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # a bit a point: blank paper packs to nothing
    row = b"\0" + b"\xff" * -(-side // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def endless_tiff() -> bytes:
    """A picture whose next picture is itself."""
    whole = pictures.as_file(pictures.page(["Words."], height=60), "TIFF")
    (first,) = struct.unpack("<I", whole[4:8])
    (entries,) = struct.unpack("<H", whole[first : first + 2])
    following = first + 2 + entries * 12
    return whole[:following] + struct.pack("<I", first) + whole[following + 4 :]


def pdf_of(objects: list[bytes]) -> bytes:
    """A PDF without a table of its objects; readers find them."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, one) for number, one in enumerate(objects, start=1))
    return b"%PDF-1.4\n" + body + b"trailer <</Root 1 0 R/Size %d>>\n%%%%EOF\n" % (len(objects) + 1)


def flood_pdf(mebibytes: int) -> bytes:
    """A page whose content unpacks to so much, twice packed."""
    packer, text = zlib.compressobj(9), b"BT /F1 9 Tf (words) Tj ET\n" * 40_000
    once = b"".join(packer.compress(text) for _ in range(mebibytes)) + packer.flush()
    data = zlib.compress(once, 9)
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            (
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
                b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
            ),
            b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(data), data),
        ]
    )


def dense_page(number: int, lines: int) -> list[str]:
    """As a long manual has them: sentences over the whole of it, none like another."""
    return [
        f"Line {line} of page {number} says what the part {number * lines + line} is for, and where it is to be had."
        for line in range(lines)
    ]


def circular_pdf() -> bytes:
    """A page tree that is its own branch, with a count that nobody has."""
    return pdf_of(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2000000000/Parent 2 0 R>>"]
    )


def nested_mail(depth: int) -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(depth))
    return f"From: a@x.example\r\nTo: b@x.example\r\nMIME-Version: 1.0\r\n{heads}\r\nwords\r\n".encode()


def nested_zip(depth: int, width: int) -> bytes:
    inner = zeros(10, "zeros.txt")
    for _ in range(depth):
        inner = zipped({f"{n}.zip": inner for n in range(width)})
    return inner


def _n(full: bool, small: int, large: int) -> int:
    return large if full else small


def _linked(secret: Path) -> bytes:
    """A document that wants a part of itself from a file of the machine, in the three ways of Word."""
    field = f'<w:fldSimple w:instr="INCLUDETEXT &quot;{secret}&quot;"><w:r><w:t>cached</w:t></w:r></w:fldSimple>'
    chunk, template = f'Type="{_OFFICE}/aFChunk"', f'Type="{_OFFICE}/attachedTemplate"'
    links = "".join(
        f'<Relationship Id="{name}" {kind} Target="{secret.as_uri()}" TargetMode="External"/>'
        for name, kind in (("rId8", chunk), ("rId9", template))
    )
    return docx(f'<w:p>{field}</w:p><w:altChunk r:id="rId8"/>' + paragraph("words"), links=links)


def _escaping(secret: Path) -> bytes:
    """Members whose names lead out of the folder that they would be unpacked into."""
    content = docx(paragraph("words"))
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        for name in ("../../../../escaped.txt", f"{secret.parent}/escaped.txt", "word/../../escaped.txt"):
            archive.writestr(name, "escaped")
    return out.getvalue()


BOMBS: dict[str, Make] = {
    "zip": lambda full, _: ("a.zip", zeros(_n(full, 100, 2200), "zeros")),
    "nested zip": lambda full, _: ("a.zip", nested_zip(_n(full, 2, 4), 10)),
    "docx": lambda full, _: ("a.docx", zeros(_n(full, 100, 1000), "word/document.xml")),
    "docx below the ratio": lambda full, _: ("a.docx", docx(paragraph("x") * _n(full, 500, 1_600_000))),
    "docx, deeply nested": lambda full, _: ("a.docx", docx("<w:sdt><w:sdtContent>" * _n(full, 3_000, 200_000))),
    "docx, billion laughs": lambda _, __: ("a.docx", docx(paragraph("&a9;"), head=laughs("x", ""))),
    "docx, external entity": lambda _, secret: ("a.docx", docx(paragraph("a &x; b"), head=asks_for(secret, "x"))),
    "docx, linked text": lambda _, secret: ("a.docx", _linked(secret)),
    "docx, escaping names": lambda _, secret: ("a.docx", _escaping(secret)),
    "xlsx": lambda full, _: ("a.xlsx", zeros(_n(full, 100, 1000), "xl/workbook.xml")),
    "xlsx, one cell far out": lambda _, __: ("a.xlsx", xlsx(f'<row r="1048576">{cell("XFD1048576")}</row>')),
    "xlsx, many cells": lambda full, _: ("a.xlsx", xlsx(f"<row>{cell('A1')}</row>" * _n(full, 1_000, 900_000))),
    "xlsx, billion laughs": lambda _, __: (
        "a.xlsx",
        xlsx(f'<row r="1">{cell("A1", "&a9;")}</row>', head=laughs("x", "")),
    ),
    "xlsx, external entity": lambda _, secret: (
        "a.xlsx",
        xlsx(f'<row r="1">{cell("A1", "a &x; b")}</row>', head=asks_for(secret, "x")),
    ),
    "ods, repeated cells": lambda _, __: (
        "a.ods",
        opendocument(
            "spreadsheet",
            '<table:table><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
            'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row></table:table>',
        ),
    ),
    "ods, billion laughs": lambda _, __: (
        "a.ods",
        opendocument("spreadsheet", "<text:p>&a9;</text:p>", head=laughs("x", "")),
    ),
    "ods, external entity": lambda _, secret: (
        "a.ods",
        opendocument(
            "spreadsheet",
            "<table:table><table:table-row><table:table-cell><text:p>a &x; b</text:p></table:table-cell>"
            "</table:table-row></table:table>",
            head=asks_for(secret, "x"),
        ),
    ),
    "odt, external entity": lambda _, secret: (
        "a.odt",
        opendocument("text", "<text:p>a &x; b</text:p>", head=asks_for(secret, "x")),
    ),
    "xml, billion laughs": lambda _, __: ("a.xml", laughs("x", "<x>&a9;</x>").encode()),
    "xml, external entity": lambda _, secret: ("a.xml", (asks_for(secret, "x") + "<x>a &x; b</x>").encode()),
    "xml, included": lambda _, secret: (
        "a.xml",
        f'<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{secret.as_uri()}" parse="text"/>a</x>'.encode(),
    ),
    "xml, deeply nested": lambda full, _: ("a.xml", b"<a>" * _n(full, 20_000, 2_000_000) + b"x"),
    "html, external entity": lambda _, secret: (
        "a.html",
        (asks_for(secret, "html") + f'<html><p>a &x; b<iframe src="{secret.as_uri()}"></iframe></html>').encode(),
    ),
    "html, deeply nested": lambda full, _: ("a.html", b"<div>" * _n(full, 20_000, 1_000_000) + b"words"),
    "html, wide cells": lambda _, __: (
        "a.html",
        b"<table><tr><td colspan=999999999 rowspan=999999999>words</td></tr><tr><td>more</td></tr></table>",
    ),
    "rst, included": lambda _, secret: (
        "a.rst",
        f"Words.\n\n.. include:: {secret}\n\n.. raw:: html\n   :file: {secret}\n\n.. csv-table::\n   :file: {secret}\n".encode(),
    ),
    "org, included": lambda _, secret: ("a.org", f'Words.\n\n#+INCLUDE: "{secret}"\n'.encode()),
    "markdown, deeply nested": lambda full, _: ("a.md", b"> " * _n(full, 5_000, 500_000) + b"x"),
    "json, deeply nested": lambda full, _: ("a.json", b"[" * _n(full, 50_000, 5_000_000)),
    "notebook, deeply nested": lambda full, _: (
        "a.ipynb",
        b'{"cells":' + b"[" * _n(full, 50_000, 5_000_000),
    ),
    "json, one long line": lambda full, _: (
        "a.json",
        json.dumps({"a": "word " * _n(full, 20_000, 4_000_000)}).encode(),
    ),
    "mail, deeply nested": lambda full, _: ("a.eml", nested_mail(_n(full, 300, 20_000))),
    "png": lambda full, _: ("a.png", png(_n(full, 20_000, 60_000))),
    "png below the limit": lambda full, _: ("a.png", png(_n(full, 1_000, 12_000))),
    "tiff without end": lambda _, __: ("a.tif", endless_tiff()),
    "pdf of many pages": lambda full, _: (
        "a.pdf",
        pictures.pdf([dense_page(n, _n(full, 2, 50)) for n in range(_n(full, 200, 10_000))]),
    ),
    "pdf, flood": lambda full, _: ("a.pdf", flood_pdf(_n(full, 1, 600))),
    "pdf, circular": lambda _, __: ("a.pdf", circular_pdf()),
}
