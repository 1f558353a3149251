"""The tutorial on data of one's own: its snippets and commands, run from the first to the last."""

import re
import shlex
from pathlib import Path

import pytest

from ctrbench.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "own_data.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
(MAKES_FILES,) = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
CHECK, CHECK_AGAIN, PREPARE, AUDIT, DESCRIBE, RUN = COMMANDS
TOML, OF_HISTORY = (text for language, text in BLOCKS if language == "toml")


def run(command: str) -> int:
    return main(shlex.split(command)[1:])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files, as the working directory."""
    monkeypatch.chdir(tmp_path)
    exec(MAKES_FILES, {})
    return tmp_path


def test_what_is_proposed_for_the_csv_is_what_the_page_goes_on_from(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert run(CHECK) == 0
    proposed = (shop / "shop.toml").read_text()
    assert proposed in capsys.readouterr().out
    columns = TOML.partition("[columns]")[2].partition("[features")[0]
    assert [line.partition("#")[0].strip() for line in columns.split("\n") if line] == [
        line for line in proposed.partition("[columns]")[2].partition("[features")[0].split("\n") if line
    ]
    assert 'device = "id"' in proposed
    assert run(CHECK_AGAIN) == 0


def test_the_page_takes_the_csv_to_a_prepared_and_audited_dataset(shop: Path, capsys: pytest.CaptureFixture[str]):
    (shop / "shop.toml").write_text(TOML)
    assert run(CHECK_AGAIN) == 0
    assert "milliseconds since 1970 (guessed from their size)" in capsys.readouterr().out
    assert [run(command) for command in (PREPARE, AUDIT, DESCRIBE)] == [0, 0, 0]
    assert "books: 2,000 train, 250 valid, 250 test" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_ends_in_a_table(shop: Path, capsys: pytest.CaptureFixture[str]):
    (shop / "shop.toml").write_text(TOML)
    assert run(PREPARE) == 0
    assert run(RUN) == 0
    told = capsys.readouterr().out
    assert "Dataset shop (" in told
    assert {"deepfm", "mmoe"} <= set(told.split())


def test_the_history_on_the_page_is_one_and_nothing_is_claimed_of_it(shop: Path, capsys: pytest.CaptureFixture[str]):
    import polars as pl

    from ctrbench.data.store import PreparedDataset

    rows = pl.read_csv("clicks.csv", infer_schema=False).with_columns(recent_clicks=pl.lit("0001|0002"))
    rows.write_csv("clicks.csv")
    (shop / "shop.toml").write_text(TOML + OF_HISTORY)
    assert run(PREPARE) == 0
    found = PreparedDataset.open(Path("prepared/shop")).rows("test")["history"]
    assert set(map(tuple, found.to_list())) == {("0001", "0002")}
    capsys.readouterr()
    assert run(AUDIT) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "the histories are the data's own, so this cannot be proved" in told
    assert re.search(r"only in [1-9][\d,]* of 7,500 rows", told)
