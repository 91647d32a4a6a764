"""In which language a text is, as far as one must know to say that a model was not trained on it. Pure, but for the
model's own card.

By script, and where many languages share it by the small words that no text of a language is without. What has too
few of them (tables, code, names) is of no language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

_LEAST_WORDS = 30
_LEAST_SHARE = 0.10  # of small words: prose has 20 to 50 %, lists of names have none
_SCRIPT_SHARE = 0.3  # of letters: texts in Chinese or Hindi are full of Latin names

_SCRIPTS = {
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
}

_SMALL_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is that it for on with as are be this by from at or not have an was which will",
        "de": "der die das und ist nicht ein eine zu den mit von für auf dem sich des im werden wird auch es an oder",
        "fr": "le la les de des et un une est dans pour que qui par sur pas au du avec ne se sont il elle ou",
        "es": "el la los las de del y un una es en que por para con no se su al lo como más o está son",
        "it": "il lo la gli le di del della e un una è in che per con non si da al dei nel sono come o",
        "pt": "o a os as de do da dos das e um uma é em que por para com não se no na ao são como ou",
        "nl": "de het een en van is dat in te niet op met voor zijn aan er wordt die ook als bij of naar door",
        "sv": "och att det som en ett är på för med av den till inte har om i de kan ska från eller var vid",
        "pl": "i w na z do nie się że jest o to jak po za od przez dla są oraz lub może ma który przy",
    }.items()
}

_WORD = re.compile(r"[^\W\d_]+")
_FRONT = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_LANGUAGE = re.compile(r"^language:[ \t]*(\[[^\]]*\]|[^\n]*)((?:\n[ \t]*-[ \t]+[^\n]+)*)", re.MULTILINE)


def language_of(text: str) -> str:
    """The code of its language; empty where that cannot be told."""
    scripts = Counter(script for sign in text if sign.isalpha() and (script := _script(sign)))
    letters = sum(sign.isalpha() for sign in text)
    if letters and scripts.total() >= _SCRIPT_SHARE * letters:
        # Japanese is written with Chinese signs, too, and never without kana.
        return "ja" if scripts["ja"] > 0.05 * scripts.total() else scripts.most_common(1)[0][0]
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < _LEAST_WORDS:
        return ""
    shares = {language: sum(word in small for word in words) / len(words) for language, small in _SMALL_WORDS.items()}
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _LEAST_SHARE else ""


def trained_on(folder: Path) -> frozenset[str]:
    """The languages that a model's card names; empty where it names none, or all."""
    try:
        front = _FRONT.match((folder / "README.md").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return frozenset()
    found = _LANGUAGE.search(front.group(1)) if front else None
    if found is None:
        return frozenset()
    named = frozenset(re.findall(r"[a-z]{2,}", "".join(found.groups()).lower()))
    return frozenset() if {"multilingual", "multi"} & named else named


@lru_cache(maxsize=4096)
def _script(sign: str) -> str:
    """The language that a letter's script stands for; empty for Latin and what is not known here."""
    return _SCRIPTS.get(unicodedata.name(sign, "").partition(" ")[0].partition("-")[0], "")
