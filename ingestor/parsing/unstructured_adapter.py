"""The one place that imports unstructured: quietly, without its download, and without false headings.

At import and at each call unstructured reports home unless the environment says no beforehand, and its
text classifier downloads a spaCy model at first use. Neither happens here. Slides are what it reads; their titles
are the headings, never its guesses about a text. What it leaves out (notes, charts, diagrams) is added.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.archive import archive_keywords, archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.drawings import FIGURES, add_figure, attribute, local_name
from ingestor.parsing.formats import Format
from ingestor.parsing.tables import html_rows, table_text
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from lxml.etree import _Element

QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "ANONYMIZED_TELEMETRY": "False",
}
"""Must stand in the environment before unstructured is imported."""

# A non-empty list that names no language switches the detection off.
NO_LANGUAGE = [""]

_KINDS = {
    "ListItem": ElementKind.LIST_ITEM,
    "CodeSnippet": ElementKind.CODE,
    "Formula": ElementKind.CODE,
    "Table": ElementKind.TABLE,
}
# Furniture of the page, repeated on each, and marks without text.
_SKIPPED = frozenset({"Header", "Footer", "PageBreak", "PageNumber"})
_BESIDE = ("ppt/notesSlides/", "ppt/charts/", "ppt/diagrams/")
_VERBS = frozenset(
    "is are was were be been am has have had do does did will would shall should can could may might must"
    " get gets got go goes went make makes made take takes took use uses used need needs see sees give gives".split()
)
_VERB_ENDINGS = re.compile(r"[a-z]{3,}(?:ed|ing|ize|ise|ify)", re.IGNORECASE)


def parse_pptx(request: ParseRequest) -> Document:
    """``page`` is the slide; its title shape is its only heading and stands first, its notes last."""
    prepare()
    from unstructured.partition.pptx import partition_pptx

    elements = partition_pptx(
        file=io.BytesIO(request.content), include_page_breaks=False, include_slide_notes=False, languages=NO_LANGUAGE
    )
    assembly = Assembly()
    slides: dict[int, list[Any]] = {}
    for element in elements:
        slides.setdefault(element.metadata.page_number, []).append(element)
    # unstructured puts the notes before the slide that they speak of, where nothing tells them apart.
    beside = _beside(request.content)
    for number in sorted({*slides, *beside}):
        assembly.close_sections()
        for element in sorted(slides.get(number, ()), key=_is_slide_title, reverse=True):
            _add(assembly, element, heading_level=1 if _is_slide_title(element) else None)
        notes, figures = beside.get(number, ("", ()))
        for figure in figures:
            add_figure(assembly, figure, number)
        assembly.block(ElementKind.PARAGRAPH, notes, page=number)
    return _office_document(request, assembly, Format.PPTX)


def _add(assembly: Assembly, element: Any, *, heading_level: int | None) -> None:
    """One unstructured element, as a heading where ``heading_level`` says so."""
    category = type(element).__name__
    page = element.metadata.page_number
    if category in _SKIPPED:
        return
    if heading_level is not None:
        assembly.heading(element.text, heading_level, page=page)
        return
    kind = _KINDS.get(category, ElementKind.PARAGRAPH)
    if kind is ElementKind.TABLE:
        text, header = element.text, ""
        if element.metadata.text_as_html:
            text, header = table_text(html_rows(element.metadata.text_as_html))
        assembly.block(kind, text, page=page, context=header)
        return
    assembly.block(kind, element.text, page=page)


def spacy_pipeline() -> Any:
    """What stands in for the downloaded model: English rules for tokens, sentences and verbs.

    Serves unstructured's guess between "narrative" and "title", which decides nothing here.
    """
    import spacy
    from spacy.language import Language
    from spacy.tokens import Doc

    def verbs(doc: Doc) -> Doc:
        for token in doc:
            lower = token.lower_
            token.tag_ = "VB" if lower in _VERBS or _VERB_ENDINGS.fullmatch(lower) else "NN"
        return doc

    if not Language.has_factory("ingestor_verbs"):
        Language.component("ingestor_verbs", func=verbs)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.add_pipe("ingestor_verbs")
    return pipeline


@cache
def prepare() -> None:
    """Once a process: the environment, then the library, whose two seams we replace."""
    os.environ.update(QUIET)
    from unstructured.nlp import tokenize
    from unstructured.partition.pptx import _PptxPartitioner

    pipeline = spacy_pipeline()
    # The seams; a test fails when one moves.
    tokenize._get_nlp = lambda: pipeline  # noqa: SLF001
    # It takes a box that reaches over the upper or the left edge of a slide for one that stands beside it.
    _PptxPartitioner._shape_is_off_slide = lambda *_: False  # noqa: SLF001


def _beside(content: bytes) -> dict[int, tuple[str, Sequence[_Element]]]:
    """What unstructured leaves out, by slide from 1: (speaker notes, charts and diagrams in their order)."""
    with open_archive(content, Format.PPTX.value) as archive:
        if not any(name.startswith(_BESIDE) for name in archive.namelist()):
            return {}
    from lxml import etree
    from pptx import Presentation

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    found: dict[int, tuple[str, Sequence[_Element]]] = {}
    for number, slide in enumerate(Presentation(io.BytesIO(content)).slides, start=1):
        frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        related = slide.part.rels
        figures = [
            etree.fromstring(related[identity].target_part.blob, parser)
            for node in slide.element.iter()
            if (identity := attribute(node, FIGURES.get(local_name(node), ""))) in related
        ]
        found[number] = ("" if frame is None else frame.text, figures)
    return found


def _is_slide_title(element: Any) -> bool:
    return type(element).__name__ == "Title" and element.metadata.category_depth == 0


def _office_document(request: ParseRequest, assembly: Assembly, fmt: Format) -> Document:
    with open_archive(request.content, fmt.value) as archive:
        own, tags = archive_title(archive), archive_keywords(archive)
    return assembly.document(title=best_title((own, assembly.first_heading())), kind=fmt.value, tags=tags)
