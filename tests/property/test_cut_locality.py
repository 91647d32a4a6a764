"""How far one edit reaches: rows of chunks and units, over many kinds of text."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from statistics import mean, pstdev

import pytest

from ingestor.chunking import SemanticCutter
from ingestor.chunking.cut import cut
from ingestor.chunking.units import Joint, Piece
from ingestor.model import ElementKind, Unit
from tests.support.edited_texts import EditKind, TextKind, Texts, edits, parsed
from tests.support.faults_report import campaign_seed, write_report

MOST_ROWS = 4
NO_LIMIT = 10**9
# One edit in so many may change more, in the mean of all kinds of text.
RARE = 1_000


def _pieces(rng: random.Random, count: int) -> list[Piece]:
    """Sentences of one paragraph, all different."""
    return [_sentence(rng) for _ in range(count)]


def _sentence(rng: random.Random) -> Piece:
    size = rng.randint(25, 260)
    return Piece(
        unit=Unit(text=f"{rng.getrandbits(60)}", start=0, end=size, weight=size),
        size=size,
        gap=1,
        joint=Joint.SENTENCE,
        kind=ElementKind.PARAGRAPH,
        element=0,
    )


def _chunks(pieces: list[Piece], limit: int = NO_LIMIT) -> Counter[tuple[str, ...]]:
    firsts = [*cut(pieces, 750, limit), len(pieces)]
    return Counter(tuple(piece.unit.text for piece in pieces[a:b]) for a, b in pairwise(firsts))


@pytest.mark.parametrize("seed", range(4))
def test_an_edit_of_running_text_changes_at_most_four_rows(seed: int) -> None:
    """Where no chunk exceeds the limit, every replaced, inserted or deleted sentence of a text without
    paragraphs makes one border come, go or move: this is no matter of luck."""
    rng = random.Random(seed)
    for _ in range(6):
        pieces = _pieces(rng, 120)
        before = _chunks(pieces)
        for index in range(1, len(pieces)):
            kind = rng.choice(list(EditKind))
            new = [] if kind is EditKind.DELETE else [_sentence(rng)]
            after = _chunks([*pieces[:index], *new, *pieces[index + (kind is not EditKind.INSERT) :]])
            assert (before - after).total() + (after - before).total() <= MOST_ROWS


@pytest.mark.parametrize("kind", TextKind)
def test_an_edit_changes_few_rows(kind: TextKind) -> None:
    """One edited sentence, line or row changes at most four rows of chunks, and embeds at most two units. The seed
    is fixed: where chunks exceed the limit the rule is one of chance, and has the long form."""
    found = list(edits(Texts(kind, 1), SemanticCutter(), size=6_000, count=24))
    assert max(edited.rows for edited in found) <= MOST_ROWS
    assert max(edited.embedded for edited in found) <= 2


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_thousand_edits() -> None:
    """Of 20,000 edits all but one in 1,000 at most change no more than four rows; the report says how many do, by kind."""
    seed = campaign_seed()
    cutter, total = SemanticCutter(), Counter[int]()
    lines = [
        "`python -m pytest -m long tests/property/test_cut_locality.py -s`",
        "",
        f"Seed {seed}. One sentence, line or row replaced, inserted or deleted; rows are chunks that leave and come.",
        "",
        f"| text | edits | above {MOST_ROWS} rows | rows: edits | units embedded, most | length of chunks | longest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in TextKind:
        rows, embedded, lengths = Counter[int](), 0, []
        for document in range(38):
            texts = Texts(kind, seed + document)
            for edited in edits(texts, cutter, size=9_000, count=60):
                rows[edited.rows] += 1
                embedded = max(embedded, edited.embedded)
            sample = cutter.cut(parsed(Texts(kind, seed + document).text(9_000)))
            lengths.extend(passage.length for passage in sample)
        total += rows
        spread = f"{mean(lengths):.0f} ± {pstdev(lengths):.0f}"
        lines.append(
            f"| {kind} | {rows.total():,} | {_above(rows)} | {_shares(rows)} | {embedded} | {spread} | {max(lengths)} |"
        )
    lines.append(f"| all | {total.total():,} | {_above(total)} | {_shares(total)} | | | |")
    write_report("locality.md", "What one edited sentence changes", lines)
    assert sum(count for number, count in total.items() if number > MOST_ROWS) <= total.total() / RARE


def _above(rows: Counter[int]) -> str:
    above = sum(count for number, count in rows.items() if number > MOST_ROWS)
    return f"{above} ({above / rows.total():.3%})"


def _shares(rows: Counter[int]) -> str:
    return ", ".join(f"{number}: {count:,}" for number, count in sorted(rows.items()))
