"""Domains that the data do not come in: derived from users' pasts, or from any column.

The paper's Table VII has two domains of users, on private data. A derived domain rebuilds that setting on any data, as
a surrogate: it has the shape of the private domains, not their content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from ctrbench.data.checks import is_legal
from ctrbench.data.store import TRUE_PROBABILITY
from ctrbench.errors import DataError
from ctrbench.spelling import suggest

NEW_USER, USER_GROUP, COLUMN = "new_user", "user_group", "column:"
RULES = (NEW_USER, USER_GROUP)
ORIGINAL = "source_domain"
"""The column that keeps the domain which a row had in its source. It is no field: models see the derived one."""
MOST = 100
"""Domains that a column may make."""

_NEVER = ("label", "rating", TRUE_PROBABILITY)
_NUMBERS = ("user_index", "item_index")
NEW_USERS = {"new_users": "New users", "returning_users": "Returning users"}
USER_GROUPS = {"light_users": "Light users", "heavy_users": "Heavy users"}


@dataclass(frozen=True)
class DerivedDomains:
    """Rows with their new `domain` and with `source_domain`; `titles` has each domain's name in prompts, in order."""

    rows: pl.DataFrame
    titles: Mapping[str, str]


def is_general(rule: object) -> bool:
    """Whether a rule is the framework's own, so that it is meant for every source; else it may be a source's."""
    return isinstance(rule, str) and (rule in RULES or rule.startswith(COLUMN))


def derive_domains(
    rows: pl.DataFrame, items: pl.DataFrame, by: str, *, new_user_rows: int, train: float, groups: int
) -> DerivedDomains:
    """Give rows (`domain, user_index, item_index, time, label` and more) new domains; `items` stand by `item_index`.

    `by` is one of:
    - `new_user`: rows before which their user has fewer than `new_user_rows` interactions, in all domains and
      strictly before the row's time, and all others. Nothing later than the row is used.
    - `user_group`: users with at most the median number of interactions, and users with more. Only interactions
      before the moment at which the share `train` of all rows has passed count, so no test row of a global cut-off
      does; a domain that is cut at its own times may have been cut earlier. Users without any are light.
    - `column:NAME`, or NAME alone: each value of a column of rows or items. Numbers of more than `groups` values are
      cut into `groups` of about as many rows each.

    Raises `DataError` where a column is unknown, cannot be used, or tells nothing apart.
    """
    if ORIGINAL in rows.columns:
        raise DataError(f"the data has a column {ORIGINAL!r}, which --domain-by makes: give it another name")
    if by == NEW_USER:
        domain, titles = _new_users(new_user_rows), NEW_USERS
    elif by == USER_GROUP:
        domain, titles = _user_groups(rows, train), USER_GROUPS
    else:
        return _by_column(rows, items, by, groups)
    return _renamed(rows, domain, titles, by)


def _renamed(rows: pl.DataFrame, domain: pl.Expr, titles: Mapping[str, str], by: str) -> DerivedDomains:
    new = rows.with_columns(pl.col("domain").cast(pl.String).alias(ORIGINAL), domain.cast(pl.String).alias("domain"))
    present = set(new["domain"].unique())
    if len(present) < 2:
        raise DataError(f"--domain-by {by} tells nothing apart: all rows are in one domain, {min(present)}")
    return DerivedDomains(new, {name: title for name, title in titles.items() if name in present})


def _new_users(earlier: int) -> pl.Expr:
    new, returning = NEW_USERS
    before = pl.col("time").rank("min").over("user_index") - 1  # of a user's rows, those of an earlier time
    return pl.when(before < earlier).then(pl.lit(new)).otherwise(pl.lit(returning))


def _user_groups(rows: pl.DataFrame, train: float) -> pl.Expr:
    light, heavy = USER_GROUPS
    cut = rows["time"].sort()[min(int(rows.height * train + 1e-9), rows.height - 1)]
    counts = rows.filter(pl.col("time") < cut).group_by("user_index").len()
    if counts.is_empty():
        raise DataError("--domain-by user_group counts users' rows before the test period, and there are none")
    many = counts.filter(pl.col("len") > pl.col("len").median())["user_index"]
    return pl.when(pl.col("user_index").is_in(many.implode())).then(pl.lit(heavy)).otherwise(pl.lit(light))


def _by_column(rows: pl.DataFrame, items: pl.DataFrame, by: str, groups: int) -> DerivedDomains:
    name = by.removeprefix(COLUMN)
    values = _values(rows, items, by)
    numeric = values.dtype.is_numeric()
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if numeric and values.n_unique() > groups:
        texts, ordered = _ranges(values.cast(pl.Float64), groups)
    else:
        texts = values.cast(pl.String)
        ordered = values.unique().sort(nulls_last=True).cast(pl.String).drop_nulls().to_list()
    if len(ordered) > MOST:
        raise DataError(
            f"--domain-by {by} would make {len(ordered):,} domains, and {MOST} are the most: choose a column of fewer"
            " values, or of numbers"
        )
    plain = not numeric and values.dtype != pl.Boolean
    names = {text: _identifier(text, name, plain) for text in ordered}
    shown = name.replace("_", " ")
    unknown = f"unknown_{identifier(name)}"
    titles = {names[text]: text if plain else f"{shown[:1].upper()}{shown[1:]} {text}" for text in ordered}
    domain = texts.replace_strict(names, default=unknown, return_dtype=pl.String)
    return _renamed(rows, pl.lit(domain), {**titles, unknown: f"Unknown {shown}"}, by)


def _values(rows: pl.DataFrame, items: pl.DataFrame, by: str) -> pl.Series:
    """A column's value for each row; a row's own column comes before its item's."""
    name = by.removeprefix(COLUMN)
    columns = dict.fromkeys([*rows.columns, *items.columns])
    known = [column for column in columns if column not in _NUMBERS and not column.startswith("_")]
    if name not in known or name in _NEVER:
        what = "what models are to predict" if name in _NEVER else "no column"
        usable = [column for column in known if column not in _NEVER]
        raise DataError(f"--domain-by {by}: {name!r} is {what}.{suggest(name, [*RULES, *usable])}")
    values = rows[name] if name in rows.columns else items[name].gather(rows["item_index"])
    if values.dtype.is_nested():
        raise DataError(f"--domain-by {by}: the column holds lists, and a row has one domain")
    return values


def _ranges(values: pl.Series, groups: int) -> tuple[pl.Series, list[str]]:
    """Each number's range as text, and the ranges in order; a range holds its upper end."""
    known = values.drop_nulls().sort()
    ends = sorted({float(known[len(known) * n // groups]) for n in range(1, groups)} - {float(known[-1])})
    told = [f"{end:.15g}" for end in ends]
    between = [f"above {low} to {high}" for low, high in pairwise(told)]
    ranges = [f"up to {told[0]}", *between, f"above {told[-1]}"] if told else [f"up to {known[-1]:.15g}"]
    place = pl.Series(ends, dtype=pl.Float64).search_sorted(values.fill_null(0.0), side="left")
    texts = pl.Series(ranges).gather(place)
    return texts.to_frame("range").select(pl.when(values.is_not_null()).then("range")).to_series(), ranges


def identifier(text: str) -> str:
    """A text as a domain's name: lower case, letters and digits, joined by underscores."""
    return re.sub(r"\W+", "_", text.lower().replace("'", "")).strip("_")


def _identifier(text: str, column: str, plain: bool) -> str:
    """A value's domain; values that would be no legal name, or are numbers, have the column's name before them."""
    name = identifier(text if plain else text.replace("-", "minus "))
    return name if plain and is_legal(name) else f"{identifier(column)}_{name or 'blank'}"
