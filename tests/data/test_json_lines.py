from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from ctrbench.data import json_lines
from ctrbench.data.json_lines import _Records, scan_json_lines

KEYS = ("a", "b")


def read(path: Path, content: str | bytes, keys: tuple[str, ...] = KEYS) -> list[tuple[Any, ...]]:
    """`(line, broken, values…)` of each record."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    frame = scan_json_lines(path, keys).collect(engine="streaming")
    assert frame["_file"].cast(pl.String).unique().to_list() in ([], [path.name])
    return frame.select("_line", "_broken", *keys).rows()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('{"a":"x","b":"y"}', ("x", "y")),
        ('  {"b" : "y" , "c": {"a": 1}, "a" : "x"}  ', ("x", "y")),
        ('{"a":"0001","b":1}', ("0001", "1")),
        ('{"a":1.0,"b":2.50}', ("1", "2.5")),
        ('{"a":12345678901234567,"b":-3}', ("12345678901234567", "-3")),
        ('{"a":true,"b":null}', ("true", None)),
        ('{"a":["x",1],"b":{"c":[]}}', ('["x", 1]', '{"c": []}')),
        ('{"a":"first","a":"second"}', ("first", None)),
        ('{"a":"\\u00e9\\n\\"","b":"日本\U0001f600"}', ('é\n"', "日本\U0001f600")),
        ("{}", (None, None)),
        ('{"a":"x\\u0000y","b":"\0z"}', ("xy", "z")),
        ('{"a":"x\ty","b":"z"}', ("x y", "z")),
        ('{"a":"cut \\ud83d","b":"\\ude00 off \\ud83d\\ude00"}', ("cut ", " off \U0001f600")),
        ('{"a":"\\\\ud83d \\\\\\ud83d"}', ("\\ud83d \\", None)),
        ('\ufeff{"a":"x"}', ("x", None)),
        ('{"a":"x"}, ', ("x", None)),
    ],
)
@pytest.mark.parametrize("beside", ["", '{"a":"good"}', "no json"])
def test_a_value_is_the_same_whatever_stands_beside_it(
    tmp_path: Path, line: str, values: tuple[str | None, ...], beside: str
) -> None:
    found = read(tmp_path / "x.json", f"{beside}\n{line}\n{beside}")
    assert (2, False, *values) in found
    assert len(found) == 1 + 2 * bool(beside)


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1} x',
        '{"a":1}{"a":2}',
        '{"a":1} {"a":2}',
        '{"a":0001}',
        '{"a":NaN}',
        '{"a":1e400}',
        '{"a":tru}',
        "{'a':1}",
        '{"a":1,}',
        '{"a":"x\\q"}',
        '{"a":1',
        '"a":1}',
        "[1,2]",
        '[{"a":1}] x',
        "null",
        "3",
        '"text"',
        "}",
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_is_no_object_is_broken_and_harms_no_other(tmp_path: Path, line: str, ending: str) -> None:
    good = '{"a":"x","b":"y"}'
    found = read(tmp_path / "x.json", ending.join([good, line, good, line]))
    values = [(1, False, "x", "y"), (2, True, None, None), (3, False, "x", "y"), (4, True, None, None)]
    assert found == values


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", '\r\n{"a":"x"}\r\n\r\n   \r\n\0\0\n{"a":"y"}')
    assert found == [(2, False, "x", None), (6, False, "y", None)]


PRETTY = [{"a": "x", "b": ["é", {"c": [], "d": {}}]}, {"b": 'a "b" {', "a": None}, {}, {"a": 3, "b": [[1], ["2"]]}]
FOUND = [("x", '["é", {"c": [], "d": {}}]'), (None, 'a "b" {'), (None, None), ("3", '[[1], ["2"]]')]


@pytest.mark.parametrize("indent", [1, 4, "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_objects_over_several_lines(tmp_path: Path, indent: int | str, ending: str) -> None:
    texts = [json.dumps(value, indent=indent, ensure_ascii=False) for value in PRETTY]
    found = read(tmp_path / "x.json", "\n".join(texts).replace("\n", ending))
    assert [row[1:] for row in found] == [(False, *values) for values in FOUND]
    starts = [1 + sum(text.count("\n") + 1 for text in texts[:place]) for place in range(4)]
    assert [row[0] for row in found] == starts


@pytest.mark.parametrize("indent", [None, 2])
def test_one_array_of_objects(tmp_path: Path, indent: int | None) -> None:
    whole = json.dumps(PRETTY, indent=indent, ensure_ascii=False)
    text = whole if indent else whole.replace("}, {", "},\n{")
    assert [row[1:] for row in read(tmp_path / "x.json", text)] == [(False, *values) for values in FOUND]


def test_a_broken_object_over_several_lines_is_one_and_harms_no_other(tmp_path: Path) -> None:
    good = json.dumps({"a": "x", "b": [1]}, indent=2)
    text = "\n".join([good, good.replace('"b"', "b"), good, good[:-2]])
    assert read(tmp_path / "x.json", text) == [
        (1, False, "x", "[1]"),
        (7, True, None, None),
        (13, False, "x", "[1]"),
        (19, True, None, None),
    ]


def test_an_object_over_several_lines_among_lines(tmp_path: Path) -> None:
    line, pretty = '{"a":"x"}', '{\n "a": "y",\n "b": 1\n}'
    found = read(tmp_path / "x.json", "\n".join([line, pretty, line, '{"a":"cut', 'through"}', line]))
    assert found == [
        (1, False, "x", None),
        (2, False, "y", "1"),
        (6, False, "x", None),
        (7, False, "cut through", None),
        (9, False, "x", None),
    ]


def test_an_object_may_go_on_where_a_part_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_PART", 3)
    texts = [json.dumps({"a": n, "b": list(range(n % 5))}, indent=1) for n in range(50)]
    found = read(tmp_path / "x.json", "\n".join(texts))
    assert [row[1:3] for row in found] == [(False, str(n)) for n in range(50)]


def test_an_object_without_an_end_does_not_swallow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_LONGEST", 10)
    monkeypatch.setattr(json_lines, "_PART", 4)
    found = read(tmp_path / "x.json", "\n".join(["{", *["junk"] * 100, '{"a":"x"}']))
    assert found[0] == (1, True, None, None)
    assert found[-1] == (102, False, "x", None)
    assert 80 < len(found) < 102  # what follows the first ten lines or so is no part of it


LINES = st.one_of(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
            max_leaves=3,
        ),
    ).map(json.dumps),
    st.sampled_from(
        ["{", "}", "[", "]", ",", '{"a":1', '"b":2}', '{"a":"x\0"}', '{"a":"\t"},', '{"a":"\\ud800"}', "x"]
    ),
    st.sampled_from(["", " ", "\ufeff", '\ufeff{"a":1}', '{"a":1}{"b":2}', "[1]", "null", ' {"a":1}', '{"a":1,', "{}"]),
    st.text(st.sampled_from('{}[]":,\\ab1 \0'), max_size=12),
    st.lists(st.sampled_from(["\\ud83d", "\\ude00", "\\u0041", "\\\\", "\\n", "\\", "x", "ud83d"]), max_size=5).map(
        lambda parts: '{"a":"' + "".join(parts) + '"}'
    ),
)


@given(st.lists(LINES, max_size=30), st.data())
@settings(max_examples=150, deadline=None)
def test_any_lines_read_in_any_parts_give_the_same(texts: list[str], data: st.DataObject) -> None:
    lines = pl.DataFrame(
        {"_line": range(1, len(texts) + 1), "_text": texts}, schema={"_line": pl.Int64, "_text": pl.String}
    )
    lines = lines.filter(pl.col("_text") != "")

    def parsed(sizes: list[int]) -> list[tuple[Any, ...]]:
        records, found, start = _Records(KEYS), [], 0
        for size in sizes:
            found.append(records.read(lines.slice(start, size)))
            start += size
        return pl.concat([*found, records.end()]).rows()

    sizes = data.draw(st.lists(st.integers(1, 5), min_size=len(texts), max_size=len(texts)))
    one_by_one = parsed([1] * len(texts))
    assert parsed(sizes) == one_by_one
    assert parsed([max(len(texts), 1)]) == one_by_one


@given(st.lists(LINES.filter(lambda text: "\0" not in text), max_size=20))
@settings(max_examples=150, deadline=None)
def test_a_line_that_python_reads_as_an_object_is_a_record(texts: list[str]) -> None:
    lines = pl.DataFrame({"_line": range(len(texts)), "_text": texts}, schema={"_line": pl.Int64, "_text": pl.String})
    records = _Records(KEYS)
    found = {row[0]: row[2:] for row in pl.concat([records.read(lines), records.end()]).rows()}
    for place, text in enumerate(texts):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict) and "\\ud" not in text:
            broken, *values = found[place]
            assert not broken
            for key, told in zip(KEYS, values, strict=True):
                expected = value.get(key)
                if isinstance(expected, str):
                    assert told == expected.replace("\0", "")
                elif expected is None:
                    assert told is None
                elif isinstance(expected, int | float):
                    assert json.loads(told) == pytest.approx(expected, rel=1e-15)
                else:
                    assert told[0] + told[-1] == ("[]" if isinstance(expected, list) else "{}")


def test_packed_files(tmp_path: Path) -> None:
    lines = ['{"a":"x"}', '{"a":"y"}', '{"a":"z"}']
    text = "\n".join(lines).encode()
    forms = {
        "plain.json": text,
        "x.json.gz": gzip.compress(text),
        "members.json.gz": b"".join(gzip.compress(line.encode() + b"\n") for line in lines),
        "misnamed.json": gzip.compress(text),
        "marked.json": b"\xef\xbb\xbf" + text,
        "windows.json": text.replace(b"\n", b"\r\n"),
    }
    for name, content in forms.items():
        assert [row[2] for row in read(tmp_path / name, content)] == ["x", "y", "z"], name
    packed = tmp_path / "x.json.zst"
    pl.DataFrame({"a": ["x", "y", "z"]}).lazy().sink_ndjson(packed, compression="zstd")
    assert packed.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    assert [row[2] for row in read(packed, packed.read_bytes())] == ["x", "y", "z"]


def test_the_first_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a":"x"}\n' * 5 + "broken")
    rows = scan_json_lines(path, KEYS)
    assert rows.head(2).collect().select("_line", "a").rows() == [(1, "x"), (2, "x")]
    assert rows.head(9).collect().height == 6
    assert rows.filter("_broken").select("_line").collect().rows() == [(6,)]
    assert rows.select("b").collect().height == 6
