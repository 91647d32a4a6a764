"""When a change is hinted at and with which scopes: tables over a clock that the test turns."""

from __future__ import annotations

import pytest

from connectors.files.collapse import MANY_FOLDERS, MANY_PATHS, collapse, common_folder, outermost
from connectors.files.settle import BUSY, LONGEST_WINDOW_S, LONGEST_WRITE_S, QUIET_S, WINDOW_S, Settler


@pytest.mark.parametrize(
    ("changed", "scopes"),
    [
        ({}, ()),
        ({b"a": False, b"b": False}, (b"a", b"b")),
        ({b"a": True, b"a/b": False, b"ab": False}, (b"a", b"ab")),
        ({b"": True, b"a/b": False}, (b"",)),
        ({b"a/%d" % n: False for n in range(MANY_PATHS + 1)}, (b"a",)),
        ({b"a/b/%d/x" % n: False for n in range(MANY_PATHS + 1)}, (b"a/b",)),
        ({**{b"a/%d" % n: False for n in range(MANY_PATHS)}, b"c/d": True}, (b"a", b"c/d")),
        ({b"%d/x" % n: False for n in range(MANY_PATHS + 1)}, (b"",)),
        ({b"%d" % n: False for n in range(MANY_PATHS + 1)}, (b"",)),
    ],
)
def test_storms_collapse(changed: dict[bytes, bool], scopes: tuple[bytes, ...]) -> None:
    """Few paths stay as they are; many become their folders; many folders become what holds them all."""
    assert collapse(changed) == scopes


def test_a_collapse_loses_nothing() -> None:
    """Every changed path lies in a scope, and no scope in another."""
    changed = {b"%d/%d" % (n % (MANY_FOLDERS - 1), n): n % 7 == 0 for n in range(1000)}
    scopes = collapse(changed)
    assert all(any(s in {b"", path} or path.startswith(s + b"/") for s in scopes) for path in changed)
    assert outermost(scopes) == scopes
    assert common_folder([b"a/b", b"a/c/d"]) == b"a"


class Desk:
    """A settler whose clock and files the test sets."""

    def __init__(self) -> None:
        self.files: dict[bytes, object] = {}
        self.now = 100.0
        self.settler = Settler(probe=self.files.get)

    def wait(self, seconds: float) -> tuple[bytes, ...]:
        """What is hinted at when so much time has passed, looking whenever the settler asks to."""
        end, scopes = self.now + seconds, ()
        while (due := self.settler.due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.settler.strays(self.now)
            scopes += self.settler.take(self.now)
        self.now = end
        return scopes


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_close_is_hinted_at_soon(desk: Desk) -> None:
    """A file that is made, written and closed is hinted at once, one window after its close."""
    desk.settler.created(b"a", desk.now)
    desk.settler.writing(b"a", desk.now)
    desk.settler.changed(b"a", desk.now, is_dir=False)
    assert desk.wait(WINDOW_S / 2) == ()
    assert desk.wait(WINDOW_S) == (b"a",)
    assert desk.settler.due() is None


def test_without_a_close_quiet_is_waited_for(desk: Desk) -> None:
    """A file that nobody closes is hinted at when its state rested for the quiet time."""
    desk.files[b"a"] = 1
    desk.settler.created(b"a", desk.now)
    assert desk.wait(QUIET_S * 0.9) == ()
    desk.files[b"a"] = 2
    assert desk.wait(QUIET_S) == ()
    assert desk.wait(QUIET_S + WINDOW_S) == (b"a",)


def test_a_write_without_end_is_hinted_at_now_and_then(desk: Desk) -> None:
    """A file that never rests is hinted at after the longest time, so that it is not forgotten."""
    desk.settler.writing(b"log", desk.now)
    hints: tuple[bytes, ...] = ()
    for tick in range(int(LONGEST_WRITE_S / QUIET_S) + 3):
        desk.files[b"log"] = tick
        hints += desk.wait(QUIET_S)
    assert hints == (b"log",)


def test_permissions_of_a_file_in_writing_wait(desk: Desk) -> None:
    """A chmod between create and close makes no early hint; on a file at rest it does."""
    desk.settler.created(b"a", desk.now)
    desk.settler.touched(b"a", desk.now, is_dir=False)
    desk.settler.touched(b"b", desk.now, is_dir=False)
    assert desk.wait(WINDOW_S) == (b"b",)


def test_a_rename_looks_at_both_folders(desk: Desk) -> None:
    """A rename between listed paths hints at both parents together, so that one pass sees both sides."""
    desk.settler.departed(b"a/x", 7, desk.now, is_dir=False, excluded=False)
    desk.settler.arrived(b"b/y", 7, desk.now, is_dir=False, excluded=False)
    assert desk.wait(WINDOW_S) == (b"a", b"b")


def test_a_rename_at_the_top_looks_at_everything(desk: Desk) -> None:
    """The parent of a top-level item is the source."""
    desk.settler.departed(b"x", 7, desk.now, is_dir=True, excluded=False)
    desk.settler.arrived(b"y", 7, desk.now, is_dir=True, excluded=False)
    assert desk.wait(WINDOW_S) == (b"",)


def test_a_save_by_rename_is_an_edit(desk: Desk) -> None:
    """A file made to be renamed over another costs a look at the two names, not at their folder."""
    desk.settler.created(b"a/doc.tmp", desk.now)
    desk.settler.changed(b"a/doc.tmp", desk.now, is_dir=False)
    desk.settler.departed(b"a/doc.tmp", 7, desk.now, is_dir=False, excluded=False)
    desk.settler.arrived(b"a/doc", 7, desk.now, is_dir=False, excluded=False)
    assert desk.wait(WINDOW_S) == (b"a/doc", b"a/doc.tmp")


def test_a_save_from_a_hidden_name_is_an_edit(desk: Desk) -> None:
    """A rename from an excluded name hints at the new path alone, one to such a name at the old path."""
    desk.settler.departed(b"a/.doc", 7, desk.now, is_dir=False, excluded=True)
    desk.settler.arrived(b"a/doc", 7, desk.now, is_dir=False, excluded=False)
    assert desk.wait(WINDOW_S) == (b"a/doc",)
    desk.settler.departed(b"a/doc", 8, desk.now, is_dir=False, excluded=False)
    desk.settler.arrived(b"a/.doc", 8, desk.now, is_dir=False, excluded=True)
    assert desk.wait(WINDOW_S) == (b"a/doc",)


def test_what_left_is_hinted_at(desk: Desk) -> None:
    """A rename whose other half never comes is a departure: its path is hinted at, its cookie given up."""
    desk.settler.departed(b"a/x", 7, desk.now, is_dir=True, excluded=False)
    desk.now += WINDOW_S
    assert desk.settler.strays(desk.now) == [7]
    assert desk.settler.take(desk.now) == (b"a/x",)
    assert desk.settler.due() is None


def test_a_delete_is_always_hinted_at(desk: Desk) -> None:
    """Also a file that was made and removed within one window may have been listed in between."""
    desk.settler.created(b"a", desk.now)
    desk.settler.changed(b"a", desk.now, is_dir=False)
    assert desk.wait(WINDOW_S) == (b"a",)


def test_load_widens_the_window(desk: Desk) -> None:
    """Under load the hints gather longer each time, up to the longest window; after a pause, or a calm
    window, they come quickly again."""
    window = WINDOW_S
    for _ in range(10):
        for n in range(MANY_PATHS + 1):
            desk.settler.changed(b"a/%d" % n, desk.now, is_dir=False)
        assert desk.wait(window * 0.9) == ()
        assert desk.wait(window * 0.1001) == (b"a",)
        window = min(window * 2, LONGEST_WINDOW_S)
    desk.settler.changed(b"b", desk.now, is_dir=False)
    assert desk.wait(LONGEST_WINDOW_S) == (b"b",)
    desk.settler.changed(b"b", desk.now, is_dir=False)
    assert desk.wait(WINDOW_S) == (b"b",)
    for n in range(BUSY + 1):
        desk.settler.changed(b"%d" % n, desk.now, is_dir=False)
    assert len(desk.wait(WINDOW_S)) == BUSY + 1
    desk.wait(LONGEST_WINDOW_S * 2)
    desk.settler.changed(b"b", desk.now, is_dir=False)
    assert desk.wait(WINDOW_S) == (b"b",)
