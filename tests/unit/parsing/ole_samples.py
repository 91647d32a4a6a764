"""Office files of before 2007, made here byte by byte: the OLE container, an Excel workbook, an Outlook message."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Tree = dict[str, "bytes | Tree"]

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def container(tree: Tree) -> bytes:
    """A compound file of version 3: streams (bytes) and storages (more trees)."""
    entries: list[tuple[str, int, bytes]] = [("Root Entry", 5, b"")]
    links: list[list[int]] = [[_FREE, _FREE, _FREE]]  # left, right, child
    _list_entries(tree, 0, entries, links)
    sectors: list[bytes] = []
    table: list[int] = []
    mini, mini_table = b"", []
    starts = []
    for _, kind, content in entries:
        if kind == 2 and 0 < len(content) < _CUTOFF:
            first, count = len(mini_table), -(-len(content) // _MINI)
            mini += content.ljust(count * _MINI, b"\0")
            mini_table += [*range(first + 1, first + count), _END]
            starts.append(first)
        else:
            starts.append(_chain(content, sectors, table))
    root = _chain(mini, sectors, table)
    mini_fat = _chain(struct.pack(f"<{len(mini_table)}I", *mini_table), sectors, table, fill=b"\xff")
    directory = b""
    for number, ((name, kind, content), (left, right, child)) in enumerate(zip(entries, links, strict=True)):
        encoded = (name + "\0").encode("utf-16-le")
        start, size = (root, len(mini)) if number == 0 else (starts[number], len(content))
        directory += struct.pack(
            "<64sHBB3I16sIQQIQ",
            encoded,
            len(encoded),
            kind,
            1,
            left,
            right,
            child,
            b"",
            0,
            0,
            0,
            start if size else _END if number == 0 else 0,
            size,
        )
    first_directory = _chain(directory, sectors, table)
    count = 1
    while (len(table) + count) * 4 > count * _SECTOR:
        count += 1
    fat_at = len(sectors)
    table += [_FAT] * count
    table += [_FREE] * (count * _SECTOR // 4 - len(table))
    sectors += [struct.pack("<128I", *table[i * 128 : i * 128 + 128]) for i in range(count)]
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        b"",
        0,
        count,
        first_directory,
        0,
        _CUTOFF,
        mini_fat,
        1 if mini_table else 0,
        _END,
        0,
    )
    places = [*range(fat_at, fat_at + count), *[_FREE] * (109 - count)]
    return header + struct.pack("<109I", *places) + b"".join(sectors)


def _list_entries(tree: Tree, parent: int, entries: list[tuple[str, int, bytes]], links: list[list[int]]) -> None:
    """Siblings hang on one another, each the right neighbour of the one before."""
    before = None
    for name, value in sorted(tree.items(), key=lambda item: (len(item[0]), item[0].upper())):
        number = len(entries)
        entries.append((name, 2, value) if isinstance(value, bytes) else (name, 1, b""))
        links.append([_FREE, _FREE, _FREE])
        if before is None:
            links[parent][2] = number
        else:
            links[before][1] = number
        before = number
        if not isinstance(value, bytes):
            _list_entries(value, number, entries, links)


def _chain(content: bytes, sectors: list[bytes], table: list[int], fill: bytes = b"\0") -> int:
    if not content:
        return _END
    first, count = len(sectors), -(-len(content) // _SECTOR)
    content = content.ljust(count * _SECTOR, fill)
    sectors += [content[i * _SECTOR : (i + 1) * _SECTOR] for i in range(count)]
    table += [*range(first + 1, first + count), _END]
    return first


def xls(*, encrypted: bool = False) -> bytes:
    """A workbook of Excel 97: the sheet "Fees" with text, a number, a percent, a date, a truth value."""
    styles = [_xf(0, 0xFFF5), _xf(0, 0x0001), _xf(9, 0x0001), _xf(14, 0x0001)]
    cells = [
        *(_label(0, column, text) for column, text in enumerate(("Country", "Code", "From", "Share", "Paid"))),
        _label(1, 0, "NA"),
        _label(1, 1, "007"),
        _number(1, 2, 3, 46024),  # 2026-01-02
        _number(1, 3, 2, 0.25),
        _record(0x0205, struct.pack("<HHHBB", 1, 4, 1, 1, 0)),
        _label(2, 0, "null"),
        _number(2, 1, 1, 1.1),
        _number(2, 3, 1, 3),
    ]
    sheet = _begin(0x10) + b"".join(cells) + _record(0x0A, b"")
    start = _begin(0x05) + (_record(0x2F, struct.pack("<HHHH", 1, 1, 1, 0) + bytes(48)) if encrypted else b"")
    start += _record(0x42, struct.pack("<H", 1200)) + b"".join(styles)
    name = b"Fees"
    place = len(start) + 4 + 8 + len(name) + 4
    book = start + _record(0x85, struct.pack("<IBBBB", place, 0, 0, len(name), 0) + name) + _record(0x0A, b"") + sheet
    return container({"Workbook": book})


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def _xf(number_format: int, parent: int) -> bytes:
    return _record(0xE0, struct.pack("<HHHBBBBIiH", 0, number_format, parent, 0, 0, 0, 0, 0, 0, 0))


def _label(row: int, column: int, text: str) -> bytes:
    return _record(0x0204, struct.pack("<HHHHB", row, column, 1, len(text), 0) + text.encode("latin-1"))


def _number(row: int, column: int, style: int, value: float) -> bytes:
    return _record(0x0203, struct.pack("<HHHd", row, column, style, value))


def msg(*, html: str = "", headers: str = "", attachments: Sequence[Tree] = ()) -> bytes:
    """A message of Outlook from Ann to Bob with an attachment that is only a link, and ``attachments``."""
    texts = {
        0x0037: "Café refunds",
        0x0C1A: "Ann",
        0x0C1F: "ann@corp.example",
        0x1000: "Refunds take 14 days.\r\n\r\n> old words\r\n",
    }
    if headers:
        texts[0x007D] = headers
    sent = struct.pack("<HHIQ", 0x40, 0x0039, 6, 134_120_808_000_000_000)
    tree = _storage(texts, struct.pack("<8xIIII8x", 1, 1, 1, 1), sent)
    if html:
        content = html.encode()
        tree["__substg1.0_10130102"] = content
        properties = tree["__properties_version1.0"]
        assert isinstance(properties, bytes)
        tree["__properties_version1.0"] = properties + struct.pack("<HHIII", 0x0102, 0x1013, 6, len(content), 0)
    to = struct.pack("<HHIQ", 0x03, 0x0C15, 6, 1)
    tree["__recip_version1.0_#00000000"] = _storage({0x3001: "Bob", 0x39FE: "bob@corp.example"}, bytes(8), to)
    tree["__attach_version1.0_#00000000"] = _storage({0x3707: "receipt.pdf"}, bytes(8), b"")
    for number, attached in enumerate(attachments, start=1):
        tree[f"__attach_version1.0_#{number:08X}"] = attached
    tree["__nameid_version1.0"] = {"__substg1.0_00020102": b""}
    return container(tree)


def attached_file(name: str, content: bytes, *, content_id: str = "", media_type: str = "") -> Tree:
    """An attachment with its bytes."""
    texts = {0x3707: name, 0x3712: content_id, 0x370E: media_type}
    data = struct.pack("<HHIII", 0x0102, 0x3701, 6, len(content), 0)
    tree = _storage({number: text for number, text in texts.items() if text}, bytes(8), data)
    tree["__substg1.0_37010102"] = content
    return tree


def attached_message(subject: str, body: str, *attachments: Tree) -> Tree:
    """A message within the message, which is a part of the container and no file."""
    inner = _storage({0x0037: subject, 0x1000: body, 0x0C1A: "Bob", 0x0C1F: "bob@corp.example"}, bytes(24), b"")
    for number, attached in enumerate(attachments):
        inner[f"__attach_version1.0_#{number:08X}"] = attached
    tree = _storage({0x3001: subject}, bytes(8), b"")
    tree["__substg1.0_3701000D"] = inner
    return tree


def _storage(texts: dict[int, str], head: bytes, fixed: bytes) -> Tree:
    tree: Tree = {}
    properties = head + fixed
    for number, text in texts.items():
        content = text.encode("utf-16-le")
        tree[f"__substg1.0_{number:04X}001F"] = content
        properties += struct.pack("<HHIII", 0x1F, number, 6, len(content) + 2, 0)
    tree["__properties_version1.0"] = properties
    return tree
