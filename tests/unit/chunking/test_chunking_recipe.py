"""The recipe names the cuts: what is cut otherwise under the same recipe would stand beside what was cut before."""

from __future__ import annotations

import random

from ingestor.chunking import SemanticCutter
from ingestor.model import ParseRequest, blake
from ingestor.parsing.pool import InlineParser

RECIPE = "semantic.3.90b6cf3a"
PASSAGES = 438
CUTS = "1c1a6cd9cdc155bd01aa1c02e34810cdb79117f6"


def corpora() -> dict[str, str]:
    """A few hundred units of each kind, made up from a fixed seed, by file name."""
    rng = random.Random(20)
    words = ["".join(rng.choices("aaabcdeeefghiiklmnooprssttuvwz", k=rng.randint(2, 10))) for _ in range(800)]
    signs = ["".join(rng.choices("的一是不了人我在有他这为之大来以个中上们", k=rng.randint(1, 3))) for _ in range(300)]

    def prose(count: int, vocabulary: list[str], space: str, stop: str) -> str:
        blocks = []
        for _ in range(count):
            said = [
                space.join(rng.choices(vocabulary, k=rng.randint(4, 60))).capitalize() + stop
                for _ in range(rng.randint(1, 6))
            ]
            blocks.append((f"## {rng.choice(vocabulary)}\n\n" if rng.random() < 0.15 else "") + "".join(said).strip())
        return "\n\n".join(blocks)

    rows = "\n".join(
        f"| {rng.choice(words)} | {rng.randint(0, 9999)} | {'x ' * rng.randint(0, 9)} |" for _ in range(300)
    )
    code = "\n\n".join(f"def {word}(value):\n    return value * {len(word)}" for word in words[:200])
    items = "\n".join(f"{'  ' * rng.randint(0, 2)}- {' '.join(rng.choices(words, k=9))}" for _ in range(200))
    mail = "\n".join(f"> {line}" for line in prose(20, words, " ", ". ").split("\n"))
    return {
        "latin.md": prose(120, words, " ", ". "),
        "plain.txt": prose(120, words, " ", "? ").replace("#", ""),
        "wrapped.txt": "\n".join(prose(40, words, " ", ". ").replace("#", "").split(". ")),
        "chinese.txt": prose(80, signs, "", "。").replace("#", ""),
        "table.md": f"Numbers:\n\n| id | number | state |\n|---|---|---|\n{rows}\n",
        "code.md": f"```python\n{code}\n```\n",
        "list.md": f"You need:\n\n{items}\n",
        "mail.eml": f"Subject: {words[0]}\n\n{prose(5, words, ' ', '. ')}\n\n-- \n{words[1]}\n\n{mail}\n",
        "odd.md": "| a |  | b |\n|--|---|--:|\n| -- | \\| | [x](http://a.b/c(d)) |\n\n\n* \n* x\n\n1. y\n10) z\n\n--\n",
    }


def test_other_cuts_have_another_recipe() -> None:
    """Places, texts to embed, weights and contexts of every passage are those of the recipe. Whoever means to change
    them raises the cutter's version and writes down both anew."""
    cutter, parser, found = SemanticCutter(), InlineParser(), list[bytes]()
    for name, text in corpora().items():
        document = parser.submit(ParseRequest(name=name, content=text.encode())).result()
        found += [
            repr((p.start, p.end, p.length, p.section, p.context, p.reason, p.units)).encode()
            for p in cutter.cut(document)
        ]
    assert (cutter.recipe(), len(found), blake(*found).hex()) == (RECIPE, PASSAGES, CUTS)
