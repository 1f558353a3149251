"""A whole preparation against a plain loop, in slices of a few rows; and what is left of one that cannot end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from ctrbench.data.fingerprint import ContentHash, frames_hash
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.progress import Stage
from ctrbench.data.split import SPLITS
from ctrbench.data.steps import INCOMPLETE, REPEATED_ROW, UNKNOWN_ITEM
from ctrbench.data.store import PreparedDataset
from ctrbench.data.writing import write_tables
from ctrbench.errors import OutputError

from .conftest import FrameSource, Row, all_rows

KNOWN = ["i1", "i2", "i3"]
DIRT = st.lists(
    st.tuples(
        st.sampled_from(["b", "a", None]),
        st.sampled_from(["u2", "u1", "u3", None]),
        st.sampled_from([*KNOWN, "unknown"]),
        st.integers(0, 3),
        st.sampled_from([1.0, 3.0, 5.0]),
    ),
    max_size=30,
)
USABLE: list[Any] = [("b", "u9", "i1", 0, 1.0), ("a", "u9", "i2", 9, 5.0)]


def plain_loop(rows: list[Row], dedupe: bool, drop: bool, own_domain: bool) -> list[dict[str, Any]]:
    """The definition of canonical rows: sorted, cut 80/10/10 by domain, each with what its user liked before."""
    order = list(dict.fromkeys(row[0] for row in rows if row[0] is not None))
    kept: dict[Any, Row] = {}
    for place, row in enumerate(rows):
        if None not in row and row[2] in KNOWN:
            kept.setdefault(row[:4] if dedupe else place, row)
    stay = sorted(
        (r for r in kept.values() if not (drop and r[4] == 3)), key=lambda r: (order.index(r[0]), r[3], *r[1:3])
    )
    users = sorted({row[1] for row in stay})
    made = []
    for domain, user, item, at, rating in stay:
        liked = {
            (r[3], r[2]) for r in stay if r[1] == user and r[3] < at and r[4] > 3 and (r[0] == domain or not own_domain)
        }
        place, size = sum(m["domain"] == domain for m in made), sum(r[0] == domain for r in stay)
        made.append(
            {
                "row_id": len(made),
                "domain": domain,
                "user": user,
                "user_index": users.index(user),
                "item": item,
                "time": at,
                "label": int(rating > 3),
                "history": [name for _, name in sorted(liked)][-2:],
                "split": "train" if place < size * 8 // 10 else "valid" if place < size * 9 // 10 else "test",
            }
        )
    return made


@settings(deadline=None, max_examples=60)
@given(DIRT, st.booleans(), st.booleans(), st.booleans())
def test_a_preparation_is_the_plain_loop(rows: list[Any], dedupe: bool, drop: bool, own_domain: bool) -> None:
    options = PrepareOptions(
        window=2, dedupe=dedupe, middle="drop" if drop else "negative", history="domain" if own_domain else "all"
    )
    rows = [*rows, *USABLE]
    with TemporaryDirectory() as folder, mock.patch("ctrbench.data.canonical.SLICE", 3):
        data = prepare(FrameSource(rows, KNOWN), Path(folder), Path(folder) / "out", options, source_name="frames")
        tables = {split: data.rows(split) for split in SPLITS}
        found = pl.concat(table.with_columns(pl.lit(split).alias("split")) for split, table in tables.items())
        assert found.sort("row_id").to_dicts() == plain_loop(rows, dedupe, drop, own_domain)
        shape = {name: data.manifest.model_dump()[name] for name in ("domains", "fields", "prompts")}
        assert data.fingerprint == frames_hash({"items": data.items, **tables}, about=shape)
        steps = {step.name: sum(step.rows.values()) for step in data.manifest.steps}
        gone = steps["read"] - steps["repeats dropped" if dedupe else "item known"]
        reasons = (INCOMPLETE, UNKNOWN_ITEM, REPEATED_ROW)
        assert gone == sum(p.count for p in data.manifest.problems if p.reason in reasons and p.domain)


@given(st.integers(1, 7), st.integers(0, 20))
def test_where_slices_end_does_not_matter_to_the_fingerprint(size: int, rows: int) -> None:
    table = pl.DataFrame(
        {
            "n": range(rows),
            "text": [None if n % 3 == 0 else "é" * n for n in range(rows)],
            "lists": [[f"x{k}" for k in range(n % 4)] for n in range(rows)],
            "day": [date(2020, 1, 1 + n) for n in range(rows)],
        },
        schema={"n": pl.UInt8, "text": pl.String, "lists": pl.List(pl.String), "day": pl.Date},
    )
    content = ContentHash("about")
    passed = content.passing("t", (table.slice(start, size) for start in range(0, max(rows, 1), size)))
    assert pl.concat(passed).equals(table)
    assert content.hexdigest() == frames_hash({"t": table}, "about")


def test_columns_of_any_type_go_through_unchanged(tmp_path: Path) -> None:
    count = 40
    extra = pl.DataFrame(
        {
            "age": np.arange(count, dtype=np.int8),
            "half": np.arange(count) / 2,
            "known": [n % 2 == 0 for n in range(count)],
            "day": [date(2020, 1, 1 + n % 28) for n in range(count)],
            "tags": [["a"] * (n % 3) for n in range(count)],
            "kind": pl.Series([f"k{n % 3}" for n in range(count)], dtype=pl.Categorical),
            "gap": [None if n % 4 else n for n in range(count)],
        }
    )

    class Rich(FrameSource):
        def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
            return pl.concat([self.rows, extra], how="horizontal").lazy()

    rows: list[Row] = [("a", f"u{n % 3}", "i1", 100 - n, 1.0 + 4 * (n % 2)) for n in range(count)]
    with mock.patch("ctrbench.data.canonical.SLICE", 7):
        found = all_rows(prepare(Rich(rows), tmp_path, tmp_path / "out", source_name="frames"))
    assert found.select(extra.columns).equals(extra.reverse())
    assert found.select(extra.columns).schema == extra.schema


def test_progress_tells_rows_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("12")
    (tmp_path / "b.txt").write_text("345")
    told: list[Stage] = []
    rows: list[Row] = [("a", f"u{n}", "i1", n, 1.0 + 4 * (n % 2)) for n in range(50)]
    with mock.patch("ctrbench.data.canonical.SLICE", 10):
        prepare(FrameSource(rows), tmp_path, tmp_path / "out", source_name="frames", progress=told.append)
    hashed, written = ([s for s in told if s.name == name] for name in ("hashing the input files", "writing"))
    assert [(s.done, s.total, s.unit) for s in hashed] == [(2, 5, "bytes"), (5, 5, "bytes")]
    assert {s.total for s in written} == {51}
    assert [s.done for s in written] == [0, 1, 11, 21, 31, 41, 46]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may be larger, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1_000, 20_000])
def test_no_space_is_one_sentence_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    rows: list[Row] = [("a", f"user {n * 7919 % 10_007}", f"i{n}", n, 1.0 + 4 * (n % 2)) for n in range(10_000)]
    raw = tmp_path / "raw"
    raw.mkdir()
    with largest_file(size), pytest.raises(OutputError, match=r"^cannot write .*out \(File too large\); free space"):
        prepare(FrameSource(rows), raw, tmp_path / "out", source_name="frames")
    assert os.listdir(tmp_path) == ["raw"]


def test_an_error_in_a_slice_is_told_as_it_is(tmp_path: Path) -> None:
    def slices() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"a": [1]})
        raise MemoryError("in a slice")

    with pytest.raises(MemoryError, match="in a slice"):
        write_tables(tmp_path, {"table": slices()}, None)


SLOW = """
    import sys, time
    from pathlib import Path
    from tests.data.conftest import FrameSource
    from ctrbench.data import canonical
    from ctrbench.data.prepare import prepare

    canonical.SLICE = 100
    rows = [("a", f"u{n}", f"i{n}", n, 1.0 + 4 * (n % 2)) for n in range(20_000)]

    def tell(stage):
        if stage.name == "writing" and stage.done:
            print(stage.done, flush=True)
            time.sleep(0.1)

    prepare(FrameSource(rows), Path("raw"), Path("out"), source_name="frames", progress=tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_while_writing_there_is_nothing_half_made(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "raw").mkdir()
    project = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    command = [sys.executable, "-c", textwrap.dedent(SLOW)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        start = time.monotonic()
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert time.monotonic() - start < 15, "it went on to the end"
    assert not (tmp_path / "out").exists()
    source = FrameSource([("a", f"u{n}", f"i{n}", n, 1.0 + 4 * (n % 2)) for n in range(20)])
    prepare(source, tmp_path / "raw", tmp_path / "out", source_name="frames")
    assert sorted(os.listdir(tmp_path)) == ["out", "raw"]
    assert PreparedDataset.open(tmp_path / "out").count("train") == 16
