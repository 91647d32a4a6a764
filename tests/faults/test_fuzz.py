"""Broken files of every format through the pool that the service uses: each ends as a document or with a reason, none
takes the pool with it, and nothing is left running. Seeds are printed; $INGESTOR_FAULT_SEED repeats one."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path, PurePosixPath

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing.limits import Limits
from ingestor.parsing.pool import ParserPool
from tests.support.faults_report import campaign_seed, write_report
from tests.support.mutants import Mutant, mutant
from tests.support.old_office import old_office

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "parsing"))

import known_office
import parsing_samples

pytestmark = pytest.mark.slow
GOOD = ParseRequest(name="good.docx", content=parsing_samples.docx())
# The pool's own grace for handing over, and for a machine that is busy with other things.
SLACK = 60.0
needs_soffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice (soffice)")


@pytest.fixture
def pool() -> Iterator[ParserPool]:
    made = ParserPool()
    yield made
    made.close()


@pytest.fixture
def hurried() -> Iterator[ParserPool]:
    """What hangs in soffice is given up sooner, so that the short form stays short."""
    made = ParserPool(limits=Limits(seconds=20.0))
    yield made
    made.close()


def originals() -> dict[str, bytes]:
    """A small file of each format and a rich one of the office formats."""
    rich = {
        f"known.{maker.__name__}": maker()[0] for maker in (known_office.docx, known_office.pptx, known_office.xlsx)
    }
    random.seed(0)  # the boundaries of mails
    return {name: undated(content) for name, content in {**parsing_samples.every_format(), **rich}.items()}


def undated(content: bytes) -> bytes:
    """Without the hour that libraries write into archives: a seed gives the same files tomorrow."""
    if not content.startswith(b"PK"):
        return content
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w") as made:
        for info in given.infolist():
            body = given.read(info)
            if info.filename == "docProps/core.xml":
                body = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+", b"2026-01-01T00:00:00", body)
            if info.filename.endswith((".xlsx", ".docx")):  # embedded in a chart
                body = undated(body)
            member = zipfile.ZipInfo(info.filename, (2026, 1, 1, 0, 0, 0))
            member.compress_type = info.compress_type
            made.writestr(member, body)
    return out.getvalue()


def outcome(future: Future[Document], broken: Mutant, seed: int) -> str:
    """How it ended. Anything but a document or a failure that a person understands fails the test."""
    try:
        document = future.result(timeout=Limits().seconds * Limits().patience + SLACK)
    except ParseFailure as failure:
        assert failure.message, (seed, broken.number)
        assert failure.hint, (seed, broken.number)
        return failure.reason.value
    except Exception as error:
        raise AssertionError(f"mutant {broken.number} of seed {seed} ({broken.how} of {broken.name})") from error
    position = 0
    for element in document.elements:
        assert position <= element.start < element.end <= len(document.text), (seed, broken.number)
        position = element.end
    return "document"


def campaign(pool: ParserPool, seed: int, count: int, files: Mapping[str, bytes]) -> list[str]:
    """Break, parse and judge ``count`` files; returns the table."""
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)
    slow: list[str] = []
    for first in range(0, count, 20):
        batch = [mutant(seed, number, files) for number in range(first, min(first + 20, count))]
        began = time.monotonic()
        futures = [pool.submit(ParseRequest(name=broken.name, content=broken.content)) for broken in batch]
        for broken, future in zip(batch, futures, strict=True):
            kind = PurePosixPath(broken.name).suffix[1:]
            how = outcome(future, broken, seed)
            ended[kind][how] += 1
            if how == ParseReason.TIMEOUT:
                slow.append(f"{broken.number} ({broken.name}, {broken.how}, {len(broken.content) // 1024} KiB)")
        slowest["batch"] = max(slowest["batch"], time.monotonic() - began)
        good = pool.submit(GOOD).result(timeout=Limits().seconds * Limits().patience + SLACK)
        assert good.title == "Refund policy"
    total = sum(ended.values(), Counter())
    reasons = sorted(total, key=lambda reason: (reason != "document", reason))
    lines = ["| named | " + " | ".join(reasons) + " | all |", "|" + "---|" * (len(reasons) + 2)]
    for kind, counts in [*sorted(ended.items()), ("all", total)]:
        lines.append(f"| {kind} | " + " | ".join(str(counts[reason]) for reason in reasons) + f" | {counts.total()} |")
    return [
        *lines,
        "",
        f"The slowest twenty took {slowest['batch']:.1f} s together, beside a load of {os.getloadavg()[2]:.0f} in the end.",
        f"Ended by the clock, each alone: {'; '.join(slow) or 'none'}.",
    ]


def children() -> set[int]:
    """All that descends from this process and runs."""
    found, todo = set(), [os.getpid()]
    while todo:
        for listed in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            new = {int(child) for child in listed.read_text().split()} - found
            found |= new
            todo += new
    return found


def test_broken_files_of_every_format(pool: ParserPool) -> None:
    """Two hundred of them: each is a document or has a reason, the pool goes on, and no process is left."""
    before, seed = children(), campaign_seed()
    print("\n".join(campaign(pool, seed, 200, originals())))
    pool.close()
    assert children() <= before


@needs_soffice
@pytest.mark.timeout(600)
def test_broken_files_through_soffice(hurried: ParserPool, tmp_path: Path) -> None:
    """Five of them: as above, with a program in between that has crashes of its own."""
    before, seed = children(), campaign_seed()
    print("\n".join(campaign(hurried, seed, 5, old_office(tmp_path))))
    hurried.close()
    assert children() <= before


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_the_long_form(pool: ParserPool, tmp_path: Path) -> None:
    """Two thousand files, fifty of them through soffice; writes the table."""
    before, seed = children(), campaign_seed()
    lines = [f"Seed {seed}.", "", *campaign(pool, seed, 1950, originals())]
    if shutil.which("soffice"):
        lines += ["", "Through soffice:", "", *campaign(pool, seed, 50, old_office(tmp_path))]
    else:
        lines += ["", "LibreOffice (soffice) is not here: nothing went through it."]
    pool.close()
    assert children() <= before
    write_report("fuzz.md", "Broken files of every format", lines)
