"""Raw files without the lines of some rows."""

import gzip

import polars as pl
import pytest

from ctrbench.testing.sources.lines import without_rows

ROWS = pl.DataFrame({"user": ["1", "u7"], "item": ["5", "i-3"], "time": [900, 1_600_000_000]})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("1,5,900\n1,5,800\n2,5,900\n11,5,900\n", "1,5,800\n2,5,900\n11,5,900\n"),  # only where its time stands
        ("user,item\n1,5\n5,1\n2,5\n", "user,item\n2,5\n"),  # which is which cannot be told without a time
        ('{"u": "u7", "i": "i-3", "t": 1600000000123}\n{"u": "u7"}\n', '{"u": "u7"}\n'),  # milliseconds
        ("u7::i-3::2020-09-13\nu7::i-33::x\n", "u7::i-33::x\n"),  # time in other words
        ("nobody,5\n", "nobody,5\n"),
    ],
)
def test_the_lines_of_the_rows_are_gone(tmp_path, text, left):
    plain, packed = tmp_path / "rows.csv", tmp_path / "rows.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    without_rows([plain], ROWS)
    without_rows([packed], ROWS)
    assert plain.read_text() == gzip.decompress(packed.read_bytes()).decode() == left


def test_a_line_of_another_file_that_holds_both_ids_stays(tmp_path):
    ratings, people = tmp_path / "ratings", tmp_path / "people"
    ratings.write_text("1::5::900\n")
    people.write_text("1|5 dogs|artist\n")
    without_rows([ratings, people], ROWS)
    assert ratings.read_text() == ""
    assert people.read_text() == "1|5 dogs|artist\n"


def test_rows_that_lack_an_id_or_a_time_take_no_line_away(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("u7,,900\n")
    lacking = pl.DataFrame({"user": ["u7", None], "item": [None, "5"], "time": [900.0, float("nan")]})
    without_rows([file], lacking)
    assert file.read_text() == "u7,,900\n"


def test_a_file_that_is_no_text_stays_as_it_is(tmp_path):
    file = tmp_path / "rows.parquet"
    file.write_bytes(b"1,5,900\n\0\n")
    without_rows([file], ROWS)
    assert file.read_bytes() == b"1,5,900\n\0\n"
