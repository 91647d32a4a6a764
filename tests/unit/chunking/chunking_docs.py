"""Builds documents for the tests of cutting, element by element."""

from ingestor.model import Document, Element, ElementKind

Block = tuple[ElementKind, str]


def document(*blocks: Block | tuple[ElementKind, str, int], kind: str = "markdown", pages: bool = False) -> Document:
    """Elements joined by blank lines (list items by a newline); headings open sections at the level of their
    marks. With ``pages`` a block's third value is its page."""
    text = ""
    elements: list[Element] = []
    outline: list[str] = []
    for block in blocks:
        element_kind, content = block[0], block[1]
        page = block[2] if pages and len(block) > 2 else None
        if text:
            both = elements[-1].kind is element_kind is ElementKind.LIST_ITEM
            text += "\n" if both else "\n\n"
        level = None
        if element_kind is ElementKind.HEADING:
            level = len(content) - len(content.lstrip("#")) or 1
            outline = [*outline[: level - 1], content.lstrip("# ")]
        elements.append(
            Element(
                kind=element_kind,
                start=len(text),
                end=len(text) + len(content),
                section=tuple(outline),
                level=level,
                page=page,
                anchor=outline[-1].lower() if outline else None,
            )
        )
        text += content
    return Document(text=text, elements=tuple(elements), title="t", kind=kind, has_lines=True)


def paragraph(text: str) -> Block:
    return ElementKind.PARAGRAPH, text


def heading(text: str) -> Block:
    return ElementKind.HEADING, text


def item(text: str) -> Block:
    return ElementKind.LIST_ITEM, text


def table(text: str) -> Block:
    return ElementKind.TABLE, text


def code(text: str) -> Block:
    return ElementKind.CODE, text
