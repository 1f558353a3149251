"""A column's values as ids, numbers, text, lists of items and labels. What cannot be read is null."""

from __future__ import annotations

import polars as pl

from ctrbench_plugins.datasets.table_file.spec import Domain, Label

_TRUE = ("1", "1.0", "true", "t")
_FALSE = ("0", "0.0", "false", "f")
_FLAT_LIST = r"^\[[^\[{]*\]$"  # JSON that lists no lists and no objects

LABEL_ADVICE = (
    "a rating or a score goes to `rating`; other values are named, as in"
    ' label = { column = "clicked", positive = ["yes"], negative = ["no"] }'
)

LISTED_ADVICE = (
    "add it to `positive` or to `negative` in the TOML, written as in the file: case counts, blanks around do not"
)


def as_id(column: str, dtype: pl.DataType) -> pl.Expr:
    """Text; a whole float, which a missing value makes of integers elsewhere, as the integer it was."""
    return _id(pl.col(column), dtype.is_float())


def as_number(column: str, dtype: pl.DataType, decimal: str = ".") -> pl.Expr:
    """Float64; no number, NaN and infinity are null. With `decimal` a comma, text is like `1.299,50`."""
    value = pl.col(column)
    if decimal == "," and dtype == pl.String:
        whole = value.str.replace_all(r"\.(\d{3})\b", "${1}")
        value = pl.when(~whole.str.contains(".", literal=True)).then(whole.str.replace(",", ".", literal=True))
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """One line of text."""
    return pl.col(column).cast(pl.String).str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)


def as_items(column: str, dtype: pl.DataType, separator: str | None) -> pl.Expr:
    """A list of items, oldest first: from a list, a JSON list in text, or text with a separator."""
    value, item = pl.col(column), pl.element()
    if isinstance(dtype, pl.List | pl.Array):
        listed = value.cast(pl.List(dtype.inner)).list.eval(_id(item, dtype.inner.is_float()))
    elif separator is not None:
        listed = value.cast(pl.String).str.split(separator).list.eval(item.str.strip_chars())
    else:
        text = value.cast(pl.String)
        flat = text.str.contains(_FLAT_LIST) & text.str.json_path_match("$").is_not_null()
        listed = pl.when(flat).then(text).str.json_decode(pl.List(pl.String))
    return listed.list.eval(item.filter(item.is_not_null() & (item != "")))


def as_label(label: Label, dtype: pl.DataType) -> pl.Expr:
    """1, 0, or null for a value that is neither."""
    value = pl.col(label.column)
    if label.positive is None and label.negative is None:
        text = value.cast(pl.String).str.to_lowercase()
        yes, no = (value == 1, value == 0) if dtype.is_numeric() else (text.is_in(_TRUE), text.is_in(_FALSE))
    else:
        text = value.cast(pl.String)
        yes, no = (text.is_in(_texts(values, dtype)) for values in (label.positive, label.negative))
        if label.positive is None:
            yes = ~no
        elif label.negative is None:
            no = ~yes
    return pl.when(yes).then(pl.lit(1, pl.Int8)).when(no).then(pl.lit(0, pl.Int8))


def as_domain(domain: Domain, dtype: pl.DataType | None) -> pl.Expr:
    """The one value, or the column's, renamed."""
    if domain.column is None or dtype is None:
        return pl.lit(domain.value, pl.String)
    return as_id(domain.column, dtype).replace(domain.rename)


def _id(value: pl.Expr, is_float: bool) -> pl.Expr:
    if is_float:
        finite = pl.when(value.is_finite()).then(value)
        whole = pl.when(finite == finite.floor()).then(finite.cast(pl.Int64, strict=False))
        return pl.coalesce(whole.cast(pl.String), finite.cast(pl.String))
    return value.cast(pl.String)


def _texts(values: tuple[str | int | float | bool, ...] | None, dtype: pl.DataType) -> list[str]:
    """Listed values as the column's values are when they are made text."""
    if values is None:
        return []
    if dtype.is_numeric():
        return pl.Series(values, dtype=pl.Float64).cast(dtype).cast(pl.String).to_list()
    return [str(value).lower() if isinstance(value, bool) else str(value).strip() for value in values]
