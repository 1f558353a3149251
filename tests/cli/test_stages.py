from __future__ import annotations

import io

import pytest

from ctrbench.cli.stages import Lines, state, telling
from ctrbench.data.progress import Stage


def test_a_stage_tells_how_far_it_is_how_fast_and_how_long_yet() -> None:
    assert state(Stage("writing", 120_000, 480_000), 2) == "writing: 120,000 of 480,000 rows · 60,000 rows/s · ETA 0:06"
    assert state(Stage("hashing", 2_000_000, 4_000_000, "bytes"), 1).startswith("hashing: 2.0 MB of 4.0 MB · 2.0 MB/s")
    assert state(Stage("reading a.json", 5), 1) == "reading a.json: 5 rows · 5 rows/s"
    assert state(Stage("ordering"), 9) == "ordering"


def test_without_a_terminal_there_is_a_line_now_and_then_and_none_for_short_work() -> None:
    stream = io.StringIO()
    with telling(quiet=False, stream=stream) as tell:
        assert tell is not None
        for done in range(1000):
            tell(Stage("writing", done, 1000))
    assert stream.getvalue() == ""
    lines = Lines(stream, every=0)
    lines.watch(Stage("ordering"))
    lines.watch(Stage("writing", 10, 20))
    assert [line.split(" ")[0] for line in stream.getvalue().splitlines()] == ["ordering", "writing:"]


def test_in_a_terminal_the_bar_shows_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    with telling(quiet=False, stream=stream) as tell:
        assert tell is not None
        tell(Stage("writing [all]", 10, 20))
    assert "writing [all]: 10 of 20 rows" in stream.getvalue()


def test_quiet_is_quiet() -> None:
    with telling(quiet=True) as tell:
        assert tell is None
