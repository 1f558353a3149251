"""What a source promises of its two tables."""

from __future__ import annotations

import time

import polars as pl

from ctrbench.data.lines import examples
from ctrbench.data.problems import Problems
from ctrbench.data.steps import target_of
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import PLACES, SourceSubject

_DAY = 86_400
_TEXTS = (pl.String, pl.Categorical, pl.Enum)


class RowPromises(SourceSubject):
    """What a source promises of its two tables."""

    @promise("return what `pl.scan_…` gives, or end with `.lazy()`.")
    def test_tables_are_lazy(self) -> None:
        """`interactions` and `items` return polars LazyFrames."""
        source = self._load().at(self._raw())
        for table in (source.items, source.interactions):
            found = table(self._raw(), Problems())
            assert isinstance(found, pl.LazyFrame), f"`{table.__name__}` returns a {type(found).__name__}"

    @promise("name and cast the columns as `DatasetSource.interactions` says; ids are text, so that 007 is not 7.")
    def test_rows_have_the_columns_of_a_row(self) -> None:
        """Interactions have `domain`, `user`, `item` (text), `time` (a number), and `label` or `rating` (a number)."""
        schema = self._tables().rows.schema
        target = "label" if "label" in schema else "rating"
        for name in ("domain", "user", "item", "time", target):
            assert name in schema, f"there is no column {name!r}, but {', '.join(schema)}"
        for name in ("domain", "user", "item"):
            assert schema[name] in _TEXTS, f"{name!r} holds {schema[name]}"
        for name in ("time", target):
            fits = schema[name].is_numeric() or (name == "label" and schema[name] == pl.Boolean)
            assert fits, f"{name!r} holds {schema[name]}"

    @promise("leave such rows out with `take_good`, which counts them by reason and names file and line.")
    def test_no_row_lacks_what_a_row_needs(self) -> None:
        """No row lacks domain, user, item, time, or its label or rating: bad raw rows are counted, not passed on."""
        rows = self._tables().rows
        assert rows.height, "there is no row"
        for name in ("domain", "user", "item", "time", target_of(rows.lazy())):
            empty = rows[name].is_null() | (rows[name].cast(pl.String).str.strip_chars().is_in(["", "NaN"]))
            assert not empty.any(), f"{empty.sum():,} rows without {name}{_where(rows.filter(empty))}"

    @promise("turn times into whole seconds since 1970, e.g. `pl.col('time') // 1000` of milliseconds.")
    def test_times_are_seconds(self) -> None:
        """Times are seconds since 1970, none before, and none later than tomorrow."""
        rows, end = self._tables().rows, time.time() + _DAY
        odd = rows.filter(~pl.col("time").is_between(0, end))
        told = ", ".join(str(value) for value in odd["time"].head(3))
        assert odd.is_empty(), f"{odd.height:,} of {rows.height:,} rows are of other times, such as {told}"

    @promise("let `label` be 0 or 1, or `rating` a number on both sides of 3; write raw files with clicks and others.")
    def test_labels_are_clicks_or_ratings(self) -> None:
        """A label is 0 or 1; a rating above 3 is a click, any other none; and there are rows of both kinds."""
        rows = self._tables().rows
        target = target_of(rows.lazy())
        clicked = pl.col("label").cast(pl.Float64) if target == "label" else (pl.col("rating") > 3).cast(pl.Float64)
        found = rows.select(clicked.drop_nulls().unique().sort()).to_series().to_list()
        assert set(found) <= {0.0, 1.0}, f"the labels are {', '.join(f'{value:g}' for value in found[:5])}"
        assert len(found) == 2, f"all {rows.height:,} rows are {'clicks' if found == [1.0] else 'none'}"

    @promise('join with tables that have each key once (`.unique("user", keep="first")`), and read each file once.')
    def test_no_row_comes_twice(self) -> None:
        """A line of the raw files becomes one row: no domain, user, item and time stands twice."""
        rows = self._tables().rows
        keys = [name for name in ("domain", "user", "item", "time", *PLACES) if name in rows.columns]
        again = rows.filter(pl.struct(keys).is_duplicated())
        told = "; ".join(str(row) for row in again.select(keys).head(2).iter_rows())
        assert again.is_empty(), f"{again.height:,} of {rows.height:,} rows do, such as {told}"

    @promise("give `items` one row for each item, with the same ids as text; make it from the interactions if need be.")
    def test_every_item_is_described(self) -> None:
        """`items` has a column `item` of text without nulls, every item of the interactions, and no row twice."""
        rows, items, _ = self._tables()
        assert "item" in items.columns, f"there is no column 'item', but {', '.join(items.columns)}"
        assert items.schema["item"] in _TEXTS, f"'item' holds {items.schema['item']}"
        assert not items["item"].null_count(), f"{items['item'].null_count():,} items without id"
        ids = items.select(pl.col("item").cast(pl.String))
        unknown = rows.select(pl.col("item").cast(pl.String)).unique().join(ids, on="item", how="anti").sort("item")
        told = ", ".join(unknown["item"].head(3))
        assert unknown.is_empty(), f"{unknown.height:,} items of the interactions are not described, such as {told}"
        alike = items.filter(items.is_duplicated())
        told = ", ".join(alike["item"].cast(pl.String).head(1))
        assert alike.is_empty(), f"{alike.height:,} rows of items are copies, such as those of {told}"


def _where(rows: pl.DataFrame) -> str:
    named = (pl.format(f"{name} {{}}", name) for name in ("user", "item", "time"))
    return f", such as {examples(rows, pl.concat_str(*named, separator=', ', ignore_nulls=True))[0]}"
