"""E-mail: the subject is the title, the header lines that matter come first, then the body.

Attachments are named in the text and not read. A message inside a message (a forward, a digest) is a
section of its own.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.policy import compat32

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.text import canonical, decode, paragraphs
from ingestor.parsing.titles import best_title

_SHOWN = ("From", "To", "Cc", "Date")
_DEPTH = 5
_QUOTED = re.compile(r"(?:^\s*>.*(?:\n|\Z))+\Z", re.MULTILINE)


def parse_email(request: ParseRequest) -> Document:
    """One document per message file."""
    message = email.message_from_bytes(request.content, policy=compat32)
    if not message.keys():
        raise ParseFailure(
            ParseReason.CORRUPT, "The file is no e-mail message.", hint="Restore or export the file again."
        )
    assembly = Assembly()
    _add_message(assembly, message, level=1)
    return assembly.document(title=best_title((_header(message, "Subject"),)), kind=Format.EMAIL.value)


def _add_message(assembly: Assembly, message: Message, *, level: int) -> None:
    assembly.heading(_header(message, "Subject"), level)
    shown = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    assembly.block(ElementKind.PARAGRAPH, "\n".join(shown))
    names = []
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if level < _DEPTH and isinstance(inner, list) and isinstance(inner[0], Message):
                _add_message(assembly, inner[0], level=level + 1)
        elif part.get_filename() or part.get_content_disposition() == "attachment":
            names.append(header_words(part.get_filename() or "unnamed"))
        elif part.get_content_type() == "text/html":
            add_html(assembly, _body(part))
        elif part.get_content_maintype() == "text":
            add_plain(assembly, _body(part))
    if names:
        assembly.block(ElementKind.PARAGRAPH, "Attachments: " + ", ".join(names))


def _parts(message: Message) -> Iterator[Message]:
    """The leaves in order: of alternatives the HTML one, else the last text."""
    if not message.is_multipart() or message.get_content_type() == "message/rfc822":
        yield message
        return
    children = [part for part in message.get_payload() if isinstance(part, Message)]
    if message.get_content_type() == "multipart/alternative" and children:
        texts = [part for part in children if part.get_content_maintype() in {"text", "multipart"}]
        rich = [part for part in texts if part.get_content_type() != "text/plain"]
        plain = [part for part in texts if part.get_content_type() == "text/plain"]
        known = [p for p in rich if p.get_content_type() == "text/html" or p.is_multipart()]
        children = (known or plain or children)[-1:]
    for part in children:
        yield from _parts(part)


def add_plain(assembly: Assembly, text: str) -> None:
    """A plain body by paragraphs; those that are quoted whole are quotes."""
    for start, end in paragraphs(text):
        piece = text[start:end]
        assembly.block(ElementKind.QUOTE if _QUOTED.match(piece) else ElementKind.PARAGRAPH, piece)


def _body(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    return decode(content, charset)


def _header(message: Message, name: str) -> str:
    """A header in words, whatever state its encoding is in."""
    try:
        raw = message.get(name)
    except Exception:  # the header parser fails in many ways on hostile input
        return ""
    return header_words(str(raw)) if raw is not None else ""


def header_words(raw: str) -> str:
    """The value of a header, decoded, on one line."""
    words = []
    try:
        for piece, charset in decode_header(raw):
            words.append(decode(piece, charset) if isinstance(piece, bytes) else piece)
    except Exception:  # likewise: show it as it stands
        words = [raw]
    return " ".join(canonical("".join(words)).split())
