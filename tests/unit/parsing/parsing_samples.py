"""Files of every format, made here with known text: office files by their libraries, the rest by hand."""

from __future__ import annotations

import hashlib
import io
import zipfile
from email.message import EmailMessage

import ole_samples

MARKDOWN = b"""---
title: "Refund policy"
---

# Refunds

Refunds take 14 days.

## What you need

You need:

- a receipt
- the form

| Class | Limit |
|-------|-------|
| eco   | 007   |

```sh
refund --all
```

> quoted words
"""

HTML = b"""<!doctype html><html lang="en-GB"><head><title>Refunds - Handbook</title>
<style>p { color: red }</style></head><body>
<nav><a href="/">Home</a></nav><header>Site banner</header>
<div id="content"><h1 id="top">Refunds</h1><p>Refunds take <b>14</b> days.</p>
<h2 id="need">What you need<a class="headerlink" href="#need">P</a></h2><p>You need:</p>
<ul><li>a receipt</li><li>the form</li></ul>
<table><tr><th>Class</th><th>Limit</th></tr><tr><td>eco</td><td>007</td></tr></table>
<pre>refund --all
  --now</pre>
<figure><img src="x.png" alt="A chart"><figcaption>Refunds by month</figcaption></figure>
<details><summary>More</summary>Hidden detail.</details><form><p>Inside a form.</p></form></div>
<footer>Imprint</footer><script>alert("no")</script></body></html>
"""


def docx() -> bytes:
    import docx as library

    document = library.Document()
    document.add_heading("Refunds", 1)
    document.add_paragraph("Refunds take 14 days.")
    document.add_heading("What you need", 2)
    document.add_paragraph("You need:")
    document.add_paragraph("a receipt", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for row, values in enumerate((("Class", "Limit"), ("eco", "007"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    document.core_properties.title = "Refund policy"
    return _saved(document)


def pptx() -> bytes:
    import pptx as library

    deck = library.Presentation()
    for title, body, notes in (
        ("Refunds", "They take 14 days\nBring A Receipt", "Smile first."),
        ("Budget", "It is 007", ""),
    ):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    return _saved(deck)


def xlsx() -> bytes:
    import datetime as dt

    import openpyxl

    book = openpyxl.Workbook()
    fees = book.active
    fees.title = "Fees"
    for row in (
        ["Fees of the year that everybody has to know by heart"],
        [],
        ["Country", "Code", "From", "Share", "Paid"],
        ["NA", "007", dt.date(2026, 1, 2), 0.25, True],
        ["null", "1.10", None, 3.0, None],
    ):
        fees.append(row)
    fees["D4"].number_format = "0%"
    other = book.create_sheet("Limits")
    other.append(["a", "b"])
    other.append([1, 2.5])
    book.create_sheet("Empty")
    return _saved(book)


def _saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]  # the three libraries agree on this
    return stream.getvalue()


def email() -> bytes:
    message = EmailMessage()
    message["From"] = "Ann <ann@corp.example>"
    message["To"] = "bob@corp.example"
    message["Subject"] = "Café refunds"
    message["Date"] = "Mon, 05 Jan 2026 10:00:00 +0000"
    message.set_content("plain body that is not wanted")
    message.add_alternative("<html><body><p>Refunds take <b>14</b> days.</p></body></html>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="receipt.pdf")
    return message.as_bytes()


def epub() -> bytes:
    return _zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:'
            'opendocument:xmlns:container"><rootfiles><rootfile full-path="book.opf" '
            'media-type="application/oebps-package+xml"/></rootfiles></container>',
            "book.opf": '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
            'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">x'
            "</dc:identifier><dc:title>Refund &amp; return book</dc:title><dc:language>en</dc:language></metadata>"
            '<manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="c"/></spine></package>',
            "c.xhtml": '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>c</title></head>'
            "<body><h1>Refunds</h1><p>Refunds take 14 days.</p></body></html>",
        }
    )


def odt() -> bytes:
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    return _zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{office}manifest:1.0"/>',
            "content.xml": f'<office:document-content xmlns:office="{office}office:1.0" xmlns:text="{office}text:1.0">'
            '<office:body><office:text><text:h text:outline-level="1">Refunds</text:h>'
            "<text:p>Refunds take 14 days.</text:p></office:text></office:body></office:document-content>",
            "styles.xml": f'<office:document-styles xmlns:office="{office}office:1.0"><office:font-face-decls/><office:styles/>'
            "<office:automatic-styles/><office:master-styles/></office:document-styles>",
            "meta.xml": f'<office:document-meta xmlns:office="{office}office:1.0" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>Refund policy</dc:title></office:meta>'
            "</office:document-meta>",
        }
    )


_NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        *(("office", "office"), ("table", "table"), ("text", "text")),
        *(("draw", "drawing"), ("presentation", "presentation")),
    )
)


def opendocument(kind: str, body: str) -> bytes:
    content = (
        f"<office:document-content {_NAMES}><office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>"
    )
    return _zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


RTF = rb"{\rtf1\ansi\ansicpg1252 {\pard Refunds take 14 days, caf\'e9.\par}{\pard Second.\par}}"


def _zipped(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, stored)
    return stream.getvalue()


def bomb() -> bytes:
    """A docx of 300 KB that unpacks to 300 MB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(300):
            part.write(bytes(2**20))
    return stream.getvalue()


def pdf(
    pages: list[list[tuple[int, int, str]]] | None = None, *, title: str = "", password: bytes | None = None
) -> bytes:
    """Pages of (font size, height on the page, text) lines; ``password`` encrypts it (RC4, 40 bits)."""
    if pages is None:
        pages = [
            [
                (24, 720, "Refunds"),
                (12, 690, "Refunds take fourteen days and are paid by the de-"),
                (12, 676, "partment that sold the ticket to the traveller."),
                (12, 645, "A second paragraph stands further down."),
            ],
            [(12, 720, "Page two has other words.")],
        ]
    key = _pdf_key(password) if password is not None else None
    objects = [b"", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"]
    kids = []
    for lines in pages:
        drawn = b"".join(
            b"BT /F1 %d Tf 72 %d Td (%s) Tj ET\n" % (size, height, _pdf_string(text)) for size, height, text in lines
        )
        number = len(objects) + 1
        body = _rc4(_object_key(key, number), drawn) if key is not None else drawn
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(body), body))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % number
        )
        kids.append(len(objects))
    objects[0] = b"<</Type/Catalog/Pages 2 0 R>>"
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    trailer = b"/Root 1 0 R"
    if title:
        objects.append(b"<</Title(%s)>>" % _pdf_string(title))
        trailer += b"/Info %d 0 R" % len(objects)
    if password is not None and key is not None:
        user = _rc4(key, _PAD)
        objects.append(
            b"<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>" % (_owner(password).hex().encode(), user.hex().encode())
        )
        trailer += b"/Encrypt %d 0 R/ID[<00><00>]" % len(objects)
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        trailer,
        len(out),
    )


_PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def _pdf_string(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _owner(password: bytes) -> bytes:
    padded = (password + _PAD)[:32]
    return _rc4(hashlib.md5(padded).digest()[:5], padded)


def _pdf_key(password: bytes) -> bytes:
    permissions = (-4).to_bytes(4, "little", signed=True)
    return hashlib.md5((password + _PAD)[:32] + _owner(password) + permissions + b"\0").digest()[:5]


def _object_key(key: bytes, number: int) -> bytes:
    return hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def encrypted_office(content: bytes) -> bytes:
    from msoffcrypto.format.ooxml import OOXMLFile

    stream = io.BytesIO()
    OOXMLFile(io.BytesIO(content)).encrypt("secret", stream)
    return stream.getvalue()


def every_format() -> dict[str, bytes]:
    """A name and content for each format, all of which say that refunds take 14 days."""
    return {
        "refunds.txt": b"Refunds take 14 days.\n\nSecond paragraph\nof two lines.\n",
        "refunds.md": MARKDOWN,
        "refunds.html": HTML,
        "refunds.xml": b"<policy v='2'><name>Refunds</name><p>Refunds take <b>14</b> days.</p></policy>",
        "refunds.json": b'{"name": "Refunds", "text": "Refunds take 14 days.", "limit": 1.10}',
        "refunds.csv": b"what,text\nrefund,Refunds take 14 days.\n",
        "refunds.docx": docx(),
        "refunds.pptx": pptx(),
        "refunds.xlsx": xlsx(),
        "refunds.pdf": pdf(),
        "refunds.eml": email(),
        "refunds.epub": epub(),
        "refunds.odt": odt(),
        "refunds.rtf": RTF,
        "refunds.rst": b"Refunds\n=======\n\nRefunds take 14 days.\n\n- a receipt\n",
        "refunds.org": b"* Refunds\nRefunds take 14 days.\n- a receipt\n",
        "refunds.adoc": b"= Refunds\n\nRefunds take 14 days.\n\n* a receipt\n",
        "refunds.ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# Refunds\\n", "They take 14 days."]}]}',
        "refunds.ods": opendocument(
            "spreadsheet",
            '<table:table table:name="Refunds"><table:table-row><table:table-cell><text:p>14 days</text:p>'
            "</table:table-cell></table:table-row></table:table>",
        ),
        "refunds.odp": opendocument(
            "presentation", "<draw:page><draw:frame><text:p>Refunds take 14 days.</text:p></draw:frame></draw:page>"
        ),
        "refunds.xls": ole_samples.xls(),
        "refunds.msg": ole_samples.msg(),
    }
