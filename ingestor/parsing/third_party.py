"""Parsers that others bring, by entry points of the group ``ingestor.parsers``.

An entry point's value is a module or an object with three attributes and a function::

    extensions = (".dwg",)                      what it takes by name: lower case, with the dot
    media_types = ("image/vnd.dwg",)            what it takes where the name says nothing
    recipe = "1"                                raised with every change of what ``parse`` gives
    def parse(request): ...                     ``ParseRequest`` to ``Document``; raises ``ParseFailure``

It takes what it claims from our own parsers as well. ``parse`` runs where ours do: in a worker, without the network,
within the limits. The module is loaded in the service too, to be asked what it claims, so what it needs for parsing
is imported by ``parse``. One that cannot be loaded takes nothing; ``ingestor formats`` says why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, Element, ParseRequest

GROUP = "ingestor.parsers"


@dataclass(frozen=True, kw_only=True, slots=True)
class ThirdParty:
    """One that is installed. ``trouble`` is a sentence that says why it is not used; then it claims nothing."""

    name: str
    extensions: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    recipe: str = ""
    parser: Callable[[ParseRequest], Document] | None = None
    trouble: str = ""

    def parse(self, request: ParseRequest) -> Document:
        """What it gives, checked. What it raises is for the caller to judge, as with our own."""
        if self.parser is None:
            raise ParseFailure(ParseReason.UNSUPPORTED, f"The parser {self.name} is not used.", hint=self.trouble)
        document = self.parser(request)
        if wrong := _wrong_with(document):
            raise ParseFailure(
                ParseReason.CRASHED,
                f"The parser {self.name} gave an answer that cannot be used: {wrong}.",
                hint="Tell its author; the document is tried again with the parser's next version.",
            )
        return document


@cache
def installed() -> tuple[ThirdParty, ...]:
    """All of them by name. An extension or a media type that two of them claim is the first one's."""
    found: list[ThirdParty] = []
    taken: set[str] = set()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        one = _loaded(entry)
        if twice := sorted(taken.intersection((*one.extensions, *one.media_types))):
            one = ThirdParty(name=one.name, trouble=f"another parser takes {', '.join(twice)} already")
        taken.update(one.extensions, one.media_types)
        found.append(one)
    return tuple(found)


def by_extension(extension: str) -> ThirdParty | None:
    return next((one for one in installed() if extension in one.extensions), None)


def by_media_type(media_type: str | None) -> ThirdParty | None:
    if media_type is None:
        return None
    bare = media_type.partition(";")[0].strip().lower()
    return next((one for one in installed() if bare in one.media_types), None)


def _loaded(entry: EntryPoint) -> ThirdParty:
    try:
        parser = entry.load()
        extensions, media_types = tuple(parser.extensions), tuple(parser.media_types)
        recipe, parse = parser.recipe, parser.parse
    except (Exception, SystemExit) as error:  # whatever a foreign module does at import is about this parser only
        return ThirdParty(name=entry.name, trouble=f"{entry.value} cannot be loaded ({type(error).__name__}: {error})")
    if wrong := _wrong_claim(extensions, media_types, recipe, parse):
        return ThirdParty(name=entry.name, trouble=f"{entry.value} {wrong}")
    return ThirdParty(name=entry.name, extensions=extensions, media_types=media_types, recipe=recipe, parser=parse)


def _wrong_claim(extensions: tuple[object, ...], media_types: tuple[object, ...], recipe: object, parse: object) -> str:
    if not extensions and not media_types:
        return "claims neither an extension nor a media type"
    for extension in extensions:
        if not (isinstance(extension, str) and extension[:1] == "." and extension == extension.lower() != "."):
            return f"claims {extension!r}, which is no extension in lower case with its dot"
    for media_type in media_types:
        if not (isinstance(media_type, str) and "/" in media_type and media_type == media_type.lower()):
            return f"claims {media_type!r}, which is no media type in lower case"
    if not isinstance(recipe, str) or not recipe:
        return "has no recipe, a text that changes with what it gives"
    return "" if callable(parse) else "has no function parse"


def _wrong_with(document: object) -> str:
    """What of a document cannot be; empty where it can."""
    if not isinstance(document, Document):
        return f"{type(document).__name__} and no Document"
    text = document.text
    if "\r" in text or "\0" in text or not unicodedata.is_normalized("NFC", text) or not _encodes(text):
        return "its text is not canonical (NFC, newlines, no NUL, no half characters)"
    position = 0
    elements: tuple[object, ...] = document.elements  # as it says
    for element in elements:
        if not isinstance(element, Element) or not position <= element.start < element.end <= len(text):
            return "its elements are not spans of its text, in order"
        position = element.end
    return ""


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
