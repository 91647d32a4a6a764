"""Templates into answers, with the headers that keep a browser from doing more than is wanted.

Everything that a template is given is escaped (Jinja's autoescape); a name that it is not given is an error.
"""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from ingestor import __version__
from ingestor.tokens import Role
from ingestor.web.page import wording

STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: with it a form would not say where it comes from, and by that we know of https.
    "Referrer-Policy": "same-origin",
}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("ingestor.web.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        name: getattr(wording, name)
        for name in ("count", "duration", "number", "readable", "spot", "marked", "run_told", "web_link")
    }
    made.globals |= {
        "version": __version__,
        "asset": asset,
        "relative": wording.relative,
        "machine_time": wording.machine_time,
        "person_time": wording.person_time,
        "OPERATOR": Role.OPERATOR,
    }
    return made


def render(template: str, values: dict[str, Any], status: int = 200) -> HTMLResponse:
    text = _environment().get_template(template).render({"now": time.time(), **values})
    # A lone surrogate of a file's name cannot be written as UTF-8.
    return HTMLResponse(text.encode("utf-8", "replace"), status_code=status, headers=HEADERS)


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Content and media type of each file that a browser may have, by its name."""
    return {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in STATIC.iterdir() if path.suffix in _TYPES}


@cache
def asset(name: str) -> str:
    """The address of a file: another one whenever its content is another one."""
    return f"/ui/static/{name}?{hashlib.sha256(assets()[name][0]).hexdigest()[:8]}"
