"""Pages in a real browser, from disk: what they hold, what they ask for, and what they complain about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Seen:
    """A page, every line of its console (and every error), and every address that it asked for."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def document(self) -> str:
        """The document as it stands."""
        return str(self.page.content())

    def open(self, file: Path) -> None:
        """Load another page, and wait until its scripts have run."""
        self.page.goto(file.as_uri())
        self.page.wait_for_function("document.querySelectorAll('figure.drawn .chart:not([data-drawn])').length === 0")


class Browser:
    """A browser that runs as long as a module's tests."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    @contextmanager
    def look(self, file: Path, **options: Any) -> Iterator[Seen]:
        """A page, in a window of its own; `options` are those of a playwright context."""
        with self._chromium.new_context(**options) as context:
            seen = Seen(context.new_page())
            seen.page.set_default_timeout(20_000)
            seen.page.on("console", lambda message: seen.console.append(message.text))
            seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
            context.on("request", lambda request: seen.requests.append(request.url))
            if options.get("java_script_enabled", True):
                seen.open(file)
            else:
                seen.page.goto(file.as_uri())
            yield seen


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skips, with the reason, where there is no browser, or nothing to drive it with."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(_NAMES)} is installed")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")
    with driver.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path)
        yield Browser(chromium)
        chromium.close()
