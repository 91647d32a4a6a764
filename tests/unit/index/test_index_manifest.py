"""The manifest of a store's folder tells whether anybody touched it."""

import os

import pytest

from ingestor.index.manifest import folder_manifest


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store" / "segment").mkdir(parents=True)
    (tmp_path / "store" / "chroma.sqlite3").write_bytes(b"database")
    (tmp_path / "store" / "segment" / "data.bin").write_bytes(b"vectors")
    return tmp_path / "store"


def test_equal_while_untouched(store):
    """Reading changes nothing, and the order of creation does not show."""
    before = folder_manifest(store)
    (store / "chroma.sqlite3").read_bytes()
    assert folder_manifest(store) == before


@pytest.mark.parametrize("change", ["grow", "touch", "add", "remove", "rename"])
def test_any_change_shows(store, change):
    """Size, time in nanoseconds, names and number of files all count."""
    before = folder_manifest(store)
    data = store / "segment" / "data.bin"
    stat = data.stat()
    match change:
        case "grow":
            data.write_bytes(b"vectors!")
            os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        case "touch":
            os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        case "add":
            (store / "segment" / "more.bin").touch()
        case "remove":
            data.unlink()
        case "rename":
            data.rename(store / "segment" / "other.bin")
    assert folder_manifest(store) != before


def test_a_folder_that_is_gone_has_no_manifest(store):
    """A missing folder is an error and not an empty store."""
    with pytest.raises(FileNotFoundError):
        folder_manifest(store / "nowhere")
