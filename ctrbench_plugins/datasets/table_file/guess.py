"""What a column is likely to be, by its name, its type and its first values."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from ctrbench.api import ConfigError
from ctrbench_plugins.datasets.table_file.spec import Kind, Label, Owner, Time
from ctrbench_plugins.datasets.table_file.times import clock
from ctrbench_plugins.datasets.table_file.values import as_label, as_number

_NAMES = {
    "user": r"user|uid|customer|reviewer|member|visitor|client|person",
    "item": r"item|iid|sku|product|asin|movie|article|goods|offer|book|song|creative|\bad\b|ad_id",
    "time": r"time|date|^ts$|_ts$|_at$|when|epoch",
    "label": r"label|click|conver|purchas|bought|target|is_buy|^y$",
    "rating": r"rating|stars|score|overall|grade",
    "domain": r"domain|scenario|shop|store|site|channel|vertical|market|categor|department|country",
}
_MOST_DOMAINS = 50
_SEPARATORS = ("|", ";", ",", " ")


class Guess(NamedTuple):
    """A feature to be: the column, what it is and whose; `why` where it is none."""

    column: str
    kind: Kind | None
    of: Owner = "context"
    why: str = ""
    separator: str | None = None


def roles_of(rows: pl.DataFrame) -> dict[str, str]:
    """Role -> column. A name that fits best comes first; contents must fit, too."""
    fits = {
        "time": _is_time,
        "label": lambda values: _is_label(values),
        "rating": lambda values: not _is_label(values) and _is_number(values) and values.n_unique() <= 200,
        "domain": lambda values: 2 <= values.drop_nulls().n_unique() <= _MOST_DOMAINS and not values.dtype.is_float(),
        "user": _is_key,
        "item": _is_key,
    }
    roles: dict[str, str] = {}
    for role, fit in fits.items():
        if role == "rating" and "label" in roles:
            continue
        named = [c for c in rows.columns if re.search(_NAMES[role], c.lower()) and c not in roles.values()]
        found = next((column for column in sorted(named, key=lambda c: _rank(c, role)) if fit(rows[column])), None)
        if found is None and role in ("time", "label"):
            unnamed = (column for column in rows.columns if column not in roles.values())
            found = next(
                (column for column in unnamed if fit(rows[column]) and (role == "label" or _is_dated(rows[column]))),
                None,
            )
        if found is not None:
            roles[role] = found
    return roles


def _rank(column: str, role: str) -> int:
    """The very word, or the word and `id`, before what only holds it."""
    plain = re.sub(r"[_\W]", "", column.lower())
    return 0 if plain == role or re.fullmatch(rf"({_NAMES[role]})s?(id)?", plain) else 1


def _is_key(values: pl.Series) -> bool:
    texts = values.drop_nulls()
    return not values.dtype.is_nested() and len(texts) > 0 and texts.n_unique() > 1 and not values.dtype.is_temporal()


def _is_label(values: pl.Series) -> bool:
    if values.dtype.is_nested() or not len(values.drop_nulls()):
        return False
    read = values.to_frame("_").select(as_label(Label(column="_"), values.dtype)).to_series()
    return read.null_count() == values.null_count() and read.n_unique() >= 2


def _is_number(values: pl.Series) -> bool:
    if (
        values.dtype.is_nested()
        or values.dtype.is_temporal()
        or values.dtype == pl.Boolean
        or not len(values.drop_nulls())
    ):
        return False
    read = values.to_frame("_").select(as_number("_", values.dtype)).to_series()
    return read.null_count() == values.null_count()


def _is_time(values: pl.Series) -> bool:
    if values.dtype.is_nested() or values.dtype == pl.Boolean:
        return False
    known = values.drop_nulls().head(1_000).alias("_")
    try:
        return len(known) > 0 and clock("_", known, Time(), "") is not None
    except ConfigError:
        return False


def _is_dated(values: pl.Series) -> bool:
    """Whether values are times whatever their column is called: dates, or numbers of this century's size."""
    if not _is_time(values) or not _is_number(values):
        return _is_time(values)
    return bool((values.cast(pl.Float64).drop_nulls() > 9e8).all())


def guess(rows: pl.DataFrame, column: str, roles: dict[str, str]) -> Guess:
    """What a column without a role is, and whose."""
    values = rows[column]
    if values.null_count() == len(values):
        return Guess(column, None, why="no value in any row")
    if values.dtype == pl.List or (separator := _separator(values, rows, roles)) is not None:
        return Guess(column, "history", "user", separator=None if values.dtype == pl.List else separator)
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return Guess(column, None, why=f"{values.dtype} is no feature")
    distinct = values.drop_nulls().n_unique()
    if distinct == 1 and not values.null_count():
        return Guess(column, None, why="the same value in every row")
    of = _owner(rows, column, roles)
    if _is_number(values) and not re.search(r"(^|_)id$|code|zip", column.lower()):
        return Guess(column, "number", of)
    if values.dtype.is_temporal() or (of == "context" and distinct == len(values)):
        return Guess(column, None, why="another value in every row" if distinct == len(values) else "a second time")
    words = values.drop_nulls().cast(pl.String).str.count_matches(r"\s+").mean()
    return Guess(column, "text" if isinstance(words, float) and words >= 1 else "id", of)


def _separator(values: pl.Series, rows: pl.DataFrame, roles: dict[str, str]) -> str | None:
    """What divides a column's text into ids of items; None where it is not that."""
    if values.dtype != pl.String or "item" not in roles:
        return None
    known = rows[roles["item"]].cast(pl.String).unique().implode()
    for separator in _SEPARATORS:
        parts = values.drop_nulls().str.split(separator).explode()
        if len(parts) > 1.5 * len(values.drop_nulls()) and float(parts.is_in(known).mean() or 0) > 0.5:  # type: ignore[arg-type]
            return separator
    return None


def _owner(rows: pl.DataFrame, column: str, roles: dict[str, str]) -> Owner:
    """Whose a column is: an item's, or a user's, if it has one value for each of them."""
    for owner in ("item", "user"):
        key = roles.get(owner)
        if key is None:
            continue
        distinct = rows[key].n_unique()
        if distinct < 0.9 * rows.height and rows.select(pl.struct(key, column).n_unique()).item() == distinct:
            return owner
    return "context"
