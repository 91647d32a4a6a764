"""What documents say that they are about, in the places that their formats have for that. Pure.

Only the places are read, never a whole YAML or XML: such a document can be a bomb.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

_MOST = 200  # lines of one value; tags are a few words
_SEPARATOR = re.compile(r"[,;\uff0c\u3001]")
_KEY = re.compile(r"(?:tags?|keywords?|categor(?:y|ies))[ \t]*:(?:[ \t]+(.*))?$", re.IGNORECASE)
_ENTRY = re.compile(r"[ \t]*-[ \t]+(.*)$")
_IN_LIST = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^']|'')*)'|([^\s,\]\[\"'][^,\]]*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ATTRIBUTE = re.compile(r":keywords:[ \t]+(.*)$", re.IGNORECASE)
_HEAD = re.compile(r"//|:!?\w[\w-]*!?:|=\s|#\s")
_META = re.compile(r"\.\.[ \t]+meta::")
_FIELD = re.compile(r"[ \t]+:keywords(?:[ \t][^:]*)?:[ \t]+(.*)$", re.IGNORECASE)


def listed(words: str) -> tuple[str, ...]:
    """Of a line with commas or semicolons between them."""
    return tuple(tag for tag in map(_bare, _SEPARATOR.split(words)) if tag)


def of_front_matter(matter: str) -> tuple[str, ...]:
    """``tags``, ``keywords`` and ``categories`` of a front matter: a list of YAML in either form, or one line."""
    lines, found = matter.split("\n"), list[str]()
    for number, line in enumerate(lines):
        if (key := _KEY.match(line)) is None:
            continue
        value, below = (key[1] or "").strip(), lines[number + 1 : number + 1 + _MOST]
        if value.startswith("["):
            found += _flow(value, below)
        elif value and not value.startswith("#"):
            plain = value if value[0] in "\"'" else _COMMENT.sub("", value)
            found += listed(_unquoted(plain))
        else:
            entries = takewhile(lambda entry: entry is not None, map(_ENTRY.match, below))
            found += [_bare(entry[1]) for entry in entries if entry is not None]
    return tuple(filter(None, found))


def of_asciidoc(lines: Sequence[str]) -> tuple[str, ...]:
    """The attribute ``keywords`` of a document's head: what stands above the first empty line behind the title."""
    found, titled, goes_on = list[str](), False, False
    for line in lines[:_MOST]:
        if not line.strip():
            if titled:
                break
            continue
        attribute = _ATTRIBUTE.match(line)
        value = line if goes_on else attribute[1] if attribute is not None else ""
        if not value and not titled and not _HEAD.match(line):
            break
        goes_on = value.rstrip().endswith("\\")
        found += listed(value.rstrip().removesuffix("\\"))
        titled = titled or line.startswith(("= ", "# "))
    return tuple(found)


def of_rst(text: str) -> tuple[str, ...]:
    """The keywords of ``meta`` directives."""
    lines, found = text.split("\n"), list[str]()
    for number, line in enumerate(lines):
        if _META.match(line):
            inside = takewhile(lambda one: not one.strip() or one[:1].isspace(), lines[number + 1 : number + 1 + _MOST])
            found += [tag for field in map(_FIELD.match, inside) if field for tag in listed(field[1])]
    return tuple(found)


def _flow(value: str, below: Sequence[str]) -> Iterator[str]:
    """The entries of ``[a, "b c"]``, which may go on in the lines below."""
    whole = value
    for line in below:
        if "]" in whole:
            break
        whole += " " + line.strip()
    for quoted, single, plain in _IN_LIST.findall(whole.removeprefix("[").partition("]")[0]):
        yield _bare(quoted or single.replace("''", "'") or plain)


def _bare(tag: str) -> str:
    """Without quotation marks, and without the sign that some programs want before a tag."""
    return _unquoted(tag.strip()).strip().removeprefix("#").strip()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text
