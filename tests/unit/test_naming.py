"""What a document without a title is called."""

import pytest

from ingestor.naming import name_title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("docs/travel-policy.md", "travel policy"),
        ("2026-01-02 notes.txt", "2026-01-02 notes"),
        ("2026-01-02.txt", "2026-01-02"),
        ("finance/price-list-2026.xlsx", "price list 2026"),
        ("onboarding_guide-v2.docx", "onboarding guide-v2"),
        (".env", ".env"),
        ("", "untitled"),
        ("bad\udcff.txt", "bad\ufffd"),
    ],
)
def test_a_file_name_makes_a_readable_title(name: str, title: str) -> None:
    """Folder and extension go, words are parted, dates stay whole."""
    assert name_title(name) == title
