"""Help texts from docstrings, with their examples left in lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable

_AS_IT_STANDS = "\b\n"  # typer's mark for a paragraph that is not to be wrapped


def help_of(function: Callable[..., object]) -> str:
    """The docstring; a paragraph with an indented line (a list of examples) is kept as it stands."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(_AS_IT_STANDS + text if "\n  " in text else text for text in paragraphs)
