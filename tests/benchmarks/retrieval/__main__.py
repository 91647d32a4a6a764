"""Retrieval quality on a public benchmark: ours as a whole, and other chunkers with the usual ways to search.

    python -m tests.benchmarks.retrieval [--chunkers PYTHON [--only NAME...]]      # make bench-retrieval

PYTHON is the interpreter of the environment in which ``chunkers.py`` runs; without it only ours is measured. Writes
tests/benchmarks/RETRIEVAL.md and tests/benchmarks/retrieval.svg, and under .cache/retrieval our chunks and rankings as the
evaluation of the data takes them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.model import blake
from tests.benchmarks.retrieval import others, ours
from tests.benchmarks.retrieval.data import ROOT, Part, folder, parts
from tests.benchmarks.retrieval.embeddings import KeptEmbedder
from tests.benchmarks.retrieval.measures import DRAWS, SEED, Scores, difference, mean, score
from tests.benchmarks.retrieval.plot import Dot, draw
from tests.benchmarks.tables import Table, commit, machine, today

HERE = Path(__file__).parent
CACHE = ROOT / ".cache" / "retrieval"
REPORT = HERE.parent / "RETRIEVAL.md"
PLOT = HERE.parent / "retrieval.svg"

FAIR = "recall@4000c"
MEASURES = ("recall@5", "iou@5", "recall@2000c", FAIR, "ndcg@10")

MERGED, PASSAGES = tuple(ours.WAYS)[3:]
BARS: Sequence[tuple[str, str, float]] = (
    ("dense", "recall@5", 86.5),
    ("dense", FAIR, 85.5),
    ("dense", "iou@5", 5.8),
    ("hybrid", "recall@5", 91.0),
    ("hybrid", FAIR, 91.5),
    ("hybrid", "ndcg@10", 80.0),
    (MERGED, "recall@5", 94.0),
    (PASSAGES, "iou@5", 12.0),
)
"""What the dev part has to reach, in per cent."""

NOT_BETTER = 1.0
"""Points that a chunker's cuts with our scoring may at most be above ours, at the upper end of the interval."""

Interval = tuple[float, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retrieval", description=__doc__)
    parser.add_argument("--chunkers", metavar="PYTHON", help="the interpreter that has the other chunkers")
    parser.add_argument("--only", metavar="NAME", nargs="*", default=[], help="of the other chunkers, these")
    chosen = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    embedder = KeptEmbedder(CACHE / "embeddings.sqlite3")
    head = [machine(), f"commit {commit()}, {today()}; {DEFAULT_MODEL} ({embedder.model})"]
    print("\n".join(head), flush=True)
    made = None
    if chosen.chunkers:
        made = _made(chosen.chunkers, chosen.only)
        head.append((made / "versions").read_text(encoding="utf-8"))
    body: list[str] = []
    kept = True
    for part in parts():
        tables, dots, held = _measure(part, made, chosen.only, embedder)
        body += [table.markdown() for table in tables]
        if part.name == "dev":
            kept = held
            if len(dots) > len(ours.WAYS):
                PLOT.write_text(draw(f"{FAIR}, per cent, intervals of 95 %", dots), encoding="utf-8")
    _write(head, body)
    return 0 if kept else 1


def _made(python: str, names: Sequence[str]) -> Path:
    """The chunks of the others. They do not change while ``chunkers.py``, its requirements and the data stay as
    they are, so each is made once."""
    files = [HERE / "chunkers.py", HERE / "requirements.txt", *sorted((folder() / "corpora").glob("*.md"))]
    made = CACHE / blake(*(path.read_bytes() for path in files)).hex()[:12]
    made.mkdir(exist_ok=True)
    subprocess.run([python, HERE / "chunkers.py", folder() / "corpora", made, *names], check=True)
    return made


def _measure(
    part: Part, made: Path | None, names: Sequence[str], embedder: KeptEmbedder
) -> tuple[list[Table], list[Dot], bool]:
    chunks = ours.cut(part)
    print(
        f"\n{part.name}: {', '.join(part.corpora)}; {part.characters:,} characters, {len(chunks):,} of our chunks,"
        f" {len(part.asked)} questions; one pass, nothing is random; intervals from {DRAWS:,} draws, seed {SEED}",
        flush=True,
    )
    kept = CACHE / part.name.replace(" ", "_")
    hits = ours.ranked(part, kept)
    ours.write(kept, part, chunks, hits)
    whole = {way: score(part, chunks, lists) for way, lists in hits.items()}
    tables = [_own_table(part, chunks, whole), _together(part, whole)]
    dots = [Dot(name=f"ours, {way}", value=mean(scores[FAIR]), ours=True) for way, scores in whole.items()]
    held = True
    if part.name == "dev":
        bars, held = _bars(whole)
        tables.append(bars)
    if made is not None:
        rows = others.rows(part, made, names)
        chunkers, scoring, more, won = _others(part, rows, chunks, whole[MERGED], embedder)
        tables += [chunkers, scoring]
        dots += more
        held &= won or part.name != "dev"
    for table in tables:
        table.show()
    return tables, dots, held


def _own_table(part: Part, chunks: Sequence[ours.Place], whole: Mapping[str, Scores]) -> Table:
    title = (
        f"Ours, {part.name} part: {', '.join(part.corpora)}; {part.characters:,} characters, {len(chunks):,} chunks,"
        f" {len(part.asked)} questions"
    )
    table = Table(title=title, headings=("search", *MEASURES))
    for way, scores in whole.items():
        table.add(way, *(_shown(mean(scores[name])) for name in MEASURES))
    return table


def _together(part: Part, whole: Mapping[str, Scores]) -> Table:
    """Whether words and meaning together find more than either alone."""
    table = Table(title=f"Hybrid less one of its two alone, {part.name} part", headings=("less", *MEASURES))
    for way in ("dense", "keyword"):
        table.add(way, *(_signed(difference(whole["hybrid"][name], whole[way][name])) for name in MEASURES))
    return table


def _bars(whole: Mapping[str, Scores]) -> tuple[Table, bool]:
    table = Table(title="What the dev part has to reach", headings=("search", "measure", "at least", "found", ""))
    held = True
    for way, name, least in BARS:
        found = mean(whole[way][name])[0]
        held &= found >= least
        table.add(way, name, f"{least:.1f}", f"{found:.2f}", "reached" if found >= least else "MISSED")
    return table, held


def _others(
    part: Part, rows: Sequence[others.Row], chunks: Sequence[ours.Place], whole: Scores, embedder: KeptEmbedder
) -> tuple[Table, Table, list[Dot], bool]:
    table = Table(
        title=f"Other chunkers, {part.name} part, and in {FAIR} what the whole of ours ({MERGED}) is above them",
        headings=(
            *("chunker", "chunks", "mean c", "CPU s", "dense recall@5", "dense IoU@5", "dense", "BM25", "RRF"),
            *("ours - dense", "ours - BM25", "ours - RRF"),
        ),
    )
    given = Table(
        title=f"Their cuts with our scoring, {part.name} part",
        headings=("chunker", "recall@5", FAIR, "ndcg@10", f"theirs - ours, {FAIR}"),
    )
    own = score(part, chunks, others.given_our_scoring(part, chunks, embedder))
    given.add("ours", *(_shown(mean(own[name])) for name in ("recall@5", FAIR, "ndcg@10")), "")
    dots, won = [], True
    for row in rows:
        print(f"  {row.name}", file=sys.stderr, flush=True)
        near, worded = others.dense(part, row, embedder), others.words(part, row)
        found = {
            way: score(part, row.places, others.at(row, ranked))
            for way, ranked in (("dense", near), ("BM25", worded), ("RRF", others.fused(near, worded)))
        }
        above = {way: difference(whole[FAIR], scores[FAIR]) for way, scores in found.items()}
        won &= above["dense"][1] > 0 and above["RRF"][1] > 0 and above["BM25"][0] > 0
        table.add(
            row.name,
            f"{len(row.places):,}",
            f"{sum(e - s for _, s, e in row.places) / len(row.places):.0f}",
            f"{row.cpu_s:.1f}",
            f"{mean(found['dense']['recall@5'])[0]:.1f}",
            f"{mean(found['dense']['iou@5'])[0]:.1f}",
            *(f"{mean(found[way][FAIR])[0]:.1f}" for way in ("dense", "BM25", "RRF")),
            *(_signed(above[way]) for way in ("dense", "BM25", "RRF")),
        )
        scored = score(part, row.places, others.given_our_scoring(part, row.places, embedder))
        apart = difference(scored[FAIR], own[FAIR])
        won &= apart[2] <= NOT_BETTER
        given.add(row.name, *(_shown(mean(scored[name])) for name in ("recall@5", FAIR, "ndcg@10")), _signed(apart))
        dots += [Dot(name=f"{row.name}, {way}", value=mean(found[way][FAIR])) for way in ("dense", "RRF")]
    return table, given, dots, won


def _shown(value: Interval) -> str:
    return f"{value[0]:.1f} [{value[1]:.1f}, {value[2]:.1f}]"


def _signed(value: Interval) -> str:
    return f"{value[0]:+.1f} [{value[1]:+.1f}, {value[2]:+.1f}]"


def _write(head: Sequence[str], body: Sequence[str]) -> None:
    text = [
        "# Retrieval quality",
        "",
        "Written by `make bench-retrieval`. Per cent with intervals of 95 % over questions; differences are paired.",
        f"One pass, nothing in it is random; intervals by bootstrap, {DRAWS:,} draws, seed {SEED}. Data: Chroma's chunking",
        "evaluation (Smith and Troynikov, 2024). Within a part only its own chunks compete. `tok` are tokens of",
        "cl100k_base, `c` characters; the chunk sizes of others are those of their documentation or of that report.",
        "",
        *(f"- {line}" for line in head),
        "",
        *body,
    ]
    REPORT.write_text("\n".join(text), encoding="utf-8")
    print(f"\nwritten: {REPORT}")


if __name__ == "__main__":
    sys.exit(main())
