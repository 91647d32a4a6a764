"""Boundaries: where chunks end and why."""

import random
from dataclasses import replace

import pytest
from chunking_docs import code, document, heading, item, paragraph, table

from ingestor.chunking import FixedCutter, SemanticCutter, Settings
from ingestor.model import ElementKind, ParseRequest
from ingestor.parsing.pool import InlineParser

SENTENCE = "The committee meets on the first Monday of the month and keeps minutes of what it decides, number {}."


def prose(count: int, first: int = 0) -> str:
    return " ".join(SENTENCE.format(i) for i in range(first, first + count))


def cut(*blocks, target: int = 750, limit: int = 1200, **kw):
    return SemanticCutter(Settings(target=target, limit=limit)).cut(document(*blocks, **kw))


def test_a_short_document_is_one_passage() -> None:
    """What fits is not cut, headings included."""
    (passage,) = cut(heading("# Guide"), paragraph(prose(3)))
    assert passage.reason == "end"
    assert passage.text.startswith("# Guide")


def test_sections_are_parted() -> None:
    """A chunk ends before a heading where sections are long enough, and says so."""
    found = cut(*[block for i in range(6) for block in (heading(f"# Part {i}"), paragraph(prose(6, i * 6)))])
    assert [p.text.splitlines()[0] for p in found] == [f"# Part {i}" for i in range(6)]
    assert [p.reason for p in found] == ["heading"] * 5 + ["end"]
    assert [p.section for p in found] == [(f"Part {i}",) for i in range(6)]
    assert found[3].anchor == "part 3"


def test_a_passage_knows_what_it_stands_under() -> None:
    """Title and headings, the nearest last, whether or not its text holds them; a title that is the first heading
    counts once."""
    found = cut(heading("# Refunds"), heading("## In  Europe"), paragraph(prose(40)))
    assert len(found) > 2
    assert {passage.context for passage in found} == {("t", "Refunds", "In Europe")}
    document_of = document(heading("# t"), paragraph(prose(2)))
    assert [passage.context for passage in SemanticCutter().cut(document_of)] == [("t",)]


def test_the_name_of_an_item_is_not_embedded() -> None:
    """Its passages are called by it, so that they are found by it; a rename embeds nothing."""
    named = replace(document(heading("# Refunds"), paragraph(prose(2))), named=True)
    assert [(passage.called, passage.context) for passage in SemanticCutter().cut(named)] == [("t", ("Refunds",))]


PRICES = """# Price list 2026

| Part number | Name | Net price in EUR | Delivery in weeks |
|---|---|---:|---:|
""" + "\n".join(
    f"| TL-{n:04} | Tideline level logger, cable of {n} m | {n * 7 + 200}.00 | {n % 9 + 1} |" for n in range(90)
)

STEPS = "# Handover\n\nBefore a vessel leaves the yard, make sure that:\n\n" + "\n".join(
    f"- item {n} of the harbour authority's catalogue has been looked at, signed and put into the folder."
    for n in range(60)
)


@pytest.mark.parametrize(
    ("text", "header", "first"),
    [
        (PRICES, "Part number | Name | Net price in EUR | Delivery in weeks", "| TL-"),
        (STEPS, "Before a vessel leaves the yard, make sure that:", "- item "),
    ],
    ids=["table", "list"],
)
def test_what_begins_inside_a_table_or_a_list_keeps_its_header(text: str, header: str, first: str) -> None:
    """The header's cells, or the line that leads in, are context of each further chunk, embedded once for all of them
    and for the place where they stand; no body repeats them."""
    parsed = InlineParser().submit(ParseRequest(name="prices.md", content=text.encode())).result()
    begun, *further = SemanticCutter().cut(parsed)
    assert header in {unit.text for unit in begun.units}
    assert header not in begun.context
    assert len(further) > 3
    for passage in further:
        assert passage.text.startswith(first)
        assert passage.context[-1] == header
    assert "".join(passage.text for passage in (begun, *further)).count(text.splitlines()[2]) == 1


def test_a_fixed_cutter_fills_each_passage() -> None:
    """Whole units until the target is reached, headings or not; what it makes is told from what the other one makes."""
    blocks = [block for i in range(6) for block in (heading(f"# Part {i}"), paragraph(prose(6, i * 6)))]
    settings, parsed = Settings(target=1000, limit=2400), document(*blocks)
    found = FixedCutter(settings).cut(parsed)
    assert all(800 < passage.length <= 1000 for passage in found[:-1])
    assert [u for p in found for u in p.units] == [u for p in SemanticCutter(settings).cut(parsed) for u in p.units]
    assert FixedCutter(settings).recipe() != SemanticCutter(settings).recipe()
    assert FixedCutter(settings).cut(document()) == ()


def test_no_orphan_heading() -> None:
    """A heading never ends a chunk, wherever sizes would put the cut."""
    for size in range(4, 14):
        found = cut(paragraph(prose(size)), heading("# One"), heading("## Two"), paragraph(prose(9, 20)))
        assert not any(p.text.endswith(("# One", "## Two")) for p in found)


def test_a_lead_in_stays_with_its_list() -> None:
    """ "You need:" stands in the chunk of the first item."""
    for size in range(4, 14):
        items = [item(f"- thing number {i} that you have to bring along to the office") for i in range(12)]
        found = cut(paragraph(prose(size)), paragraph("You need the following:"), *items)
        assert not any(p.text.endswith("following:") for p in found)


def test_tables_and_code_stay_whole() -> None:
    """A table or code block that fits into a chunk is not cut."""
    rows = "\n".join(f"| row number {i} of the table | value {i * 7} |" for i in range(22))
    lines = "\n".join(f"value_{i} = compute({i}, scale={i * 3}, verbose=False)" for i in range(16))
    for block, whole in ((table(rows), rows), (code(lines), lines)):
        for size in range(3, 12):
            found = cut(paragraph(prose(size)), block, paragraph(prose(8, 30)))
            assert any(whole in p.text for p in found)


def test_a_large_table_is_cut_between_rows() -> None:
    """A table above the limit is cut at rows, and its header never stands alone."""
    rows = [
        "| name of the thing | value of it |",
        "|---|---|",
        *(f"| row number {i} | value {i * 7} |" for i in range(120)),
    ]
    found = cut(paragraph(prose(7)), table("\n".join(rows)))
    assert len(found) > 3
    assert all(p.text.rstrip().endswith("|") or p.text.endswith(".") for p in found)
    assert not any(p.text.endswith(("value of it |", "|---|---|")) for p in found)


def test_slides_are_parted() -> None:
    """A chunk ends where a slide does, when slides have some text."""
    slides = [(ElementKind.PARAGRAPH, prose(5, i * 5), i + 1) for i in range(5)]
    found = cut(*slides, kind="pptx", pages=True)
    assert [p.page for p in found] == [1, 2, 3, 4, 5]
    assert found[0].reason == "page"


def test_lines_count_from_one() -> None:
    """Lines are those of the text, both ends included; without lines there are none."""
    doc = document(heading("# A"), paragraph(prose(6)), heading("# B"), paragraph(prose(6, 6)))
    assert [p.lines for p in SemanticCutter().cut(doc)] == [(1, 3), (5, 7)]
    blind = type(doc)(text=doc.text, elements=doc.elements, title="", kind="pdf")
    assert SemanticCutter().cut(blind)[0].lines is None


def test_sizes_follow_the_settings() -> None:
    """Prose without structure comes out near the target, never above the limit."""
    rng = random.Random(4)
    text = " ".join(
        " ".join(
            rng.choices("red blue green yellow over under house tree road".split(), k=rng.randint(6, 24))
        ).capitalize()
        + "."
        for _ in range(900)
    )
    for target, limit in ((300, 500), (750, 1200), (1500, 2000)):
        found = cut(paragraph(text), target=target, limit=limit)
        mean = sum(p.length for p in found) / len(found)
        assert 0.8 * target < mean < 1.2 * target
        assert max(p.length for p in found) <= limit


def test_a_limit_below_the_longest_unit_holds() -> None:
    """With a tiny limit units are split further."""
    assert max(p.length for p in cut(paragraph(prose(9)), target=100, limit=150)) <= 150


def test_equal_text_gives_equal_chunks() -> None:
    """In text that repeats itself almost all chunks are equal, and a shift changes only the ends."""
    sentence = "This sentence is the same as all the others. "
    before = cut(paragraph(sentence * 1000))
    after = cut(paragraph(sentence * 1001))
    assert len({p.text for p in before}) <= 2
    assert len({p.text for p in before} | {p.text for p in after}) <= 4


def test_the_recipe_names_the_settings() -> None:
    """Other settings are another recipe; the same settings are the same."""
    assert SemanticCutter().recipe() == SemanticCutter(Settings()).recipe()
    assert SemanticCutter().recipe() != SemanticCutter(Settings(target=700)).recipe()
    assert SemanticCutter().recipe().startswith("semantic.")


def test_nonsense_settings_are_refused() -> None:
    """A target above the limit, or none at all, is an error."""
    with pytest.raises(ValueError, match="limit"):
        Settings(target=900, limit=800)
    with pytest.raises(ValueError, match="positive"):
        Settings(target=0)


def test_no_heavy_import() -> None:
    """Cutting needs the standard library alone."""
    import subprocess
    import sys

    probe = (
        "import sys, ingestor.chunking; print([m for m in ('numpy', 'torch', 'spacy', 'regex') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
