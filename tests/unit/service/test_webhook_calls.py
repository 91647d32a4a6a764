"""Calls of webhooks: whose are believed, and how many looks they lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.secrets import Secret
from ingestor import log
from ingestor.service.hooks import LEAST_S, Hooks


class Bench:
    """Two sources with a secret each, a clock that stands still, and whoever looks at sources."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "secret"
        self.file.write_text("s3cret\n")
        self.secrets = {"wiki": Secret(file=str(self.file)), "docs": Secret(file=str(self.file))}
        self.now = 0.0
        self.looked: list[str] = []
        self.attended = True
        self.hooks = Hooks(secrets_of=lambda: self.secrets, look=self._look, clock=lambda: self.now)

    def _look(self, source: str) -> bool:
        if self.attended:
            self.looked.append(source)
        return self.attended

    def call(self, source: str = "wiki", secret: str = "s3cret") -> bool:  # no secret
        return self.hooks.call(source, lambda known: known == secret)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.hooks.catch_up()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_call_is_heeded_at_once(bench: Bench) -> None:
    """Once, and the supervision adds nothing to it."""
    assert bench.call()
    assert bench.looked == ["wiki"]
    bench.after(LEAST_S)
    bench.after(LEAST_S)
    assert bench.looked == ["wiki"]


def test_a_burst_of_a_thousand_calls_is_two_looks(bench: Bench) -> None:
    """The first call has one, all the others have the one behind them, which sees what each of them was about."""
    assert all(bench.call() for _ in range(1_000))
    assert bench.looked == ["wiki"]
    bench.after(LEAST_S / 2)
    assert bench.looked == ["wiki"]
    bench.after(LEAST_S / 2)
    assert bench.looked == ["wiki", "wiki"]
    bench.after(LEAST_S)
    assert bench.looked == ["wiki", "wiki"]


def test_calls_without_an_end_are_a_look_each_interval(bench: Bench) -> None:
    """Ten seconds of a hundred calls a second: as many looks as intervals, and one."""
    for _ in range(1_000):
        assert bench.call()
        bench.after(0.01)
    assert len(bench.looked) <= 10 / LEAST_S + 1


def test_one_source_does_not_wait_for_another(bench: Bench) -> None:
    """The least distance is that of each."""
    for source in ("wiki", "docs", "wiki"):
        assert bench.call(source)
    assert bench.looked == ["wiki", "docs"]
    bench.after(LEAST_S)
    assert bench.looked == ["wiki", "docs", "wiki"]


def test_a_source_without_a_secret_takes_no_call(bench: Bench) -> None:
    """Nor one that is not there, and the secret of another does not help; each time the proof is asked for."""
    asked: list[str] = []

    def proven(secret: str) -> bool:
        asked.append(secret)
        return True

    for name in ("elsewhere", "", "wiki/../docs"):
        assert not bench.hooks.call(name, proven)
    assert len(set(asked)) == 1
    assert len(asked[0]) >= 32
    assert "s3cret" not in asked
    assert not bench.call(secret="wrong")
    assert bench.looked == []


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines\n", b"\xff"])
def test_a_secret_that_cannot_be_had_lets_nobody_in(bench: Bench, content: bytes | None) -> None:
    """Not even who proves nothing at all; as soon as it is there again, it counts."""
    bench.file.unlink()
    if content is not None:
        bench.file.write_bytes(content)
    for secret in ("", "\n", "two", "two\nlines", "s3cret"):
        assert not bench.call(secret=secret)
    assert not bench.hooks.call("wiki", lambda _known: True)
    assert bench.looked == []
    bench.file.write_text("s3cret")
    assert bench.call()


def test_a_new_secret_counts_from_the_next_call_on(bench: Bench) -> None:
    """The old one no longer does."""
    assert bench.call()
    bench.file.write_text("another\n")
    assert not bench.call()
    assert bench.call(secret="another")


def test_what_nobody_looks_after_is_let_alone(bench: Bench) -> None:
    """A paused source: the call is taken, leads to nothing, and leaves nothing behind."""
    bench.attended = False
    assert bench.call()
    assert bench.call()
    bench.after(LEAST_S)
    bench.attended = True
    bench.after(LEAST_S)
    assert bench.looked == []


def test_the_log_says_why_and_no_secret(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the secret nor what was sent instead, nor a name that is no source's."""
    log.configure(form="json")
    bench.call()
    bench.call(secret="canary-1sent")
    bench.hooks.call("canary-2name", lambda _known: True)
    bench.file.write_text("canary-3one\ncanary-4two\n")
    bench.call()
    said = capsys.readouterr().err
    assert said.count('"hook_refused"') == 3
    assert said.count('"hook_taken"') == 1
    assert "canary" not in said
    assert "s3cret" not in said
