"""Log lines: their form, what never stands in them, and how repetition is folded."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from ingestor import log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_off_a_terminal_an_event_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, level, UTC time and fields; nothing on stdout, which belongs to the answer."""
    log.configure()
    with log.bound(run_id="r1"):
        log.get(source="docs").bind(trigger="watch").info("run_finished", added=3)
    log.get().debug("too_quiet")
    (line,) = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    expected = {
        "event": "run_finished",
        "level": "info",
        "source": "docs",
        "trigger": "watch",
        "run_id": "r1",
        "added": 3,
    }
    assert line == expected


def test_a_log_that_nobody_set_up_still_stays_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """The first event sets up the defaults."""
    structlog.reset_defaults()
    log.get().warning("early")
    assert [line["event"] for line in lines(capsys)] == ["early"]


def test_for_people_an_event_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The console form has no JSON, and no colours where stderr is not a terminal."""
    log.configure(form="console")
    log.get().info("run_finished", source="docs")
    text = capsys.readouterr().err
    assert "run_finished" in text
    assert "source=docs" in text
    assert "\x1b" not in text


def test_libraries_and_warnings_speak_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Records of the standard library come as the same lines; their small talk does not."""
    log.configure()
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("chromadb").warning("slow: %s", "disk")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old call", DeprecationWarning, stacklevel=1)
    first, second = lines(capsys)
    assert (first["event"], first["logger"], first["level"]) == ("slow: disk", "chromadb", "warning")
    assert "old call" in str(second["event"])


def test_setting_up_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The last set-up counts."""
    log.configure()
    log.configure()
    logging.getLogger("uvicorn").error("once")
    assert len(lines(capsys)) == 1


def test_neither_content_nor_secrets_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Even where a caller hands them over by mistake."""
    log.configure()
    log.get().info(
        "fetched", api_token="t0p", text="salary list", query=["a", "b"], url="https://ana:pw@wiki/x", note="y" * 5000
    )
    (line,) = lines(capsys)
    assert (line["api_token"], line["text"], line["query"]) == ("(hidden)", "(11 long)", "(2 long)")
    assert line["url"] == "https://(hidden)@wiki/x"
    assert len(str(line["note"])) < 2100


def test_a_repeated_error_is_one_line_a_minute_with_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What repeats within the window is counted and told with the next one; another subject is not held up."""
    now = [0.0]
    fold = log.Fold(lambda: now[0])

    def passes(level: str = "error", **fields: object) -> dict[str, object] | None:
        try:
            return dict(fold(None, "", {"event": "chroma_down", "level": level, **fields}))
        except structlog.DropEvent:
            return None

    assert passes(source="a", detail=1) is not None
    assert passes(source="a", detail=2) is None
    assert passes(source="a", detail=3) is None
    assert passes(source="b") is not None
    assert passes(level="info", source="a") is not None
    now[0] = log.FOLD_WINDOW_S
    line = passes(source="a")
    assert line is not None
    assert line["repeated"] == 2
    assert passes(source="a") is None


def raise_(error: Exception) -> None:
    raise error


def test_what_is_about_another_thing_is_not_folded_away() -> None:
    """Neither another stage, nor another bug in the same loop: the second one would be told by nobody."""
    fold = log.Fold(lambda: 0.0)

    def passes(**fields: object) -> bool:
        try:
            fold(None, "", {"event": "stage_crashed", "level": "error", **fields})
        except structlog.DropEvent:
            return False
        return True

    assert passes(stage="embed")
    assert passes(stage="index")
    assert not passes(stage="index")
    for error, first in ((KeyError("a"), True), (KeyError("b"), False), (ValueError("c"), True)):
        try:
            raise_(error)
        except Exception:
            assert passes(stage="embed", exc_info=True) is first


def test_warnings_and_errors_are_counted_by_name_the_folded_ones_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries have no names of ours, and what they say may hold anything."""
    log.configure()
    before = log.tallied()
    for _ in range(3):
        log.get().warning("watch_lost", source="docs")
        logging.getLogger("chromadb").error("cannot read /srv/secret")
    log.get().info("run_finished")
    more = {key: count - before.get(key, 0) for key, count in log.tallied().items() if count != before.get(key, 0)}
    assert more == {("watch_lost", "warning"): 3, (log.LIBRARY, "error"): 3}
    assert len(lines(capsys)) == 3


def test_folding_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless different errors do not fill the memory."""
    monkeypatch.setattr(log, "_FOLD_MEMORY", 10)
    fold = log.Fold(lambda: 0.0)
    for number in range(100):
        fold(None, "", {"event": "e", "level": "error", "source": str(number)})
    assert len(fold._seen) <= 10


def test_a_repeating_library_record_is_folded_by_its_template(capsys: pytest.CaptureFixture[str]) -> None:
    """A library that complains a hundred times with changing numbers is one line."""
    log.configure()
    for number in range(100):
        logging.getLogger("chromadb").warning("retry %d", number)
    assert [line["event"] for line in lines(capsys)] == ["retry 0"]
