"""Cost and stability of cutting: CPU seconds per MB by script, and what one edit changes.

    python tests/benchmarks/bench_chunking.py [--trials N] [FILE...]

The corpora are made up from a fixed seed; FILEs (text or Markdown) are measured beside them. "changed" is the
larger of the chunks that leave and those that come, "rows" is their sum, "embeds" the units without a vector.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from pathlib import Path

from ingestor.chunking import SemanticCutter
from ingestor.model import Document, ParseRequest
from ingestor.parsing.markdown import parse_markdown
from ingestor.parsing.text import parse_text

SEED = 20
MEGABYTE = 1_000_000
PROMISE = 0.5


def document(text: str, name: str = "a.txt") -> Document:
    parse = parse_markdown if name.endswith(".md") else parse_text
    return parse(ParseRequest(name=name, content=text.encode()))


# -- corpora ---------------------------------------------------------------------------------------


def prose(
    rng: random.Random, letters: str, sentences: int, *, stop: str = ". ", space: str = " ", headings: bool
) -> str:
    """Paragraphs of one to six sentences of made-up words; Markdown headings now and then."""
    words = ["".join(rng.choices(letters, k=rng.randint(2, 10) if space else rng.randint(1, 3))) for _ in range(3000)]
    blocks, left = [], sentences
    while left > 0:
        if headings and rng.random() < 0.15:
            blocks.append("## " + space.join(rng.choices(words, k=3)).capitalize())
        count = rng.randint(1, 6)
        left -= count
        blocks.append(
            "".join(
                space.join(rng.choices(words, k=rng.randint(5, 25))).capitalize() + stop for _ in range(count)
            ).strip()
        )
    return "\n\n".join(blocks)


def corpora() -> dict[str, tuple[str, str]]:
    """name -> (text, file name)."""
    rng = random.Random(SEED)
    latin = "aaabcdeeefghiiklmnooprssttuvwz"
    rows = "\n".join(
        f"| {rng.choice('abc')}-{i} | {rng.randint(0, 9999)} | {rng.choice(['open', 'closed', 'late'])} |"
        for i in range(20000)
    )
    code = "\n\n".join(
        f"def function_{i}(value):\n    result = value * {i}\n    if result > {i}:\n        return result\n    return None"
        for i in range(6000)
    )
    return {
        "Latin, headings": (prose(rng, latin, 9000, headings=True), "a.md"),
        "Latin, plain": (prose(rng, latin, 9000, headings=False), "a.txt"),
        "Chinese": (
            prose(rng, "的一是不了人我在有他这为之大来以个中上们", 9000, stop="。", space="", headings=False),
            "a.txt",
        ),
        "Japanese": (
            prose(rng, "のにはをたがでてとし日本人大年会国中一", 9000, stop="。", space="", headings=False),
            "a.txt",
        ),
        "Arabic": (prose(rng, "ابتجحدرسعفقكلمنهوي", 6000, headings=False), "a.txt"),
        "Hindi": (prose(rng, "कखगचजटडतदनपबमयरलवशसह", 6000, stop="। ", headings=False), "a.txt"),
        "table": (f"| id | number | state |\n|---|---|---|\n{rows}", "a.md"),
        "code": (f"```python\n{code}\n```", "a.md"),
        "German": (prose(rng, latin + "äöüß", 9000, headings=False), "a.txt"),
    }


def pages(count: int) -> dict[str, str]:
    """Texts of about ``count`` pages of 2,000 characters for the stability figures."""
    rng = random.Random(SEED)
    latin = "aaabcdeeefghiiklmnooprssttuvwz"
    units = count * 18
    plain = prose(rng, latin, units, headings=False)
    return {
        "headings": prose(rng, latin, units, headings=True),
        "paragraphs": plain,
        "one paragraph": plain.replace("\n\n", " "),
        "alike, numbered": " ".join(f"Alike sentence number {i} says what all the others say." for i in range(10_000)),
        "alike, equal": " ".join(["This sentence says what all the others say."] * 10_000),
        "alike paragraphs": "\n\n".join(["This paragraph says what all the others say."] * 10_000),
        "periodic": " ".join(f"On day {i % 7} of the week the office opens at nine." for i in range(10_000)),
    }


# -- figures ---------------------------------------------------------------------------------------


def cost(cutter: SemanticCutter, doc: Document) -> str:
    size = len(doc.text.encode())
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        passages = cutter.cut(doc)
        best = min(best, time.process_time() - started)
    lengths = [passage.length for passage in passages]
    units = sum(len(passage.units) for passage in passages)
    return (
        f"{size / MEGABYTE:6.2f} MB {best / size * MEGABYTE:6.3f} CPU-s/MB {len(passages):6d} chunks {units:6d} units"
        f"  length {statistics.mean(lengths):4.0f} ± {statistics.pstdev(lengths):3.0f}, most {max(lengths)}"
    )


def stability(cutter: SemanticCutter, text: str, name: str, kind: str, trials: int) -> str:
    before = cutter.cut(document(text, name))
    chunks = Counter(passage.text for passage in before)
    units = [unit for passage in before for unit in passage.units]
    known = {unit.text for unit in units}
    rng = random.Random(SEED)
    changed, rows, embeds = [], [], []
    while len(changed) < trials:
        unit = rng.choice(units)
        at = unit.start if kind == "insert" else text.find(" ", unit.start, unit.end)
        if at < 0 or text[at] == "#":
            continue
        new = f"Somebody put in sentence {rng.randrange(10**6)} here. " if kind == "insert" else " really"
        after = cutter.cut(document(text[:at] + new + text[at:], name))
        now = Counter(passage.text for passage in after)
        gone, come = (chunks - now).total(), (now - chunks).total()
        changed.append(max(gone, come))
        rows.append(gone + come)
        embeds.append(len({u.text for p in after for u in p.units} - known))
    over = 100 * sum(count > 4 for count in rows) / trials
    return (
        f"{len(before):5d} chunks  changed: mean {statistics.mean(changed):.2f}, most {max(changed)}"
        f"  rows: mean {statistics.mean(rows):.2f}, most {max(rows)}, above four {over:.0f} %"
        f"  embeds: mean {statistics.mean(embeds):.2f}, most {max(embeds)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    cutter = SemanticCutter()
    print(f"{cutter.recipe()}, seed {SEED}; promised: {PROMISE} CPU-s/MB of any kind")
    for name, (text, file) in corpora().items():
        print(f"{name:18s}{cost(cutter, document(text, file))}", flush=True)
    for path in arguments.files:
        print(f"{path.name:18s}{cost(cutter, document(path.read_text(), path.name))}", flush=True)
    print(f"One edit, {arguments.trials} trials, about {arguments.pages} pages or 10,000 alike units:")
    texts = {name: (text, "a.md") for name, text in pages(arguments.pages).items()}
    texts |= {path.name: (path.read_text(), path.name) for path in arguments.files}
    for name, (text, file) in texts.items():
        for kind in ("insert", "edit"):
            print(f"{name:18s}{kind:7s}{stability(cutter, text, file, kind, arguments.trials)}", flush=True)


if __name__ == "__main__":
    main()
