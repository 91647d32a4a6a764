"""The measure of length: it knows scripts and no model.

One unit of length is about one character of English. A character of another script counts as many as
the English needed to say the same: a Han character 3, kana and Hangul 2, every other alphabet 1 (Hindi,
Arabic, Russian or Greek need about as many characters as English). So a passage of one length says
about as much in every language, and between four and five of it make a word piece of a model
trained on the language.

The measure is additive over concatenation, an integer, and constant in time for ASCII.
"""

from __future__ import annotations

import re

# Han: radicals, ideographs and their extensions. A Chinese text has about a third of the characters of its
# English translation.
_HAN = re.compile("[\u2e80-\u2fdf\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Kana, bopomofo and Hangul: about half.
_SYLLABLE = re.compile("[\u1100-\u11ff\u3041-\u318f\u31a0-\u31bf\u31f0-\u31ff\ua960-\ua97f\uac00-\ud7ff]")

LONGEST = 3
"""What a character counts at most."""


def length(text: str) -> int:
    """How long ``text`` is, in characters of English."""
    if text.isascii():
        return len(text)
    return len(text) + 2 * len(_HAN.findall(text)) + len(_SYLLABLE.findall(text))
