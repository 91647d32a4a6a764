"""What the settings of every source behind a web server say of the way to it."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.settings import flag, rate, text
from connectors.web.client import WebConfig
from connectors.web.origins import other_hosts


def web_config(url: str, settings: Mapping[str, object], problems: list[str], *, requests_s: float = 20) -> WebConfig:
    """The keys ``ca_file``, ``allow_http``, ``hosts``, ``allow_private`` and ``rate``, of those that a kind has;
    ``requests_s`` is the rate where none is given."""
    flag("allow_http", settings.get("allow_http", False), problems)
    return WebConfig(
        url=url,
        hosts=other_hosts(settings, problems),
        allow_private=flag("allow_private", settings.get("allow_private", False), problems),
        ca_file=text("ca_file", settings, problems),
        rate=rate(settings.get("rate", requests_s), problems),
    )
