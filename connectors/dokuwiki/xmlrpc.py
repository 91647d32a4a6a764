"""XML-RPC, as DokuWiki speaks it: calls written, answers read. Nothing in an answer is trusted: a document type, and
so every entity of its own, ends the reading. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from xml.sax.saxutils import escape

from lxml import etree

Value = str | int | float | bool | bytes | None | list["Value"] | dict[str, "Value"]

NAMELESS = 0
"""The code of a fault that says none."""

_NOT_XML = bytes(one for one in range(32) if one not in b"\t\n\r")
_DEEPEST = 20


class NotXmlRpc(ValueError):
    """What came is no whole answer of XML-RPC."""


class Fault(Exception):
    """The server's own word that it does not do what was asked."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def write_call(method: str, params: Sequence[Value]) -> bytes:
    """The body of a request."""
    given = "".join(f"<param>{_written(one)}</param>" for one in params)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<methodCall><methodName>{escape(method)}</methodName>'
        f"<params>{given}</params></methodCall>"
    ).encode()


def read_answer(content: bytes) -> Value:
    """The value that was returned. Raises ``Fault``, and ``NotXmlRpc`` for anything else."""
    # What a page holds may stand in an answer as it is, and XML knows no way to write some of it.
    text = content.translate(None, _NOT_XML).decode("utf-8", "replace")
    head, _, rest = text.lstrip("\ufeff \r\n\t").partition("?>")
    body = rest if head.startswith("<?xml") else text
    if "<!DOCTYPE" in body:  # a page's own would be escaped
        raise NotXmlRpc("a document type")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(body.strip().encode(), parser)
    except etree.XMLSyntaxError as error:
        raise NotXmlRpc(str(error)) from None
    if root.tag != "methodResponse":
        raise NotXmlRpc("no methodResponse")
    if (fault := root.find("fault/value")) is not None:
        said = _read(fault, 0)
        code = said.get("faultCode") if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(code, int):
            raise NotXmlRpc("a fault without a code")
        raise Fault(code, str(said.get("faultString", "")))
    if (value := root.find("params/param/value")) is None:
        raise NotXmlRpc("no value")
    if (said := _read(value, 0)) == {}:
        # Releases of 2022 write each of their faults so; no method that is asked answers with an empty struct.
        raise Fault(NAMELESS, "no, without a reason")
    return said


# -- values ----------------------------------------------------------------------------------------


def _written(value: Value) -> str:
    match value:
        case bool():
            inner = f"<boolean>{int(value)}</boolean>"
        case int():
            inner = f"<int>{value}</int>"
        case str():
            inner = f"<string>{escape(value)}</string>"
        case dict():
            members = (f"<member><name>{escape(key)}</name>{_written(one)}</member>" for key, one in value.items())
            inner = f"<struct>{''.join(members)}</struct>"
        case list():
            inner = f"<array><data>{''.join(map(_written, value))}</data></array>"
        case _:
            raise TypeError(f"{type(value).__name__} is not sent")
    return f"<value>{inner}</value>"


def _read(node: etree._Element, depth: int) -> Value:
    """The value of a ``<value>``."""
    if depth > _DEEPEST:
        raise NotXmlRpc("nested too deeply")
    if len(node) == 0:
        return node.text or ""
    (inner, *more) = node
    if more:
        raise NotXmlRpc("two values in one")
    text = inner.text or ""
    try:
        match inner.tag:
            case "string" | "dateTime.iso8601":
                return text
            case "int" | "i4" | "i8":
                return int(text)
            case "boolean":
                return bool(int(text))
            case "double":
                return float(text)
            case "base64":
                return base64.b64decode("".join(text.split()), validate=True)
            case "nil":
                return None
            case "array":
                return [_read(one, depth + 1) for one in inner.iterfind("data/value")]
            case "struct":
                return {one.findtext("name", ""): _read(_value(one), depth + 1) for one in inner.iterfind("member")}
            case _:
                pass
    except (ValueError, binascii.Error) as error:
        raise NotXmlRpc(f"no {inner.tag}") from error
    raise NotXmlRpc(f"{inner.tag!r} is not known")


def _value(member: etree._Element) -> etree._Element:
    if (found := member.find("value")) is None:
        raise NotXmlRpc("a member without a value")
    return found
