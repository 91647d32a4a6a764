"""Cache folders: one a source, under a name that any file system takes, gone with it."""

from __future__ import annotations

from pathlib import Path

from ingestor.service.caches import Caches


def test_each_source_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Names that a file system would fold or refuse lead to different plain ones; nothing is made by asking."""
    caches = Caches(tmp_path / "cache")
    names = ["wiki", "Wiki", "w" * 64, "\U00010400" * 64, "a.b", "a b"]
    folders = {caches.of(name).name for name in names}
    assert len(folders) == len(names)
    assert all(folder.isascii() and folder.isalnum() for folder in folders)
    assert not (tmp_path / "cache").exists()


def test_what_belongs_to_no_source_is_swept(tmp_path: Path) -> None:
    """The folder of a removed source goes, also when a crash kept it; the others stay."""
    caches = Caches(tmp_path / "cache")
    caches.sweep([])
    for name in ("kept", "removed"):
        caches.of(name).mkdir(parents=True)
        (caches.of(name) / "file").write_text(name)
    caches.sweep(["kept", "never used"])
    assert (caches.of("kept") / "file").read_text() == "kept"
    assert not caches.of("removed").exists()
