"""E-mail: the subject is the title, the header lines that matter come first, then the body.

Attachments are named in the text, and each is a document of its own; so is a message inside a message (a
forward, a digest).
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from urllib.parse import unquote

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.attachments import Attachments
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.mail_parts import own_lines, recognised
from ingestor.parsing.text import canonical, decode, paragraphs
from ingestor.parsing.titles import best_title

_MESSAGE = "message/rfc822"
_NO_BODY = frozenset({"application", "audio", "image", "video"})
_SHOWN = ("From", "To", "Cc", "Date")
_CONTENT_ID = re.compile(r"cid:([^\s\"'<>)]+)", re.IGNORECASE)
_QUOTED = re.compile(r"(?:^\s*>.*(?:\n|\Z))+\Z", re.MULTILINE)


def parse_email(request: ParseRequest) -> Document:
    """One document per message file."""
    message = email.message_from_bytes(request.content, policy=compat32)
    if not message.keys():
        raise ParseFailure(
            ParseReason.CORRUPT, "The file is no e-mail message.", hint="Restore or export the file again."
        )
    assembly, attachments = Assembly(), Attachments()
    assembly.heading(_header(message, "Subject"), 1)
    shown = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    assembly.block(ElementKind.PARAGRAPH, "\n".join(shown))
    body = len(assembly.elements)
    pictures: set[str] = set()  # that the text shows where it mentions them
    # By now the message itself may be one that was attached, and all that its file holds.
    parts = [message] if message.get_content_type() == _MESSAGE else list(_parts(message))
    for part in parts:
        name = _filename(part)
        if part.get_content_type() == _MESSAGE:
            attachments.add(*_forwarded(part, name))
        elif name or part.get_content_disposition() == "attachment" or part.get_content_maintype() in _NO_BODY:
            inline = part.get_content_maintype() == "image" and _content_id(part) in pictures
            attachments.add(name, _content(part), part.get_content_type(), inline=inline)
        elif part.get_content_type() == "text/html":
            markup = _body(part)
            pictures |= {unquote(found) for found in _CONTENT_ID.findall(markup)}
            add_html(assembly, markup)
        elif part.get_content_maintype() == "text":
            add_plain(assembly, _body(part))
    assembly.elements[body:] = recognised(assembly.elements[body:], assembly.text)
    add_names(assembly, attachments)
    return assembly.document(
        title=best_title((_header(message, "Subject"),)), kind=Format.EMAIL.value, attachments=attachments.taken
    )


def add_names(assembly: Assembly, attachments: Attachments) -> None:
    """So that a search for a mail's words finds what came with it, too."""
    if attachments.names:
        assembly.block(ElementKind.PARAGRAPH, "Attachments: " + ", ".join(attachments.names))


def message_name(name: str, subject: str) -> str:
    """What a message inside a message is called: never by a name that promises something else."""
    words = name or subject or "message"
    return words if words.lower().endswith((".eml", ".msg")) else f"{words}.eml"


def _forwarded(part: Message, name: str) -> tuple[str, bytes | None, str]:
    """Name, content and type of a message inside a message."""
    inner = part.get_payload()
    if not (isinstance(inner, list) and inner and isinstance(inner[0], Message)):
        return message_name(name, ""), _content(part), _MESSAGE
    try:
        content: bytes | None = inner[0].as_bytes()
    except Exception:  # the generator fails in many ways on what the parser let pass
        content = None
    return message_name(name, _header(inner[0], "Subject")), content, _MESSAGE


def _filename(part: Message) -> str:
    """The name that the part gives itself, in words; empty where it has none."""
    try:
        return header_words(part.get_filename() or "")
    except Exception:  # the header parser fails in many ways on hostile input
        return ""


def _content_id(part: Message) -> str:
    return _header(part, "Content-ID").strip("<> ")


def _parts(message: Message) -> Iterator[Message]:
    """The leaves in order: of alternatives the HTML one, else the last text."""
    if not message.is_multipart() or message.get_content_type() == _MESSAGE:
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
    """A plain body by paragraphs, quoted lines apart from others."""
    for start, end in paragraphs(text):
        for piece in own_lines(text[start:end]):
            assembly.block(ElementKind.QUOTE if _QUOTED.match(piece) else ElementKind.PARAGRAPH, piece)


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _body(part: Message) -> str:
    return decode(_content(part), part.get_content_charset())


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
