"""A small tree and what may happen to it, for scenarios that are played many times."""

from __future__ import annotations

from pathlib import Path

from tests.support.faults_corpus import markdown

NAMES = ["a.md", "b.md", "c/d.md", "c/e.md", "c/f.txt", "g/h.md", "g/i.md"]


def write(root: Path, name: str, numbers: list[int]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(name, numbers))


def nothing(_: Path) -> None:
    """The scenario begins with an empty folder."""


def small_tree(root: Path) -> None:
    for number, name in enumerate(NAMES):
        write(root, name, list(range(10 * number, 10 * number + 3)))


def everyday(root: Path) -> None:
    """Edit, append, rename, rename a folder, delete, add, copy, change of permissions."""
    write(root, "a.md", [0, 100, 2])
    with (root / "b.md").open("a") as stream:
        stream.write("\nOne more line about zqappendx and nothing else at all.\n")
    (root / "c/d.md").rename(root / "moved.md")
    (root / "g").rename(root / "k")
    (root / "c/e.md").unlink()
    write(root, "new/n.md", [200, 201])
    (root / "new/copy.md").write_text((root / "b.md").read_text())
    (root / "c/f.txt").chmod(0o600)


def rewrite(root: Path) -> None:
    """New text everywhere, enough of it for several batches of the embed step."""
    for number, name in enumerate(NAMES):
        write(root, name, list(range(300 + 10 * number, 308 + 10 * number)))


def purge(root: Path) -> None:
    """So much goes that it is held, until somebody approves it."""
    for name in NAMES:
        (root / name).unlink()
