"""Outlook messages: what ``mail`` makes of an e-mail, out of the properties of a ``.msg`` file.

Attachments are named in the text and not read.
"""

from __future__ import annotations

from email.utils import format_datetime
from typing import Any

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.mail import add_plain, header_words
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

# Property numbers of [MS-OXPROPS]; the library names them too, in a module of constants of its own.
_HTML = 0x1013
_RECIPIENT_TYPE = 0x0C15
_TO, _CC = 1, 2


def parse_msg(request: ParseRequest) -> Document:
    """One document per message file: subject, people and date, body (HTML before plain), names of attachments."""
    from oxmsg import Message

    message = Message.load(request.content)
    subject = header_words(message.subject)
    assembly = Assembly()
    assembly.heading(subject, 1)
    shown = (
        ("From", header_words(message.sender or "")),
        ("To", _people(message, "to", _TO)),
        ("Cc", _people(message, "cc", _CC)),
        ("Date", _date(message)),
    )
    assembly.block(ElementKind.PARAGRAPH, "\n".join(f"{name}: {value}" for name, value in shown if value))
    before = len(assembly.elements)
    if markup := _markup(message):
        add_html(assembly, markup)
    if len(assembly.elements) == before:
        add_plain(assembly, decode((message.body or "").encode("utf-8", "surrogatepass")))
    names = [header_words(attachment.file_name or "unnamed") for attachment in message.attachments]
    if names:
        assembly.block(ElementKind.PARAGRAPH, "Attachments: " + ", ".join(names))
    return assembly.document(title=best_title((subject,)), kind=Format.MSG.value)


def _people(message: Any, header: str, kind: int) -> str:
    """As the message's own header says, else from the list of recipients (a draft, mail inside Exchange)."""
    own = next((value for name, value in message.message_headers.items() if name.lower() == header), "")
    if own:
        return header_words(own)
    people = [person for person in message.recipients if person.properties.int_prop_value(_RECIPIENT_TYPE) == kind]
    return ", ".join(
        f"{person.name} <{person.email_address}>"
        if person.name and person.email_address and person.name != person.email_address
        else person.email_address or person.name
        for person in people
    )


def _date(message: Any) -> str:
    own = next((value for name, value in message.message_headers.items() if name.lower() == "date"), "")
    if own:
        return header_words(own)
    return format_datetime(message.sent_date) if message.sent_date is not None else ""


def _markup(message: Any) -> str:
    """The HTML body: bytes in the charset that the message names, or a string."""
    content = message.properties.binary_prop_value(_HTML)
    if content:
        return decode(content, message.properties.body_encoding)
    return str(message.properties.str_prop_value(_HTML) or "")
