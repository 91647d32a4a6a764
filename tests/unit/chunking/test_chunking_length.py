"""The measure of length."""

import pytest

from ingestor.chunking.length import length


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("plain text", 10),
        ("grüße", 5),
        ("мир", 3),
        ("سلام", 4),
        ("北京", 6),
        ("カナ", 4),
        ("서울", 4),
        ("Go 北", 6),
        ("\U00020000", 3),
    ],
)
def test_scripts(text: str, expected: int) -> None:
    """A character counts as many as the English it takes to say the same."""
    assert length(text) == expected


def test_additive() -> None:
    """The length of two texts together is the sum of their lengths."""
    parts = ["Berlin ", "東京とソウル서울", " und мир"]
    assert length("".join(parts)) == sum(map(length, parts))


def test_a_passage_says_as_much_in_every_language() -> None:
    """The same sentence is about as long in English, German, Chinese, Japanese, Arabic and Hindi."""
    texts = [
        "The application must be handed in at the office by the end of the month.",
        "Der Antrag muss bis zum Ende des Monats im Büro abgegeben werden.",
        "申请必须在本月底之前提交到办公室，逾期不予受理。",
        "申請書は月末までに事務所に提出しなければなりません。",
        "يجب تقديم الطلب إلى المكتب قبل نهاية هذا الشهر.",
        "आवेदन महीने के अंत तक कार्यालय में जमा किया जाना चाहिए।",
    ]
    lengths = [length(text) for text in texts]
    assert max(lengths) < 2 * min(lengths)
