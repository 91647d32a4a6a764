"""What is told of a machine to people outside: figures, the program's own words, and no name.

A name becomes a hash that is the same all over one bundle and means nothing in another. Of sentences only the words
that the program itself is written with are left, for what else stands in them may be somebody's.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

HIDDEN = "(hidden)"

_NAMES = frozenset({"source", "name", "place", "uri", "url", "path", "parent", "title"})
# Words and numbers of ours, by the keys that they stand under; everything else that is text is a sentence.
_OURS = frozenset(
    {"kind", "state", "outcome", "trigger", "reason", "level", "origin", "document_id", "run_id", "plan_id"}
    | {"month", "generation", "job", "check"}
)
_LETTERS = re.compile(r"[^\W\d_]+")
# Quoted, an address, a path, or something with an ending: never the program's own words.
_FOREIGN = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*://\S*|\S*[/\\@]\S*|\w[\w-]*\.[^\W\d][\w.-]*""")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_RUN = re.compile(rf"{re.escape(HIDDEN)}(?:[\W\d_]*{re.escape(HIDDEN)})+")


class Redactor:
    """``keep`` leaves names as they are. ``words`` are those that may be said, in lower case; ``names`` are known to be
    some, whatever words they are made of."""

    def __init__(self, words: Collection[str], names: Collection[str] = (), *, keep: bool = False) -> None:
        self._words = frozenset(words) | {HIDDEN.strip("()")}
        known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        self._known = re.compile(rf"(?<!\w)(?:{known})(?!\w)" if known else r"(?!)")
        self._keep = keep
        self._key = secrets.token_bytes(16)

    def name(self, text: str) -> str:
        """The same hash for the same name; what it ends in, as far as it tells a format, stays."""
        if self._keep or not text:
            return text
        ending = _ENDING.search(text)
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=5).hexdigest()
        return f"name-{digest}{ending.group().lower() if ending else ''}"

    def sentence(self, text: str) -> str:
        if self._keep:
            return text
        text = _FOREIGN.sub(HIDDEN, self._known.sub(HIDDEN, text))
        text = _LETTERS.sub(lambda word: word.group() if word.group().lower() in self._words else HIDDEN, text)
        return _RUN.sub(HIDDEN, text)

    def value(self, value: object, key: str = "") -> object:
        """Anything that JSON can hold, key by key."""
        if isinstance(value, Mapping):
            return {inner: self.value(one, inner) for inner, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one, key) for one in value]
        if not isinstance(value, str) or key in _OURS:
            return value
        return self.name(value) if key in _NAMES else self.sentence(value)

    def metrics(self, text: str) -> str:
        """The page of monitoring, in which only sources have names."""
        return re.sub(
            r'(\bsource=")((?:[^"\\]|\\.)*)(")', lambda found: found[1] + self.name(found[2]) + found[3], text
        )


def words_of(packages: Iterable[Path]) -> frozenset[str]:
    """Every word of the sentences that these packages say, and of what the system says of its errors."""
    said = [os.strerror(number) for number in errno.errorcode]
    for package in packages:
        for file in sorted(package.rglob("*.py")):
            said += _said(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(word.lower() for sentence in said for word in _LETTERS.findall(sentence))


def _said(tree: ast.Module) -> Sequence[str]:
    """Constants of text that are sentences or parts of one, and no documentation."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and id(node) not in told
    ]
