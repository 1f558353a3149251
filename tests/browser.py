"""A page in a real browser, without a network: what it holds once it is loaded, and what it complains about."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@dataclass(frozen=True)
class Seen:
    """The document after loading, and the lines of the browser's console."""

    document: str
    console: list[str]


def look_at(page: Path, folder: Path) -> Seen:
    """Load a page from disk; `folder` is for the browser's own files. Skips where there is no browser."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser here: none of {', '.join(_NAMES)} is installed")
    words = [*_QUIET, f"--user-data-dir={folder}", "--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run([browser, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return Seen(done.stdout, re.findall(r":CONSOLE[^\]]*\] (.*)", done.stderr))
