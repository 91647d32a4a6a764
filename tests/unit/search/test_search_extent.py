"""How much text a hit shows: merged neighbours, and passages around the best sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor.chunking.cutter import SemanticCutter, Settings
from ingestor.model import Candidate, ChunkId, DocId, Hash, Hit, ParseRequest, Passage, UnitId
from ingestor.parsing.pool import InlineParser
from ingestor.search.extent import MERGED_FIRST, MERGED_MOST, Grown, grown, merged, narrowed, unit_places

HANDBOOK = Path(__file__).parents[2] / "data" / "handbook"
TEXT = "# Title\n\nOne is here. Two is there.\n\n- A first item\n- A second item\n"


def cut(text: str, target: int = 20) -> tuple[Passage, ...]:
    document = InlineParser().submit(ParseRequest(name="a.md", content=text.encode())).result()
    return SemanticCutter(Settings(target=target, limit=2 * target)).cut(document)


def hit(place: int, *, score: float = 1.0, document: str = "d", **changes: object) -> Hit:
    """Ten characters a hit, two characters apart, a line each."""
    values: dict[str, object] = {
        "chunk_id": ChunkId(f"c{place}"),
        "document_id": DocId(document),
        "source": "s",
        "title": "T",
        "uri": "u",
        "url": "file:///x",
        "section": ("T",),
        "page": None,
        "lines": (1 + 2 * place, 1 + 2 * place),
        "span": (12 * place, 12 * place + 10),
        "score": score,
        "text": f"{place:010}",
        "revision": 1,
        "ingested_at": 0.0,
        "place": place,
    }
    return Hit(**{**values, **changes})  # type: ignore[arg-type]


def test_neighbours_become_one_hit() -> None:
    """With span, lines and text of all of it, and the chunk and score of the best part."""
    both, other = merged([hit(3, score=0.9), hit(7, score=0.8), hit(2, score=0.7)])
    assert (both.chunk_id, both.score, both.span, both.lines) == ("c3", 0.9, (24, 46), (5, 7))
    assert both.text == "0000000002\n\n0000000003"
    assert other == hit(7, score=0.8)


def test_what_is_not_side_by_side_stays_apart() -> None:
    """A gap of one passage, another document, another revision."""
    hits = [hit(1), hit(3), hit(2, document="e"), hit(4, revision=2)]
    assert merged(hits) == hits


def test_a_merged_hit_has_a_greatest_length() -> None:
    """What would make it longer begins a hit of its own."""
    wide = [hit(n, span=(n * 1000, n * 1000 + 990)) for n in (0, 1)]
    assert MERGED_MOST < 1990
    assert merged(wide) == wide


def test_only_the_first_hits_are_merged() -> None:
    """Those further down stay as they are, behind."""
    first = [hit(10 * n) for n in range(MERGED_FIRST)]
    assert merged([*first, hit(1)]) == [*first, hit(1)]


def test_of_a_merged_hit_the_section_is_what_all_parts_share() -> None:
    """A citation never says that text stands under a heading that it does not stand under."""
    (both,) = merged([hit(1, section=("T", "A")), hit(2, section=("T", "B"), page=4, anchor="b")])
    assert (both.section, both.page, both.anchor) == (("T",), None, None)


@pytest.mark.parametrize("target", [20, 60, 400])
def test_a_merged_hit_reads_as_its_span_in_the_document(target: int) -> None:
    """Where lines are known, what stood between two passages of plain paragraphs is restored to the character."""
    text = "\n\n".join(f"Paragraph {n} speaks of {n} things and of nothing else." for n in range(9)) + "\n"
    passages = cut(text, target)
    hits = [hit(n, span=(p.start, p.end), lines=p.lines, text=p.text) for n, p in enumerate(passages)]
    (whole,) = merged(hits)
    assert whole.text == text[whole.span[0] : whole.span[1]]
    assert whole.lines == (1, text[: whole.span[1]].count("\n") + 1)


# -- passages -------------------------------------------------------------------------------------------


def candidate(row: int, *units: tuple[int, int]) -> Candidate:
    packed = tuple((UnitId(unit), weight) for unit, weight in units)
    return Candidate(chunk=row, chunk_id=ChunkId(f"c{row}"), document=row, text_hash=Hash(b"%d" % row), units=packed)


def extents(parts: list[Grown]) -> list[tuple[int, int, int]]:
    return [(part.candidate.chunk, part.first, part.last) for part in parts]


def test_a_passage_grows_to_the_better_side() -> None:
    """From the best unit, while it fits; what is left of the chunk is a passage of its own."""
    chunk = candidate(1, (1, 10), (2, 10), (3, 10), (4, 10))
    near = {1: [0.3, 0.9, 0.5, 0.1]}
    assert extents(grown({1: 0.5}, [chunk], near, 20, 9)) == [(1, 1, 3), (1, 0, 1), (1, 3, 4)]
    assert extents(grown({1: 0.5}, [chunk], near, 30, 9)) == [(1, 0, 3), (1, 3, 4)]
    assert extents(grown({1: 0.5}, [chunk], near, 30, 1)) == [(1, 0, 3)]


def test_a_passage_never_breaks_a_unit() -> None:
    """A unit that is longer than what was asked for is shown whole."""
    assert extents(grown({1: 0.5}, [candidate(1, (1, 90), (2, 5))], {1: [0.9, 0.1]}, 20, 1)) == [(1, 0, 1)]


def test_the_chunk_says_half_of_a_passages_score() -> None:
    """A near sentence in a passage about something else gives way to one where both are near."""
    parts = grown({1: 0.1, 2: 0.8}, [candidate(1, (1, 9)), candidate(2, (2, 9))], {1: [0.8], 2: [0.6]}, 20, 9)
    assert extents(parts) == [(2, 0, 1), (1, 0, 1)]
    assert [part.score for part in parts] == pytest.approx([0.7, 0.45])


def test_the_same_sentences_are_shown_once() -> None:
    """Wherever else they stand."""
    same = [candidate(1, (1, 9), (2, 9)), candidate(2, (1, 9), (3, 9))]
    assert extents(grown({1: 0.5, 2: 0.4}, same, {1: [0.9, 0.1], 2: [0.9, 0.1]}, 9, 9))[:2] == [(1, 0, 1), (1, 1, 2)]


def test_a_chunk_that_is_not_embedded_is_taken_whole() -> None:
    """It was found by its words; nobody knows which of its sentences is near."""
    assert extents(grown({1: 0.5}, [candidate(1, (1, 9), (2, 9))], {}, 9, 9)) == [(1, 0, 2)]


def test_a_passage_is_cited_by_its_own_lines() -> None:
    """Span, lines and text are those of the sentences that are shown."""
    (passage,) = cut(TEXT, 400)
    strings = [unit.text for unit in passage.units]
    whole = hit(0, text=passage.text, span=(passage.start, passage.end), lines=passage.lines)
    at = next(n for n, string in enumerate(strings) if "Two" in string)
    part = Grown(candidate=candidate(1, *((n, 9) for n in range(len(strings)))), first=at, last=at + 1, score=0.4)
    shown = narrowed(whole, part, strings)
    assert TEXT[shown.span[0] : shown.span[1]] == shown.text
    assert shown.text.endswith("Two is there.")
    assert (shown.lines, shown.score) == ((3, 3), 0.4)


def test_where_units_cannot_be_found_the_hit_is_whole() -> None:
    """Better too much than a piece that is not what was scored."""
    part = Grown(candidate=candidate(1, (1, 9), (2, 9)), first=1, last=2, score=0.4)
    assert narrowed(hit(0), part, ["not", "there"]).text == hit(0).text
    assert narrowed(hit(0), part, []).text == hit(0).text


def test_a_bullet_belongs_to_what_follows() -> None:
    """Markup that is not embedded stands between two units; a full stop ends what is before it."""
    text = "See [the list](http://x/see). Now:\n\n- one, *two*\n- three\n```\nx = 1\n```"
    places = unit_places(text, ["See the list.", "Now:", "one, *two*", "three", "x = 1"])
    assert places is not None
    assert [text[a:b] for a, b in places] == [
        "See [the list](http://x/see).",
        "Now:",
        "- one, *two*",
        "- three\n```",
        "x = 1\n```",
    ]


def test_units_of_the_handbook_are_found_again() -> None:
    """In every text document each unit's place is told from its string as the cutter knew it."""
    parser, checked = InlineParser(), 0
    for path in sorted(HANDBOOK.rglob("*.md")):
        document = parser.submit(ParseRequest(name=path.name, content=path.read_bytes())).result()
        for passage in SemanticCutter().cut(document):
            places = unit_places(passage.text, [unit.text for unit in passage.units])
            assert places is not None
            found = [passage.text[a:b].strip() for a, b in places]
            assert found == [document.text[unit.start : unit.end].strip() for unit in passage.units]
            checked += len(found)
    assert checked > 200
