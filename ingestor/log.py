"""Log events: one line each on stderr, for people on a terminal, as JSON anywhere else.

``get()`` is the door. What it returns imports structlog at the first event and not before, because the
commands that only read never log and should not pay for it. Events are ``snake_case`` names with fields;
neither content nor secrets ever stand in them, and an error that repeats is one line a minute.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

FOLD_WINDOW_S = 60.0
_FOLD_MEMORY = 1000
_LONGEST = 2000

_SECRET_KEY = re.compile(r"password|passwd|token|secret|authorization|api_?key|cookie", re.IGNORECASE)
_CONTENT_KEYS = frozenset({"text", "content", "passage", "passages", "query", "body", "html"})
# What an event is about: another one of the same name that differs in these is not its repetition.
_ABOUT = ("source", "reason", "kind", "logger", "stage", "operation", "model", "generation", "file")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_CHATTY = ("httpx", "httpcore", "chromadb", "uvicorn", "apscheduler", "asyncio", "watchdog", "transformers")

LIBRARY = "library"
_TROUBLE = frozenset({"warning", "error", "critical"})
_tallied: Counter[tuple[str, str]] = Counter()
_tallying = threading.Lock()

Event = MutableMapping[str, Any]


class Log:
    """Events with these bound fields. Cheap to make; safe to make at import."""

    def __init__(self, **bound: object) -> None:
        self._bound = bound

    def bind(self, **fields: object) -> Log:
        return Log(**{**self._bound, **fields})

    def debug(self, event: str, **fields: object) -> None:
        self._emit("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._emit("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """With ``exc_info=True`` the traceback goes with it: for bugs only."""
        self._emit("error", event, fields)

    def _emit(self, level: str, event: str, fields: dict[str, object]) -> None:
        import structlog

        if not structlog.is_configured():
            configure()
        getattr(structlog.get_logger(), level)(event, **{**self._bound, **fields})


def get(**bound: object) -> Log:
    """A log with ``bound`` on every event."""
    return Log(**bound)


def bound(**fields: object) -> AbstractContextManager[object]:
    """Within the context every event of this thread carries ``fields`` (``run_id``, ``source``)."""
    import structlog

    return structlog.contextvars.bound_contextvars(**fields)


def bound_now(field: str) -> str:
    """What this thread's events carry under that name; empty where they carry nothing."""
    import structlog

    return str(structlog.contextvars.get_contextvars().get(field, ""))


def configure(*, level: str = "info", form: str = "auto") -> None:
    """Set up our events and those of the libraries. ``form`` is ``auto``, ``console`` or ``json``.

    The stream is ``sys.stderr`` at the time of each event, so that a progress display can stand in for it."""
    import structlog

    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        tally,
        Fold(),
        redact,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
    ]
    render: list[Any]
    if console:
        render = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=24
            )
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            _head_first,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    _route_libraries(level, shared, render)


def _route_libraries(level: str, shared: list[Any], render: list[Any]) -> None:
    """Libraries and ``warnings`` speak through the same lines, from WARNING on."""
    import structlog

    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def tally(_logger: object, _method: str, event: Event) -> Event:
    """Processor: count warnings and errors by their names, those that are folded away too."""
    if event.get("level") in _TROUBLE:
        name = LIBRARY if "_record" in event else str(event.get("event"))
        with _tallying:
            _tallied[name, str(event["level"])] += 1
    return event


def tallied() -> Mapping[tuple[str, str], int]:
    """How often each (event, level) was logged by this process. Those of libraries have no names of ours: they are
    ``LIBRARY``."""
    with _tallying:
        return dict(_tallied)


class Fold:
    """Processor: a warning or error that repeats is let through once a window, with the count of those
    that were not. The signature is the event and what it is about, never its changing details."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        if event.get("level") not in _TROUBLE:
            return event
        record = event.get("_record")
        what = record.msg if record is not None else event.get("event")
        signature = (str(what), *(str(event.get(key, "")) for key in _ABOUT), _where(event))
        now = self._clock()
        since, dropped = self._seen.get(signature, (None, 0))
        if since is not None and now - since < FOLD_WINDOW_S:
            self._seen[signature] = (since, dropped + 1)
            from structlog import DropEvent

            raise DropEvent
        self._seen.pop(signature, None)
        if len(self._seen) >= _FOLD_MEMORY:
            self._seen.pop(next(iter(self._seen)))
        self._seen[signature] = (now, 0)
        if dropped:
            event["repeated"] = dropped
        return event


def _where(event: Event) -> str:
    """The bug that is told, by its kind and its line: another one is another event."""
    error = sys.exc_info()[1] if event.get("exc_info") else None
    trace = error.__traceback__ if error is not None else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{type(error).__name__} {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Processor: the last line of defence. Callers do not log content or secrets; this sees to it."""
    if not event.get("request_id", "none"):
        del event["request_id"]  # of a run that nobody asked for, within one that somebody did
    for key, value in event.items():
        if key == "event":
            continue
        if _SECRET_KEY.search(key):
            event[key] = "(hidden)"
        elif key in _CONTENT_KEYS:
            event[key] = f"({len(value)} long)" if isinstance(value, str | bytes | list | tuple) else "(hidden)"
        elif isinstance(value, str):
            event[key] = _clean(value)
    if isinstance(event.get("event"), str):
        event["event"] = _clean(event["event"])
    return event


def _head_first(_logger: object, _method: str, event: Event) -> Event:
    """Time, level and name stand first, so that the lines can be read without a tool."""
    return {key: event[key] for key in ("timestamp", "level", "event") if key in event} | dict(event)


def _clean(text: str) -> str:
    text = _CREDENTIALS.sub("(hidden)@", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


class _Stderr:
    """The logger at the end of structlog's chain."""

    def __init__(self, *_args: object) -> None:
        pass

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):  # a log on a full disk, a reader that left: no reason to end the work
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


class _Handler(logging.Handler):
    """The same for the standard library's records."""

    def emit(self, record: logging.LogRecord) -> None:
        from structlog import DropEvent

        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except DropEvent:
            return
        except Exception:  # a record that cannot be shown must not end the work
            self.handleError(record)
