import io

from ctrbench.cli import examining


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch):
    now = iter([0.0, 1.0, 6.0, 6.0, 7.0, 12.0, 12.0])
    monkeypatch.setattr(examining.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    with examining.telling(quiet=False, stream=stream) as tell:
        for text in ("early", "first", "soon", "second"):
            tell(text)
    assert stream.getvalue() == "looking at first\nlooking at second\n"


def test_a_terminal_shows_what_is_looked_at(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with examining.telling(quiet=False, stream=stream) as tell:
        tell("a plugin [red]")
    assert "a plugin [red]" in stream.getvalue()


def test_quiet_is_silent():
    stream = Terminal()
    with examining.telling(quiet=True, stream=stream) as tell:
        tell("a plugin")
    assert stream.getvalue() == ""
