"""Office files made here of known passages, with everything that a reader of paragraphs alone would miss.

Each maker returns the file and its passages in the order in which a person reads them.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument."
_COUNTRIES = "Argentina Belgium Cameroon Denmark Ecuador Finland Germany Hungary Iceland Jordan".split()


def sentences(topic: str, count: int) -> list[str]:
    """Sentences that differ from all others, so that each has one place."""
    verbs = "asks waits pays writes calls signs prints counts".split()
    return [
        f"The {topic} of {_COUNTRIES[n % 10]} {verbs[n % 8]} for {topic}{n} before noon, item {n} of {count}."
        for n in range(count)
    ]


def edited(content: bytes, changed: dict[str, str], patterns: dict[str, tuple[str, str]]) -> bytes:
    """The archive with members added, and others with the first of a pattern replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            body = given.read(name)
            if name in patterns:
                pattern, put = patterns[name]
                text, count = re.subn(pattern, lambda _, put=put: put, body.decode(), count=1)
                assert count == 1, (name, pattern)
                body = text.encode()
            made.writestr(name, body)
        for name, text in changed.items():
            made.writestr(name, text)
    return out.getvalue()


# -- docx --------------------------------------------------------------------------------------------


def _run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def _text_box(text: str) -> str:
    """As Word writes it: for current programs, and once more for old ones."""
    inside = f"<w:txbxContent><w:p>{_run(text)}</w:p></w:txbxContent>"
    return (
        '<w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        '<mc:Choice Requires="wps"><w:drawing><wps:wsp xmlns:wps="http://schemas.microsoft.com/office/word/2010/'
        f'wordprocessingShape"><wps:txbx>{inside}</wps:txbx></wps:wsp></w:drawing></mc:Choice>'
        f'<mc:Fallback><w:pict><v:textbox xmlns:v="urn:schemas-microsoft-com:vml">{inside}</v:textbox></w:pict>'
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )


def docx(*, strict: bool = False) -> tuple[bytes, list[str]]:
    import docx as library
    from docx.oxml import parse_xml

    document = library.Document()
    passages: list[str] = []

    def paragraph(text: str, style: str | None = None, after: str = "") -> None:
        document.add_paragraph(text, style=style)
        passages.append(text)
        if after:
            node = parse_xml(f'<w:p xmlns:w="{_W}">{after}</w:p>')
            document.element.body.insert(len(document.element.body) - 1, node)

    section = document.sections[0]
    section.header.paragraphs[0].text = "Harbour authority, circular 12"
    section.footer.paragraphs[0].text = "Printed on recycled paper"
    passages.append("Harbour authority, circular 12")
    document.add_heading("Moorings", 1)
    passages.append("Moorings")
    for n, text in enumerate(sentences("mooring", 40)):
        note = f"Footnote {n} says where mooring{n} lies."
        reference = f'<w:r><w:footnoteReference w:id="{n + 2}"/></w:r>'
        paragraph(text, after=_run(f"Tail of {n}.") + reference + _text_box(f"Boxed remark {n}."))
        passages += [f"Tail of {n}.", f"Boxed remark {n}.", note]
    document.add_heading("Lists", 2)
    passages.append("Lists")
    for n, text in enumerate(sentences("list", 30)):
        paragraph(text, style=("List Bullet", "List Bullet 2", "List Bullet 3")[n % 3])
    table = document.add_table(rows=11, cols=3)
    for row in range(11):
        for column in range(3):
            text = f"cell {row} {column}" if row else ("Country", "Berth", "Fee")[column]
            table.cell(row, column).text = text
        passages.append(" | ".join(f"cell {row} {c}" for c in range(3)) if row else "Country | Berth | Fee")
    table.cell(5, 0).merge(table.cell(5, 1)).text = "cell 5 0 and 1"
    passages[-6] = "cell 5 0 and 1 |  | cell 5 2"
    columns = document.add_section()
    columns._sectPr.append(parse_xml(f'<w:cols xmlns:w="{_W}" w:num="2" w:space="708"/>'))
    document.add_heading("Two columns", 2)
    passages.append("Two columns")
    for text in sentences("column", 40):
        paragraph(text)
    body = document.element.body
    for markup, shown in (
        (
            "<w:r><w:t>hyphen</w:t><w:softHyphen/><w:t>ation of a soft\u00adly broken word</w:t></w:r>",
            "hyphenation of a softly broken word",
        ),
        ("<w:r><w:t>A well</w:t><w:noBreakHyphen/><w:t>known word</w:t></w:r>", "A well-known word"),
        (
            f"<w:ins>{_run('Put in by Ann.')}</w:ins><w:del><w:r><w:delText>Taken out.</w:delText></w:r></w:del>",
            "Put in by Ann.",
        ),
        (f"<w:sdt><w:sdtContent>{_run('In a form field.')}</w:sdtContent></w:sdt>", "In a form field."),
        (f"<w:hyperlink>{_run('The text of a link.')}</w:hyperlink>", "The text of a link."),
    ):
        body.insert(len(body) - 1, parse_xml(f'<w:p xmlns:w="{_W}">{markup}</w:p>'))
        passages.append(shown)
    passages.append("Printed on recycled paper")
    stream = io.BytesIO()
    document.save(stream)
    notes = "".join(
        f'<w:footnote w:id="{n + 2}"><w:p>{_run(f"Footnote {n} says where mooring{n} lies.")}</w:p></w:footnote>'
        for n in range(40)
    )
    separator = f'<w:footnote w:type="separator" w:id="0"><w:p>{_run("separator")}</w:p></w:footnote>'
    content = edited(
        stream.getvalue(),
        {"word/footnotes.xml": f'<w:footnotes xmlns:w="{_W}">{separator}{notes}</w:footnotes>'},
        {
            "[Content_Types].xml": (
                "</Types>",
                f'<Override PartName="/word/footnotes.xml" ContentType="{_CONTENT}wordprocessingml.footnotes+xml"/></Types>',
            ),
            "word/_rels/document.xml.rels": (
                "</Relationships>",
                f'<Relationship Id="rIdNotes" Type="{_R}/footnotes" Target="footnotes.xml"/></Relationships>',
            ),
        },
    )
    return (_as_strict(content) if strict else content), passages


def word_of(body: str) -> bytes:
    """The smallest Word file: a body and nothing else, found by its usual name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>')
    return stream.getvalue()


def _as_strict(content: bytes) -> bytes:
    """With the namespaces of the ISO standard, as "Strict Open XML Document" saves it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            body = given.read(name)
            body = body.replace(_W.encode(), b"http://purl.oclc.org/ooxml/wordprocessingml/main")
            made.writestr(name, body.replace(_R.encode(), b"http://purl.oclc.org/ooxml/officeDocument/relationships"))
    return out.getvalue()


# -- pptx --------------------------------------------------------------------------------------------


def pptx() -> tuple[bytes, list[str]]:
    import pptx as library
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    deck = library.Presentation()
    passages: list[str] = []

    def box(shapes: object, left: float, top: float, text: str) -> None:
        shape = shapes.add_textbox(Inches(left), Inches(top), Inches(3), Inches(1))  # type: ignore[attr-defined]
        shape.text_frame.text = text
        passages.append(text)

    for n, text in enumerate(sentences("slide", 12)):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = f"Slide title {n}"
        passages.append(f"Slide title {n}")
        box(slide.shapes, -0.2, 1.4, f"Banner {n} reaches over the edge.")
        box(slide.shapes, 1, 1.5, f"Left column {n} stands first.")
        box(slide.shapes, 5, 1.5, f"Right column {n} stands beside it.")
        group = slide.shapes.add_group_shape()
        box(group.shapes, 1, 3, f"Grouped words {n} belong together.")
        table = slide.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
        for row in range(2):
            for column in range(2):
                table.cell(row, column).text = f"field {n} {row} {column}"
            passages.append(f"field {n} {row} 0 | field {n} {row} 1")
        box(slide.shapes, 1, 5.5, text)
        data = CategoryChartData()
        data.categories = [f"spring{n}", f"autumn{n}"]
        data.add_series(f"Ships {n}", (10 + n, 20 + n))
        place = (Inches(5), Inches(3), Inches(3), Inches(2))
        slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data)
        passages += [f"spring{n} | autumn{n}", f"Ships {n} | {10 + n} | {20 + n}"]
        slide.notes_slide.notes_text_frame.text = f"Speak slowly here, number {n}."
        passages.append(f"Speak slowly here, number {n}.")
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue(), passages


# -- xlsx --------------------------------------------------------------------------------------------


def xlsx() -> tuple[bytes, list[str]]:
    import openpyxl
    from openpyxl.chart import BarChart, Reference

    book = openpyxl.Workbook()
    fees = book.active
    fees.title = "Fees"
    passages = ["Fees"]
    fees.append(["Country", "Berth", "From", "Share", "Sum"])
    passages.append("Country | Berth | From | Share | Sum")
    for n, text in enumerate(sentences("fee", 40), start=2):
        fees.append([text, f"{n:03}", dt.date(2026, 1, 1) + dt.timedelta(days=n), n / 100, 0.1 * n])
        fees.cell(n, 4).number_format = "0%"
        day = dt.date(2026, 1, 1) + dt.timedelta(days=n)
        passages.append(f"{text} | {n:03} | {day} | {n}% | {0.1 * n:.15g}")
    fees.merge_cells("A43:B43")
    fees["A43"] = "All of them together"
    fees["E43"] = "=SUM(E2:E41)"
    passages.append("All of them together |  |  |  | 4242")
    chart = BarChart()
    chart.title = "Fees of the year"
    chart.add_data(Reference(fees, min_col=5, min_row=1, max_row=5), titles_from_data=True)
    fees.add_chart(chart, "H2")
    passages += ["Look at the boxed advice", "Fees of the year"]
    hours = book.create_sheet("Hours")
    hours.append(["Day", "Opens"])
    hours.append(["Monday", dt.time(9, 30)])
    passages += ["Hours", "Day | Opens", "Monday | 09:30:00"]
    stream = io.BytesIO()
    book.save(stream)
    shape = (
        '<xdr:absoluteAnchor xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><xdr:sp><xdr:txBody><a:p><a:r>'
        "<a:t>Look at the boxed advice</a:t></a:r></a:p></xdr:txBody></xdr:sp></xdr:absoluteAnchor>"
    )
    content = edited(
        stream.getvalue(),
        {},
        {
            "xl/worksheets/sheet1.xml": (
                r"<f>SUM\(E2:E41\)</f><v ?/>|<f>SUM\(E2:E41\)</f><v></v>",
                "<f>SUM(E2:E41)</f><v>4242</v>",
            ),
            "xl/drawings/drawing1.xml": (r"</(\w+:)?wsDr>", f"{shape}</wsDr>"),
        },
    )
    return content, passages
