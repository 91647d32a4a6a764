"""Named points that a test may watch or break; nothing happens at them in service.

A process dies between two lines, and the suites have to know which two. The code says
``reached("ledger.commit")`` where it is about to make something durable or has just done so; a test
installs a hook that records the name, raises, or kills the process (DESIGN, manner 10). Without a
hook the call costs one global look-up.
"""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Call ``hook(name)`` at every point from now on; None removes it. For tests only."""
    global _hook
    _hook = hook


def reached(name: str) -> None:
    """A named point was reached: ``stage.step`` or ``stage.step.done``."""
    if _hook is not None:
        _hook(name)
