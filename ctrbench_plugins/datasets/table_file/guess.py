"""What a column is likely to be, by its name, its type and its first values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from ctrbench.api import ConfigError
from ctrbench_plugins.datasets.table_file.spec import Kind, Label, Owner, Time
from ctrbench_plugins.datasets.table_file.times import clock
from ctrbench_plugins.datasets.table_file.values import as_id, as_items, as_label

_NAMES = {
    "user": r"user|uid|customer|reviewer|member|visitor|client|person",
    "item": r"item|iid|sku|product|asin|movie|article|goods|offer|book|song|creative|\bad\b|ad_id",
    "time": r"time|date|^ts$|_ts$|_at$|when|epoch",
    "label": r"label|click|conver|purchas|bought|target|is_buy|^y$",
    "rating": r"rating|stars|score|overall|grade",
    "domain": r"domain|scenario|shop|store|site|channel|vertical|market|categor|department|country",
}
_MOST_DOMAINS = 50
_DATED = r"^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"
MOST = 0.9  # of a column's values that are as they should be; others may be totals, a second header, "n/a"
_SEPARATORS = (None, "|", ";", ",", " ")  # None: lists


class Guess(NamedTuple):
    """A feature to be: the column, what it is and whose; `why` where it is none."""

    column: str
    kind: Kind | None
    of: Owner = "context"
    why: str = ""
    separator: str | None = None


def roles_of(rows: pl.DataFrame) -> dict[str, str]:
    """Role -> column. A name that fits best comes first; contents must fit, too.

    A time may be one that `clock` cannot read by itself.
    """
    roles: dict[str, str] = {}
    for role, tests in _TESTS.items():
        if role == "rating" and "label" in roles:
            continue
        free = [(_rank(column, role), column) for column in rows.columns if column not in roles.values()]
        free.sort(key=lambda ranked: ranked[0])
        fitting = (column for name, test in tests for rank, column in free if rank <= name and test(rows[column]))
        if (found := next(fitting, None)) is not None:
            roles[role] = found
    return roles


def _rank(column: str, role: str) -> int:
    """How well a name fits: the very word, or the word and `id`, before what only holds it."""
    plain = re.sub(r"[_\W]", "", column.lower())
    if plain == role or re.fullmatch(rf"({_NAMES[role]})s?(id)?", plain):
        return _EXACT
    return _LIKE if re.search(_NAMES[role], column.lower()) else _ANY


def _is_key(values: pl.Series) -> bool:
    texts = values.drop_nulls()
    return not values.dtype.is_nested() and len(texts) > 0 and texts.n_unique() > 1 and not values.dtype.is_temporal()


def _is_domain(values: pl.Series) -> bool:
    return 2 <= values.drop_nulls().n_unique() <= _MOST_DOMAINS and not values.dtype.is_float()


def _is_label(values: pl.Series) -> bool:
    return _read_as_label(values) == 1 and values.drop_nulls().n_unique() >= 2


def _is_mostly_label(values: pl.Series) -> bool:
    return _read_as_label(values) >= MOST


def _read_as_label(values: pl.Series) -> float:
    """The share of values that are 0 or 1, true or false."""
    known = values.drop_nulls()
    if values.dtype.is_nested() or not len(known):
        return 0.0
    return known.to_frame("_").select(as_label(Label(column="_"), values.dtype)).to_series().count() / len(known)


def _is_rating(values: pl.Series) -> bool:
    return not _is_label(values) and is_number(values) and values.n_unique() <= 200


def is_number(values: pl.Series) -> bool:
    """Whether nearly all values are numbers, and none is an id such as 0001."""
    known, dtype = values.drop_nulls(), values.dtype
    if dtype.is_nested() or dtype.is_temporal() or dtype in (pl.Boolean, pl.Binary) or not len(known):
        return False
    if dtype == pl.String and is_padded(known):
        return False
    return known.cast(pl.Float64, strict=False).count() >= MOST * len(known)


def is_padded(values: pl.Series) -> bool:
    """Whether some text starts as an id such as 0001 does."""
    return bool(values.str.contains(r"^0\d").any())


def _is_time(values: pl.Series) -> bool:
    known = values.drop_nulls().head(1_000).alias("_")
    try:
        return len(known) > 0 and clock("_", known, Time(), "") is not None
    except ConfigError:
        return False


def _is_moment(values: pl.Series) -> bool:
    """Whether values are times whatever their column is called: dates, or numbers of this century's size."""
    if not _is_time(values) or values.dtype.is_temporal():
        return _is_time(values)
    return bool((values.cast(pl.Float64, strict=False).drop_nulls() > 9e8).all())


def _is_like_date(values: pl.Series) -> bool:
    known = values.drop_nulls()
    return values.dtype == pl.String and len(known) > 0 and known.str.contains(_DATED).sum() >= MOST * len(known)


_EXACT, _LIKE, _ANY = range(3)  # how a column's name must fit a role, for the test of its values to decide
_TESTS: dict[str, tuple[tuple[int, Callable[[pl.Series], bool]], ...]] = {
    "time": ((_LIKE, _is_time), (_ANY, _is_moment), (_ANY, _is_like_date)),
    "label": ((_LIKE, _is_label), (_LIKE, _is_mostly_label), (_ANY, _is_label)),
    "rating": ((_LIKE, _is_rating),),
    "domain": ((_LIKE, _is_domain),),
    "user": ((_LIKE, _is_key),),
    "item": ((_LIKE, _is_key),),
}


def guess(rows: pl.DataFrame, column: str, roles: dict[str, str]) -> Guess:
    """What a column without a role is, and whose."""
    values = rows[column]
    if values.null_count() == len(values):
        return Guess(column, None, why="no value in any row")
    for separator in _SEPARATORS:
        if _lists_items(values, separator, rows, roles):
            return Guess(column, "history", "user", separator=separator)
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return Guess(column, None, why=f"{kind_of(values.dtype)} is no feature")
    distinct = values.drop_nulls().n_unique()
    if distinct == 1 and not values.null_count():
        return Guess(column, None, why="the same value in every row")
    if values.dtype.is_temporal():
        return Guess(column, None, why="dates and times are no features")
    of = _owner(rows, column, roles)
    if is_number(values) and not re.search(r"(^|_)id$|code|zip", column.lower()):
        return Guess(column, "number", of)
    if of == "context" and distinct == len(values):
        return Guess(column, None, why="another value in every row")
    words = values.drop_nulls().cast(pl.String).str.count_matches(r"\s+").mean()
    return Guess(column, "text" if isinstance(words, float) and words >= 1 else "id", of)


def kind_of(dtype: pl.DataType) -> str:
    """A type in a word: `datetime`, `list`."""
    return str(dtype).partition("(")[0].lower()


def _lists_items(values: pl.Series, separator: str | None, rows: pl.DataFrame, roles: dict[str, str]) -> bool:
    """Whether values are lists, and most of what they hold is items."""
    is_list = isinstance(values.dtype, pl.List | pl.Array) and not values.dtype.inner.is_float()  # no embedding
    if "item" not in roles or not (values.dtype == pl.String or (is_list and separator is None)):
        return False
    known = rows.select(as_id(roles["item"], rows[roles["item"]].dtype)).to_series().unique().implode()
    lists = values.drop_nulls().to_frame("_").select(as_items("_", values.dtype, separator)).to_series().drop_nulls()
    items = lists.list.explode().drop_nulls()
    several = len(items) > 1.5 * len(lists) or separator is None
    return several and float(items.is_in(known).mean() or 0) > 0.5  # type: ignore[arg-type]


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
