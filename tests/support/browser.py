"""A real Chromium over the status page of a running service, and what is wrong with a page for people who cannot use it as
most do (axe-core)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

PHONE, DESK = (390, 844), (1180, 900)
PATIENCE_MS = 60_000.0
"""No promise, a fuse."""

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Seen:
    """What a browser tells of itself: addresses that it asked for, and errors in its console."""

    addresses: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, at: str, *, size: tuple[int, int] = DESK, dark: bool = False, script: bool = True
) -> Iterator[tuple[Page, Seen]]:
    """A fresh browser's page at the service's first page."""
    context = browser.new_context(
        base_url=at,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    context.set_default_timeout(PATIENCE_MS)
    page, seen = context.new_page(), Seen()
    page.on("request", lambda request: seen.addresses.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    page.goto("/")
    try:
        yield page, seen
    finally:
        context.close()


def barriers(page: Page) -> list[str]:
    """What axe-core finds, a line each."""
    found = Axe().run(page, options=_RULES).response
    return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}" for one in found["violations"]]


def overflows(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
