"""Which parts of a mail are its own words, and which are a signature or what an earlier mail said.

Programs that write mails leave marks, each in the language of its user: ``>`` before quoted lines, "On ... wrote:"
above them, or a block of "From: ... Sent: ..." above the whole earlier mail; "-- " or a closing before the name. What
the marks say goes by their form as far as that goes (a short line with a date or an address that ends in a colon,
right above what is quoted), and by the words of ``mail_words`` for the rest. Nothing is left out: a part that is
taken for another is found all the same, in a passage of its own.

A short quotation in the middle is a question that the next paragraph answers, and stays with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ingestor.model import Element, ElementKind
from ingestor.parsing.mail_words import CLOSINGS, DEVICES, FROM, LABELS, WROTE

_MARK = re.compile(r"[ \t]*((?:>[ \t]?)+)")
_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_LABEL = re.compile(
    rf"(?:^|[\s*_])({'|'.join(sorted(map(re.escape, LABELS), key=len, reverse=True))})[ \u00a0]?[*_]{{0,2}}[:：]"
)
_RULE = re.compile(r"[-_=*]{3,}[ \t]?[^-_=*\n]{0,60}?[ \t]?[-_=*]{3,}")
_ADDRESS = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+\.\w{2,}")
_DELIMITER = re.compile(r"-- ?$|--\s+(?=\S)")
_AFTERTHOUGHT = re.compile(r"p\.? ?p?\.? ?s\b|n\.? ?b\b", re.IGNORECASE)
_WORDS = re.compile(r"\s+")

# Of the block above an earlier mail: with all of its recipients, and in lines of their own.
_HEAD_MOST, _HEAD_LINES = 2_000, 8
# Of an attribution: "On Monday, 5 January 2026, at 10:00, Ann Smith (Sales) <ann.smith@example.org> wrote:".
_ATTRIBUTION_MOST = 250
# A quotation up to this length, with words behind it, is what these answer.
_ASIDE_MOST = 400
# Lines and characters behind a closing that may be a name, a post and an address.
_SIGNATURE_LINES, _SIGNATURE_MOST, _SIGNATURE_LINE = 15, 800, 100

_FIRST_WORDS = frozenset(phrase.split()[0] for phrase in CLOSINGS)  # nearly every line is told by its first word
_TEXT = frozenset({ElementKind.PARAGRAPH, ElementKind.QUOTE, ElementKind.LIST_ITEM})


def own_lines(piece: str) -> Iterator[str]:
    """A paragraph of a plain mail, parted where quoting begins, ends or deepens, where a paragraph of what is quoted
    ends, and before a signature."""
    held: list[str] = []
    depth, ended = 0, False
    for line in piece.split("\n"):
        mark = _MARK.match(line)
        bare = line[mark.end() :] if mark else line
        if held and not bare.strip():  # the empty line of a quotation, however deep
            ended = True
        else:
            here = mark.group(1).count(">") if mark else 0
            signs = bare.rstrip() == "--" or (held and not _is_delimiter(held[0]) and _is_closing(bare))
            if held and (here != depth or signs or ended):
                yield "\n".join(held)
                held = []
            depth, ended = here, False
        held.append(line)
    yield "\n".join(held)


def recognised(elements: Sequence[Element], text: str) -> list[Element]:
    """The elements of a mail's body with the kinds that they have as parts of it."""
    words = [_MARKS.sub("", text[element.start : element.end]).strip() for element in elements]
    kinds = _earlier([element.kind for element in elements], words)
    for first, last in _segments(kinds):
        _sign(kinds, words, first, last)
    return [
        element if kind is element.kind else replace(element, kind=kind)
        for element, kind in zip(elements, kinds, strict=True)
    ]


def _earlier(kinds: Sequence[ElementKind], words: Sequence[str]) -> list[ElementKind]:
    """What other mails said, and the lines that say who did."""
    found = list(kinds)
    unmarked = False  # whether an earlier mail stands here without marks, down to the end
    for at, kind in enumerate(kinds):
        if kind not in _TEXT:
            continue
        behind = next((after for after in range(at + 1, len(kinds)) if words[after]), None)
        quoted_next = behind is not None and kinds[behind] is ElementKind.QUOTE
        if _is_head(words, at) or (behind is not None and _is_rule(words[at]) and _is_head(words, behind)):
            found[at] = ElementKind.TURN
            unmarked = True
        elif quoted_next and _attributes(words[at], sure=False):
            found[at] = ElementKind.TURN
        elif _attributes(words[at], sure=True):
            found[at] = ElementKind.TURN
            unmarked |= kind is not ElementKind.QUOTE
        elif unmarked and kind is not ElementKind.LIST_ITEM:
            found[at] = ElementKind.HISTORY
    for first, last in _runs(found, ElementKind.QUOTE):
        answered = any(kind in _TEXT for kind in found[last:])
        long = sum(len(words[at]) for at in range(first, last)) > _ASIDE_MOST
        if long or not answered or (first and found[first - 1] is ElementKind.TURN):
            found[first:last] = [ElementKind.HISTORY] * (last - first)
    return found


def _is_head(words: Sequence[str], at: int) -> bool:
    """A block "From: ... Sent: ... To: ... Subject: ...", in one paragraph or in one for each line."""
    inside = _labels(words[at])
    first = at
    while inside and inside[0] not in FROM:  # one of the lines below the first
        first -= 1
        inside = _labels(words[first]) if first >= 0 and at - first < _HEAD_LINES else []
    if not inside:
        return False
    for line in words[first + 1 : first + _HEAD_LINES]:
        if not (below := _labels(line)):
            break
        inside += below
    return len(LABELS.intersection(inside)) >= 3  # the sender, and two of date, recipients and subject


def _labels(words: str) -> list[str]:
    """The labels in what begins with one."""
    said = words[:_HEAD_MOST].lstrip("*_ ").casefold()
    return _LABEL.findall(said) if _LABEL.match(said) else []


def _is_rule(words: str) -> bool:
    """A line like "-----Original Message-----", or one without words."""
    return len(words) <= _ATTRIBUTION_MOST and bool(_RULE.fullmatch(words))


def _attributes(words: str, *, sure: bool) -> bool:
    """Whether this is "On ... wrote:". ``sure``: nothing else says so, and both the word and an address have to."""
    if len(words) > _ATTRIBUTION_MOST or words.count("\n") > 3:
        return False
    said = _WORDS.sub(" ", words).rstrip(" \u00a0").casefold()
    if not said.endswith((":", "：")):
        return False
    wrote = any(word in said for word in WROTE)
    if sure:
        return wrote and bool(_ADDRESS.search(said))
    return wrote or bool(_ADDRESS.search(said)) or bool(re.search(r"\d{1,2}[:.h]\d{2}", said))


def _runs(kinds: Sequence[ElementKind], kind: ElementKind) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of what stands together of one kind."""
    first = None
    for at, one in enumerate([*kinds, None]):
        if one is kind:
            first = at if first is None else first
        elif first is not None:
            yield first, at
            first = None


def _segments(kinds: Sequence[ElementKind]) -> Iterator[tuple[int, int]]:
    """What one mail says in one piece."""
    borders = [
        at
        for at in range(1, len(kinds))
        if ElementKind.TURN in kinds[at - 1 : at + 1]
        or (kinds[at - 1] is ElementKind.HISTORY) != (kinds[at] is ElementKind.HISTORY)
    ]
    for first, last in pairwise([0, *borders, len(kinds)]):
        if first < last and kinds[first] is not ElementKind.TURN:
            yield first, last


def _sign(kinds: list[ElementKind], words: Sequence[str], first: int, last: int) -> None:
    """Mark the signature at the end of a segment, where there is one."""
    for at in range(first, last):
        if kinds[at] is ElementKind.QUOTE or not words[at]:
            continue
        if _is_delimiter(words[at].split("\n")[0]) or (
            _is_closing(words[at].split("\n")[0]) and _may_sign(words[at:last])
        ):
            behind = next((after for after in range(at + 1, last) if _AFTERTHOUGHT.match(words[after])), last)
            kinds[at:behind] = [ElementKind.SIGNATURE] * (behind - at)
            return
    if kinds[last - 1] in _TEXT | {ElementKind.HISTORY} and _is_device(words[last - 1]):
        kinds[last - 1] = ElementKind.SIGNATURE


def _is_delimiter(line: str) -> bool:
    return bool(_DELIMITER.match(line)) and len(line) <= _SIGNATURE_MOST // 2


def _is_closing(line: str) -> bool:
    """A line like "Best regards,", alone or with a name behind it."""
    said = line.strip(" \t,.!;:–—-،。、！，\u00a0")
    if not said or len(said) > _SIGNATURE_MOST // 2:
        return False
    plain = _WORDS.sub(" ", said).casefold()
    if plain in CLOSINGS:
        return True
    if plain.split(" ", 1)[0].rstrip(",.!–—") not in _FIRST_WORDS:
        return False
    closing = max((phrase for phrase in CLOSINGS if plain.startswith(phrase)), key=len, default="")
    rest = _WORDS.sub(" ", said)[len(closing) :]
    if not closing or not rest.strip(" ,.!;:–—-"):
        return False
    if rest.lstrip(" ")[0] in ",.!–—":
        return len(rest.split()) <= 4 and not re.search(r"[.!?]\s", rest[1:].strip())
    return rest[0] == " " and rest[1:2].isupper() and " " in closing


def _may_sign(words: Sequence[str]) -> bool:
    """Whether what begins with a closing is short enough for name and address, and more than a word of thanks."""
    lines = [line for one in words for line in one.split("\n") if line.strip()]
    until = next((at for at, line in enumerate(lines) if at and _AFTERTHOUGHT.match(line)), len(lines))
    lines = lines[:until]
    return (
        (len(lines) > 1 or len(lines[0].split()) > 2)
        and len(lines) <= _SIGNATURE_LINES
        and sum(map(len, lines)) <= _SIGNATURE_MOST
        and all(len(line) <= _SIGNATURE_LINE for line in lines[1:])
    )


def _is_device(words: str) -> bool:
    """A line like "Sent from my phone"."""
    said = words.casefold()
    return len(said) <= 80 and "\n" not in said and any(phrase in said for phrase in DEVICES)
