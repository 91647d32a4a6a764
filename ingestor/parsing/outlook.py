"""Outlook messages: what ``mail`` makes of an e-mail, out of the properties of a ``.msg`` file.

Attachments are documents of their own. A message inside a message has no file of its own in there; it becomes one
as an e-mail with the same words.
"""

from __future__ import annotations

from dataclasses import replace
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from typing import Any

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.attachments import Attachments
from ingestor.parsing.formats import Format
from ingestor.parsing.html import add_html
from ingestor.parsing.mail import add_names, add_plain, header_words, message_name
from ingestor.parsing.mail_parts import recognised
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

# Property numbers of [MS-OXPROPS]; the library names them too, in a module of constants of its own.
_HTML = 0x1013
_RECIPIENT_TYPE = 0x0C15
_SHORT_NAME, _CONTENT_ID = 0x3704, 0x3712
_TO, _CC = 1, 2

# A message inside a message, and what stands at its head: a message file has 8 bytes more there.
_EMBEDDED = "__substg1.0_3701000D"
_PROPERTIES = "__properties_version1.0"
_HEAD, _MISSING = 24, bytes(8)
_DEPTH = 5


def parse_msg(request: ParseRequest) -> Document:
    """One document per message file: subject, people and date, body (HTML before plain), attachments."""
    from oxmsg import Message

    message = Message.load(request.content)
    subject = header_words(message.subject)
    assembly = Assembly()
    assembly.heading(subject, 1)
    shown = _heads(message)
    assembly.block(ElementKind.PARAGRAPH, "\n".join(f"{name}: {value}" for name, value in shown if value))
    before = len(assembly.elements)
    markup = _markup(message)
    if markup:
        add_html(assembly, markup)
    if len(assembly.elements) == before:
        add_plain(assembly, _plain(message))
    assembly.elements[before:] = recognised(assembly.elements[before:], assembly.text)
    attachments = Attachments()
    for attachment in message.attachments:
        _take(attachments, attachment, markup)
    add_names(assembly, attachments)
    return assembly.document(title=best_title((subject,)), kind=Format.MSG.value, attachments=attachments.taken)


def _heads(message: Any) -> tuple[tuple[str, str], ...]:
    return (
        ("From", header_words(message.sender or "")),
        ("To", _people(message, "to", _TO)),
        ("Cc", _people(message, "cc", _CC)),
        ("Date", _date(message)),
    )


def _plain(message: Any) -> str:
    return decode((message.body or "").encode("utf-8", "surrogatepass"))


# -- attachments -----------------------------------------------------------------------------------


def _take(attachments: Attachments, attachment: Any, markup: str) -> None:
    name = _name(attachment)
    if (inner := _embedded(attachment)) is not None:
        attachments.add(message_name(name, header_words(inner.subject)), _as_mail(inner, 1), "message/rfc822")
        return
    content_id = attachment.properties.str_prop_value(_CONTENT_ID) or ""
    inline = bool(content_id) and f"cid:{content_id}" in markup
    # Without its bytes it is a link to somewhere, which nothing here follows.
    attachments.add(name, attachment.file_bytes, _media_type(attachment), inline=inline)


def _name(attachment: Any) -> str:
    return header_words(attachment.file_name or attachment.properties.str_prop_value(_SHORT_NAME) or "")


def _media_type(attachment: Any) -> str | None:
    """What the sender called it; the library's default says nothing."""
    return None if attachment.mime_type == "application/octet-stream" else str(attachment.mime_type)


def _embedded(attachment: Any) -> Any:
    """The message that is attached as such, None where a file is."""
    from oxmsg import Message
    from oxmsg.storage import Storage

    found = next((one for one in attachment._storage.storages if one.name == _EMBEDDED), None)  # noqa: SLF001  (the library offers the bytes of files only)
    if found is None:
        return None
    streams = tuple(
        replace(stream, bytes_=stream.bytes_[:_HEAD] + _MISSING + stream.bytes_[_HEAD:])
        if stream.name == _PROPERTIES
        else stream
        for stream in found.streams
    )
    return Message(Storage(path=found.path, streams=streams, storages=found.storages))


def _as_mail(message: Any, level: int) -> bytes | None:
    """The message as an e-mail, the same bytes each time; None where messages are nested beyond reason."""
    mail = _built(message, level)
    return mail.as_bytes() if mail is not None else None


def _built(message: Any, level: int) -> MIMEMultipart | None:
    if level > _DEPTH:
        return None
    # Everything within is in base64, or has another number: no boundary can stand in it.
    mail = MIMEMultipart(boundary=f"=_{level}")
    for name, value in (("Subject", header_words(message.subject)), *_heads(message)):
        if value:
            mail[name] = Header(value, "utf-8").encode()
    markup = _markup(message)
    mail.attach(MIMEText(markup or _plain(message), "html" if markup else "plain", "utf-8"))
    for attachment in message.attachments:
        inner = _embedded(attachment)
        if inner is None:
            kind, _, subtype = (_media_type(attachment) or "application/octet-stream").partition("/")
            part: Any = MIMEApplication(attachment.file_bytes or b"")
            part.set_type(f"{kind}/{subtype or 'octet-stream'}")
        elif (built := _built(inner, level + 1)) is not None:
            part = MIMEMessage(built)
        else:
            continue
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", _name(attachment)))
        mail.attach(part)
    return mail


# -- properties ------------------------------------------------------------------------------------


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
