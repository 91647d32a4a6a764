"""What parsing costs: processor time by format, against plain unstructured, and what a second worker brings.

    python -m tests.benchmarks.bench_parsing [--slides N] [--rounds N]

The first table is over files that are made up from a fixed seed, the comparison over the sample handbook, both warm and
in this process; the last table over the pool. For unstructured its language model, which it would download, is replaced
by ours, which is quicker.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ingestor.model import ParseRequest
from ingestor.parsing import unstructured_adapter
from ingestor.parsing.parse import parse
from ingestor.parsing.pool import ParserPool
from ingestor.parsing.sandbox import spent_by_children
from tests.benchmarks.bench_chunking import prose
from tests.benchmarks.tables import Table, machine, p50, timed
from tests.support import pictures
from tests.support.old_office import old_office

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "parsing"))

import known_office
import parsing_samples

QUICK = ("--slides", "4", "--rounds", "1")
SEED = 20
HANDBOOK = Path(__file__).parents[1] / "data" / "handbook"
MOST = 0.5  # of what plain unstructured takes, for Markdown and HTML
_LATIN = "aaabcdeeefghiiklmnooprssttuvwz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, default=40, help="files of slides that the pool is given")
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    print(machine())
    by_format(chosen.rounds)
    ratios = against_unstructured(chosen.rounds)
    speed_up(chosen.slides)
    return 0 if max(ratios) <= MOST else 1


def markdown(rng: random.Random) -> bytes:
    """About 20 kB with headings, lists, tables and code."""
    parts = [prose(rng, _LATIN, 60, headings=True)]
    for n in range(8):
        parts.append("\n".join(f"- item {n} {i} {prose(rng, _LATIN, 1, headings=False)}" for i in range(5)))
        parts.append(
            "| id | name | state |\n|---|---|---|\n" + "\n".join(f"| {n}{i} | name{i} | open |" for i in range(10))
        )
        parts.append(f"```python\ndef function_{n}(value):\n    return value * {n}\n```")
        parts.append(prose(rng, _LATIN, 12, headings=True))
    return "\n\n".join(parts).encode()


def html(rng: random.Random) -> bytes:
    """The same kind of page, as a site shows it."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(markdown(rng).decode())
    menu = "".join(f'<li><a href="/p{n}">Page {n}</a></li>' for n in range(40))
    page = f"<nav><ul>{menu}</ul></nav><main>{body}</main><footer>Imprint</footer>"
    return f'<!doctype html><html lang="en"><head><title>A page</title></head><body>{page}</body></html>'.encode()


def by_format(rounds: int) -> None:
    rng = random.Random(SEED)
    files = {
        **parsing_samples.every_format(),
        "page.md": markdown(rng),
        "page.html": html(rng),
        "page.txt": prose(rng, _LATIN, 200, headings=False).encode(),
        "known.docx": known_office.docx()[0],
        "known.pptx": known_office.pptx()[0],
        "known.xlsx": known_office.xlsx()[0],
        **_by_programs(),
    }
    table = Table(
        title="Processor time by file, warm", headings=("file", "kB", "CPU ms", "characters", "CPU s/MB of text")
    )
    for name, content in sorted(files.items(), key=lambda item: item[0].rpartition(".")[2]):
        request = ParseRequest(name=name, content=content)
        length = len(parse(request).text)
        seconds = _cpu(lambda request=request: parse(request), rounds)
        per_megabyte = f"{seconds / length * 1e6:.1f}" if length > 5_000 else ""
        table.add(name, f"{len(content) / 1000:.1f}", f"{seconds * 1000:.2f}", length, per_megabyte)
    table.show()


def _by_programs() -> dict[str, bytes]:
    """A page for OCR, and Word and PowerPoint files of before 2007, where the programs for them are here."""
    found = {}
    if shutil.which("tesseract"):
        found["page.png"] = pictures.as_file(pictures.page(["Refunds take 14 days.", "Bring a receipt."]), "PNG")
    if shutil.which("soffice"):
        with tempfile.TemporaryDirectory() as folder:
            found |= old_office(Path(folder))
    return found


def against_unstructured(rounds: int) -> list[float]:
    """Ours as a part of ``unstructured.partition.auto.partition``, over the same files in the same run."""
    unstructured_adapter.prepare()
    from unstructured.partition.auto import partition

    table = Table(
        title="Against plain unstructured, the sample handbook",
        headings=("format", "files", "kB", "ours CPU s", "its CPU s", "ratio", "goal"),
    )
    ratios = []
    for suffix in ("md", "html"):
        contents = [path.read_bytes() for path in sorted(HANDBOOK.rglob(f"*.{suffix}"))]

        def ours(contents: list[bytes] = contents, suffix: str = suffix) -> None:
            for content in contents:
                parse(ParseRequest(name=f"a.{suffix}", content=content))

        def theirs(contents: list[bytes] = contents, suffix: str = suffix) -> None:
            for content in contents:
                partition(file=io.BytesIO(content), metadata_filename=f"a.{suffix}")

        a, b = _cpu(ours, rounds), _cpu(theirs, rounds)
        ratios.append(a / b)
        size = sum(map(len, contents)) / 1000
        table.add(suffix, len(contents), f"{size:.0f}", f"{a:.3f}", f"{b:.3f}", f"{a / b:.3f}", f"<= {MOST}")
    table.show()
    return ratios


def speed_up(files: int) -> None:
    """The pool with one worker and with two, over the same work; both are warm."""
    content = known_office.pptx()[0]
    requests = [ParseRequest(name=f"{n}.pptx", content=content) for n in range(files)]
    table = Table(title=f"The pool, {files} files of twelve slides", headings=("workers", "wall s", "speed-up"))
    first = 0.0
    for workers in (1, 2):
        pool = ParserPool(workers=workers)
        try:
            _together(pool, requests[: 4 * workers])
            wall = min(timed(lambda pool=pool: _together(pool, requests)) for _ in range(2))
        finally:
            pool.close()
        first = first or wall
        table.add(workers, f"{wall:.2f}", f"{first / wall:.2f}")
    table.show()
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")


def _together(pool: ParserPool, requests: list[ParseRequest]) -> None:
    for future in [pool.submit(request) for request in requests]:
        future.result(timeout=600)


def _cpu(action: Callable[[], object], rounds: int) -> float:
    """Processor seconds of a call with the programs that it starts (pandoc, tesseract, LibreOffice), the median of
    ``rounds`` after one that does not count."""
    action()
    spent = []
    for _ in range(rounds):
        began = _spent()
        action()
        spent.append(_spent() - began)
    return p50(spent)


def _spent() -> float:
    return time.process_time() + spent_by_children()


if __name__ == "__main__":
    sys.exit(main())
