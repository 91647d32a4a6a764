from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import clock, ocr, recipe, tesseract
from ingestor.parsing import formats as known_formats
from ingestor.parsing.images import parse_image
from ingestor.parsing.ocr import Ocr, OcrMode
from ingestor.parsing.pdf import parse_pdf
from ingestor.parsing.tesseract import Word
from tests.support import pictures

Parsed = Callable[[str, bytes], Document]

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
FORMATS = ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"]
PROSE = pictures.prose(1, sentences=2)


def forget() -> None:
    tesseract.installed.cache_clear()
    tesseract.seen.cache_clear()
    recipe._fingerprint.cache_clear()
    known_formats._present.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder of programs, empty at first."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    forget()
    yield programs
    forget()


def stand_in(folder: Path, script: str = "exit 1", *, version: str = "5.3.0", languages: str = "deu eng osd") -> None:
    """A program called tesseract that reads pictures as ``script`` does."""
    program = folder / "tesseract"
    listed = "\\n".join(languages.split())
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && echo "tesseract {version}" && exit\n'
        f'[ "$1" = --list-langs ] && printf "List of available languages (3):\\n{listed}\\n" && exit\n'
        f"{script}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    forget()


def rows(*words: tuple[str, int, float]) -> str:
    """A script that gives words as (text, line, confidence)."""
    made = "".join(f"5\\t1\\t1\\t1\\t{line}\\t1\\t0\\t0\\t9\\t9\\t{sure}\\t{text}\\n" for text, line, sure in words)
    return f"printf 'level\\n1\\t1\\t0\\t0\\t0\\t0\\t0\\t0\\t9\\t9\\t-1\\t\\n{made}'"


def word(text: str, line: int = 1, confidence: float = 95.0, paragraph: int = 1) -> Word:
    return Word(text=text, line=(1, paragraph, line), confidence=confidence)


def failure(parse: Callable[[ParseRequest], Document], content: bytes) -> ParseFailure:
    with pytest.raises(ParseFailure) as caught:
        parse(ParseRequest(name="a", content=content))
    assert caught.value.hint
    return caught.value


SCAN = pictures.as_file(pictures.page(PROSE), "PNG")


def test_words_become_paragraphs_again() -> None:
    """Lines are joined, and words that a line's end had divided; specks and what is hardly legible go."""
    words = [word("Refunds"), word("|", confidence=40), word("take"), word("four-"), word("teen", 2), word("days.", 2)]
    words += [word("xq", 2, 12.0), word("Pre-", 3), word("Sales", 4), word("Next.", 1, paragraph=2)]
    assert ocr.paragraphs(words) == ("Refunds take fourteen days. Pre- Sales", "Next.")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([word("STOP")], True),
        ([word("Refunds", confidence=90), word("a", confidence=10)], True),
        ([word("LLZpS", confidence=46), word("uly", confidence=80)], False),
        ([word("--"), word("|")], False),
        ([], False),
    ],
)
def test_a_page_is_believed_by_the_confidence_of_its_letters(words: list[Word], expected: bool) -> None:
    """Photographs and pages upside down give words that the program is unsure of: these are no text."""
    assert ocr.believed(words) is expected


def test_languages_are_english_and_what_else_is_here_unless_they_are_chosen() -> None:
    """At most four by default, for each costs time; a chosen one that is not here is left out."""
    found = tesseract.Tesseract(version="5", languages=("ces", "dan", "deu", "eng", "fra"))
    assert found.chosen(()) == ("eng", "ces", "dan", "deu")
    assert found.chosen(("fra", "xyz")) == ("fra",)
    assert tesseract.Tesseract(version="5", languages=("deu",)).chosen(()) == ("deu",)


def test_the_recipe_names_the_program_and_how_it_is_used(folder: Path) -> None:
    """What waited for tesseract, for a language or for a setting is read again once that is there; other formats are
    left alone."""
    seen = [recipe.recipe("a.pdf", None)]
    stand_in(folder)
    seen.append(recipe.recipe("a.pdf", None))
    stand_in(folder, version="5.4.0")
    seen.append(recipe.recipe("a.pdf", None))
    stand_in(folder, version="5.4.0", languages="eng")
    seen.append(recipe.recipe("a.pdf", None))
    seen.append(recipe.recipe("a.pdf", None, Ocr(pages=7)))
    seen.append(recipe.recipe("a.pdf", None, Ocr(mode=OcrMode.OFF)))
    assert len(set(seen)) == len(seen)
    assert [one.partition("tesseract-")[2].split()[0] for one in seen[:5]] == [
        "none",
        "5.3.0-eng+deu-100",
        "5.4.0-eng+deu-100",
        "5.4.0-eng-100",
        "5.4.0-eng-7",
    ]
    assert "tesseract" in recipe.recipe("a.PNG", None)
    assert "tesseract" not in recipe.recipe("a.docx", None)


def test_without_tesseract_scans_say_what_to_install(folder: Path) -> None:
    """A missing program is told for what nothing else was found in; formats says what lacks."""
    for parse, content in ((parse_image, SCAN), (parse_pdf, pictures.pdf([pictures.page(PROSE), None]))):
        caught = failure(parse, content)
        assert (caught.reason, caught.transient) == (ParseReason.NO_TEXT, False)
        assert "tesseract is not installed" in caught.message
        assert "install tesseract" in caught.hint
    status = {one.format: one for one in known_formats.formats()}
    assert (status["image"].works, status["image"].missing) == (False, "tesseract")
    assert (status["pdf"].works, status["pdf"].partly) == (True, "tesseract")


def test_what_was_not_read_stands_at_the_end(folder: Path) -> None:
    """A document with text and scans is taken, and says which pages it lacks; empty pages lack nothing."""
    scan = pictures.page(PROSE)
    content = pictures.pdf([["First words."], scan, None, scan, scan, ["Last words."]])
    document = parse_pdf(ParseRequest(name="a.pdf", content=content))
    texts = [(e.page, document.text[e.start : e.end]) for e in document.elements]
    assert texts == [
        (1, "First words."),
        (6, "Last words."),
        (2, "[Pages 2, 4-5 are pictures and were not read: tesseract is not installed.]"),
    ]


def test_what_nobody_wants_read_is_not_spoken_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With OCR off the program is not started, and only a document without any text says so."""
    stand_in(folder, 'echo x > "$0.ran"')
    monkeypatch.setattr(ocr._process, "ocr", Ocr(mode=OcrMode.OFF).here())
    scan = pictures.page(PROSE)
    document = parse_pdf(ParseRequest(name="a.pdf", content=pictures.pdf([["Words."], scan])))
    assert document.text == "Words."
    assert 'ocr = "auto"' in failure(parse_image, SCAN).hint
    assert not (folder / "tesseract.ran").exists()


def test_no_more_pages_are_read_than_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the limit is said, with each page that was read on its page."""
    stand_in(folder, rows(("Refunds", 1, 95.0), ("take", 1, 95.0), ("days.", 2, 95.0)))
    monkeypatch.setattr(ocr._process, "ocr", Ocr(pages=2).here())
    asked: list[clock.Mark] = []
    monkeypatch.setattr(clock._process, "tell", asked.append)
    scan = pictures.page(PROSE)
    document = parse_image(ParseRequest(name="a.tif", content=pictures.as_file(scan, "TIFF", [scan, scan, scan])))
    assert [(e.page, document.text[e.start : e.end]) for e in document.elements] == [
        (1, "Refunds take days."),
        (2, "Refunds take days."),
        (3, "[Pages 3-4 are pictures and were not read: they are more than are read of one document.]"),
    ]
    assert asked == [clock.Mark.PICTURE] * 2


def test_only_a_page_without_text_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page number over a picture of the page is no text; a caption of some words beside a picture is."""
    stand_in(folder, rows(("Scanned", 1, 95.0), ("words.", 1, 95.0)))
    monkeypatch.setattr(ocr._process, "ocr", Ocr().here())
    caption = "The harbour station at high tide, seen from the south in winter."
    content = pictures.covered_pdf(pictures.page(PROSE), ["Page 12", caption])
    document = parse_pdf(ParseRequest(name="a.pdf", content=content))
    assert [document.text[e.start : e.end] for e in document.elements] == ["Scanned words.", caption]


@pytest.mark.parametrize(
    ("script", "says", "transient"),
    [("while :; do :; done", "takes too long", False), ("exit 1", "tesseract failed", True)],
)
def test_a_page_on_which_the_program_fails_costs_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str, transient: bool
) -> None:
    """Too much processor time and an error are told, at the end of a document or as the reason of its failure."""
    stand_in(folder, script)
    monkeypatch.setattr(ocr._process, "ocr", Ocr().here())
    monkeypatch.setattr(ocr._process, "page_seconds", 1.0)
    caught = failure(parse_image, SCAN)
    assert (caught.reason, caught.transient) == (ParseReason.NO_TEXT, transient)
    assert says in caught.message
    document = parse_pdf(ParseRequest(name="a.pdf", content=pictures.pdf([["Words."], pictures.page(PROSE)])))
    assert (
        document.text == f"Words.\n\n[Page 2 is a picture and was not read: {caught.message.partition(': ')[2][:-1]}.]"
    )


def test_a_picture_with_too_many_points_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head says how large it is, that of each page of a TIFF too; a page of a PDF that shows one is left out."""
    monkeypatch.setattr(ocr, "LARGEST", 20_000)
    monkeypatch.setattr(ocr._process, "ocr", Ocr(languages=("eng",)))
    small, large = Image.new("L", (100, 100), 255), Image.new("L", (200, 150), 255)
    for content in (
        *(pictures.as_file(large, kind) for kind in FORMATS),
        pictures.as_file(small, "TIFF", [large]),
    ):
        caught = failure(parse_image, content)
        assert (caught.reason, caught.transient) == (ParseReason.EXPANSION, False)
    assert "the picture is too large" in failure(parse_pdf, pictures.pdf([large])).message


@pytest.mark.parametrize("shown", [Image.new("L", (400, 300), 250), Image.new("L", (400, 9)), Image.new("P", (40, 40))])
def test_the_program_is_not_asked_about_what_shows_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, shown: Image.Image
) -> None:
    """Empty pages and ornaments are many, and each start costs a second."""
    stand_in(folder, 'echo x > "$0.ran"')
    monkeypatch.setattr(ocr._process, "ocr", Ocr().here())
    assert (
        failure(parse_image, pictures.as_file(shown, "PNG")).message == "The picture holds no text that OCR can read."
    )
    assert not (folder / "tesseract.ran").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_picture_is_corrupt(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a file is no picture, in whatever way the decoder finds out."""
    from ingestor.parsing.parse import parse

    monkeypatch.setattr(ocr._process, "ocr", Ocr(languages=("eng",)))
    whole = pictures.as_file(pictures.page(PROSE), kind)
    assert failure(parse, whole[: len(whole) // 2]).reason is ParseReason.CORRUPT


@needs_tesseract
@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_scans_are_read(parsed: Parsed, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nearly each word of a clean scan is found in order, in every format of pictures."""
    found, ordered = pictures.recall(parsed("a", pictures.as_file(pictures.page(PROSE), kind)).text, PROSE)
    with capsys.disabled():
        print(f"\n{kind}: recall {found:.3f}, in order {ordered:.3f}")
    assert min(found, ordered) >= 0.95


@needs_tesseract
@pytest.mark.slow
def test_scanned_pages_are_read_beside_pages_with_text(parsed: Parsed, capsys: pytest.CaptureFixture[str]) -> None:
    """Each passage has its page; a page in two columns is read in order; one that lies on its side is turned; a
    photograph gives no words."""
    columns = pictures.prose(2, paragraphs=4, sentences=2)
    photograph = Image.effect_mandelbrot((600, 400), (-2.0, -1.2, 1.0, 1.2), 60)
    pages = [pictures.page(columns, columns=2), pictures.page(PROSE).rotate(90, expand=True)]
    document = parsed("a.pdf", pictures.pdf([["Words of the first page."], *pages, photograph]))
    texts = {n: " ".join(document.text[e.start : e.end] for e in document.elements if e.page == n) for n in range(1, 5)}
    assert (texts[1], texts[4]) == ("Words of the first page.", "")
    measured = {"two columns": (texts[2], columns), "on its side": (texts[3], PROSE)}
    for name, (text, truth) in measured.items():
        found, ordered = pictures.recall(text, truth)
        with capsys.disabled():
            print(f"\n{name}: recall {found:.3f}, in order {ordered:.3f}")
        assert min(found, ordered) >= 0.95


@needs_tesseract
@pytest.mark.slow
def test_a_photograph_holds_no_text(parsed: Parsed) -> None:
    """It is set aside with a reason, and not taken in as rubbish."""
    with pytest.raises(ParseFailure) as caught:
        parsed("a.jpg", pictures.as_file(Image.effect_mandelbrot((600, 400), (-2.0, -1.2, 1.0, 1.2), 60), "JPEG"))
    assert caught.value.reason is ParseReason.NO_TEXT
    assert "photograph" in caught.value.hint


@needs_tesseract
def test_the_recipe_is_told_without_starting_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same languages as the program itself names; a run over what is known starts nothing (R9)."""
    told = tesseract.installed()
    assert told is not None
    monkeypatch.setattr(tesseract.subprocess, "run", None)
    tesseract.seen.cache_clear()
    found = tesseract.seen()
    assert found is not None
    assert found.languages == told.languages
    assert Ocr().fingerprint() == f"tesseract-{found.version}-{'+'.join(told.chosen(()))}-{Ocr().pages}"
