"""`ctrbench data describe` in a terminal, in a pipe, and as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrbench.cli import main
from ctrbench.data.prepare import prepare
from tests.data.conftest import FrameSource, Row

DOMAINS = [f"a_domain_with_a_long_name_{number}" for number in range(12)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    rows: list[Row] = [
        (domain, f"u{n % 90}", f"i{n}", n * 1000, float(n % 5 + 1)) for domain in DOMAINS for n in range(1234)
    ]
    prepare(FrameSource(rows), folder, folder / "some data", source_name="frames")
    return folder / "some data"


def test_in_a_pipe_nothing_is_cut_however_wide(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for domain in DOMAINS:
        steps = next(line.split() for line in lines if line.split()[:1] == [domain] and "987" in line.split())
        assert steps == [domain, "1,234", "1,234", "1,234", "1,234", "987", "123", "124"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    rows: list[Row] = [("a", "u", f"i{n}", n, float(n + 1)) for n in range(5)]
    prepare(FrameSource(rows), folder, folder / "some data", source_name="frames")
    return folder / "some data"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_in_a_terminal_numbers_are_never_cut(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["data", "describe", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("1,234") == 6 * len(DOMAINS) + 1  # products (of all, too), samples, and after each step
    assert "…" not in printed


def test_options_that_differ_are_named_at_the_top(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "prepare", "demo", "--scale", "0.1", "--split", "random", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    for form in ("table", "md"):
        capsys.readouterr()
        assert main(["data", "describe", str(tmp_path / "out"), "--format", form]) == 0
        head = capsys.readouterr().out.split("Sizes")[0]
        assert "options that differ from the defaults: scale=0.1, split=random" in head


def test_the_page_goes_where_it_is_told_or_here(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "describe", str(small), "--html", "new/page.html"]) == 0
    assert main(["data", "describe", str(small), "--html"]) == 0
    assert "wrote some data.html (" in capsys.readouterr().out
    assert (tmp_path / "some data.html").read_bytes() == (tmp_path / "new" / "page.html").read_bytes()


def test_what_is_no_page_stays(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.html"
    file.write_text("mine")
    assert main(["data", "describe", str(small), "--html", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert file.read_text() == "mine"


def test_a_page_has_no_other_format(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", str(small), "--html", "--format", "md"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_dataset_with_a_name_of_its_own_has_its_plugins_defaults(tmp_path):
    from ctrbench.data.describe import describe
    from ctrbench.data.resolve import open_dataset

    data = open_dataset("demo", options={"scale": 0.1})
    manifest = data.manifest.model_copy(update={"source": "shop", "plugin": "demo"})
    assert describe(type(data)(data.path, manifest)).unusual == {"scale": 0.1}
