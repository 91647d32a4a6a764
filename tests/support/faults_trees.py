"""A small tree and what may happen to it, for scenarios that are played many times."""

from __future__ import annotations

from pathlib import Path

from tests.support.faults_corpus import mail, markdown, paragraph

MAIL = "g/mail.eml"
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
    attached = [("a.txt", paragraph(300).encode()), ("b.md", markdown("B", [301, 302]).encode()), ("c.pdf", b"none")]
    (root / MAIL).write_bytes(mail("Offer", [303], attached))


def everyday(root: Path) -> None:
    """Edit, append, rename, rename a folder, delete, add, copy, change of permissions; a mail with other
    attachments than before."""
    write(root, "a.md", [0, 100, 2])
    with (root / "b.md").open("a") as stream:
        stream.write("\nOne more line about zqappendx and nothing else at all.\n")
    (root / "c/d.md").rename(root / "moved.md")
    attached = [("new.txt", paragraph(304).encode()), ("b.md", markdown("B", [301, 305]).encode())]
    (root / MAIL).write_bytes(mail("Offer", [303], attached))
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
    for name in [*NAMES, MAIL]:
        (root / name).unlink()
