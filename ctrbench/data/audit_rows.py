"""A prepared dataset's rows as integers, and the histories that they should have; `ctrbench.data.audit` judges them.

Nothing here uses the code that prepared the data: a second opinion is worth something only if it is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ctrbench.data.audit_check import EXAMPLES
from ctrbench.data.options import PrepareOptions
from ctrbench.data.split import SPLITS, Split
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CHUNK = 1 << 19
"""Rows whose histories are in memory at a time."""

HISTORY = "history"
NEEDED = ("row_id", "domain", "user", "user_index", "item", "time", "label", HISTORY)
UNKNOWN = -1
"""The code of a domain or an item that is not in the manifest or in the items table."""


@dataclass(frozen=True)
class Events:
    """What histories may show: the distinct positive (owner, time, item), in this order.

    `moment` is `owner * times + time's rank`. A purchase that stands in two domains counts in the one whose cut-offs
    it is furthest before: `period` is 0 before that domain's validation begins, 1 before its test begins, else 2.
    """

    moment: Ints
    item: Ints
    domain: Ints
    period: Ints


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows with their histories: `items` holds `lengths[0]` entries of `rows[0]`, and so on."""

    rows: slice
    lengths: Ints
    items: Ints

    @cached_property
    def row(self) -> Ints:
        """Of each entry, the place of its row in the chunk."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def place(self) -> Ints:
        """Of each entry, its place in its own history."""
        ends = np.cumsum(self.lengths)
        return np.arange(len(self.items)) - np.repeat(ends - self.lengths, self.lengths)


class AuditRows:
    """Every row of the three splits, in the files' order: numpy arrays of one length, and `frame` with the same.

    `frame` has `row_id, split, domain, user, item, time, label`, where `split`, `domain`, `user` and `item` are
    numbers. Raises `DataError` for files that cannot be read.
    """

    def __init__(self, data: PreparedDataset, options: PrepareOptions) -> None:
        self.data = data
        self.options = options
        self.domains = list(data.domains)
        with data.reading():
            for split in SPLITS:
                _require(data, split)
            items = data.items["item"]
            self.items = items.unique(maintain_order=True).drop_nulls()
            users = pl.concat([data.scan(split).select("user") for split in SPLITS]).unique().collect()["user"]
            parts = [self._read(number, users) for number in range(len(SPLITS))]
        raw = pl.concat(parts)
        self.nulls = {name: count for name, count in raw.null_count().row(0, named=True).items() if count}
        self.frame = raw.with_columns(
            pl.col("domain", "item", "user").fill_null(UNKNOWN),
            pl.col("time").fill_null(pl.col("time").min()),
            pl.col("label").fill_null(UNKNOWN),
        )

    def _read(self, number: int, users: pl.Series) -> pl.DataFrame:
        known: dict[str, pl.Series | list[str]] = {
            "domain": self.domains,
            "item": self.items,
            "user": users.drop_nulls(),
        }
        codes = [
            pl.col(name).cast(pl.Enum(values), strict=False).to_physical().cast(pl.Int64)
            for name, values in known.items()
        ]
        rows = self.data.scan(SPLITS[number]).select(
            "row_id", pl.lit(number, dtype=pl.Int64).alias("split"), *codes, "user_index", "time", "label"
        )
        return rows.collect(engine="streaming")

    @cached_property
    def column(self) -> dict[str, Ints]:
        """The columns of `frame` as arrays."""
        return {name: self.frame[name].to_numpy() for name in ("split", "domain", "user", "item", "label")}

    @cached_property
    def times(self) -> Ints:
        """Each row's time as a rank from 0: rows of one time have one rank."""
        return (self.frame["time"].rank("dense").cast(pl.Int64) - 1).to_numpy()

    def names(self, domains: Sequence[int]) -> list[str]:
        """Domains by name."""
        return [self.domains[domain] if domain != UNKNOWN else "(unknown)" for domain in domains]

    def examples(self, places: Ints | pl.Series) -> list[str]:
        """The first few rows, as a reader finds them in the files."""
        split, row = pl.col("split"), self.frame[places[:EXAMPLES]]
        named = row.with_columns(split.replace_strict(dict(enumerate(SPLITS)), return_dtype=pl.String))
        shown = named.select("row_id", "split", pl.Series("domain", self.names(row["domain"].to_list())), "time")
        return [f"row_id {i} ({split} of {domain}, time {time})" for i, split, domain, time in shown.iter_rows()]

    @cached_property
    def repeated(self) -> pl.DataFrame:
        """`at, event, split, domain` of rows whose user, item and time another row has, too; `event` numbers these."""
        keys = ("user", "times", "item")
        columns = {"user": self.column["user"], "times": self.times, "item": self.column["item"]}
        ordered = pl.DataFrame({"at": np.arange(len(self.times)), **columns}).sort(keys, maintain_order=True)
        same = pl.all_horizontal(pl.col(key) == pl.col(key).shift() for key in keys).fill_null(False)
        ordered = ordered.with_columns(same.alias("same")).filter(
            pl.col("same") | pl.col("same").shift(-1, fill_value=False)
        )
        kept = ordered.select("at", (~pl.col("same")).cum_sum().cast(pl.Int64).alias("event"))
        return kept.with_columns(self.frame[name].gather(kept["at"]) for name in ("split", "domain"))

    @cached_property
    def owner(self) -> Ints:
        """Whose history a row has: its user, or with `history=domain` its user in its domain."""
        if self.options.history == "all":
            return self.column["user"]
        return self.column["user"] * (len(self.domains) + 1) + self.column["domain"] + 1

    @cached_property
    def moment(self) -> Ints:
        """Owner and time in one number that orders by owner, then time."""
        return self.owner * (int(self.times.max(initial=0)) + 1) + self.times

    @cached_property
    def cut_offs(self) -> NDArray[np.float64]:
        """(domains, 2): when each domain's validation and its test begin; infinity where there is none."""
        found = np.full((len(self.domains) + 1, 2), np.inf)
        later = self.column["split"][:, None] >= np.array([1, 2])
        for period in range(2):
            rows = later[:, period]
            np.minimum.at(found[:, period], self.column["domain"][rows], self.times[rows])
        return found

    @cached_property
    def events(self) -> Events:
        """What histories may show."""
        domain, time = self.column["domain"], self.times
        shown = self.column["label"] == 1
        if self.options.split == "random":
            shown &= self.column["split"] == 0
        period = (time[:, None] >= self.cut_offs[domain]).sum(axis=1)
        columns = {"moment": self.moment, "item": self.column["item"], "period": period, "domain": domain}
        frame = pl.DataFrame({name: values[shown] for name, values in columns.items()})
        frame = frame.sort("moment", "item", "period", "domain")
        same = (pl.col("moment") == pl.col("moment").shift()) & (pl.col("item") == pl.col("item").shift())
        kept = frame.filter(~same.fill_null(False))
        return Events(**{name: kept[name].to_numpy() for name in columns})

    @cached_property
    def expected(self) -> tuple[Ints, Ints]:
        """For each row, the first and the end of the events that its history should show."""
        first_moment = self.moment - self.times
        end = np.searchsorted(self.events.moment, self.moment)
        first = np.searchsorted(self.events.moment, first_moment)
        return np.maximum(first, end - self.options.window), end

    @cached_property
    def first_shown(self) -> pl.DataFrame:
        """`owner, item, first`: the rank of the first time at which an owner's item may be shown from."""
        times = int(self.times.max(initial=0)) + 1
        events = pl.DataFrame({"moment": self.events.moment, "item": self.events.item})
        owner = (pl.col("moment") // times).alias("owner")
        return events.group_by(owner, "item").agg((pl.col("moment") % times).min().alias("first"))

    def since(self, rows: Ints, items: Ints) -> Ints:
        """For each pair of a row and an item, `first_shown` of the row's owner; a time after all if there is none."""
        asked = pl.DataFrame({"owner": self.owner[rows], "item": items})
        found = asked.join(self.first_shown, on=["owner", "item"], how="left", maintain_order="left")["first"]
        return found.fill_null(np.iinfo(np.int64).max).to_numpy()

    def histories(self, column: str = HISTORY) -> Iterator[Chunk]:
        """The histories of all rows, in the files' order."""
        code = pl.col(column).cast(pl.List(pl.Enum(self.items)), strict=False)
        start = 0
        for split in SPLITS:
            for piece in pieces(self.data, split, code):
                lists = piece[column]
                lengths = lists.list.len().fill_null(0).cast(pl.Int64).to_numpy()
                entries = lists.explode(empty_as_null=False, keep_nulls=False).to_physical().cast(pl.Int64)
                yield Chunk(slice(start, start + len(lists)), lengths, entries.fill_null(UNKNOWN).to_numpy())
                start += len(lists)


def pieces(data: PreparedDataset, split: Split, *columns: pl.Expr) -> Iterator[pl.DataFrame]:
    """A split's rows as the file has them, some at a time; one piece at least, be it without a row."""
    with data.reading():
        rows = data.scan(split)
        height = rows.select(pl.len()).collect().item()
        for offset in range(0, max(height, 1), CHUNK):
            yield rows.slice(offset, CHUNK).select(columns or pl.all()).collect()


def _require(data: PreparedDataset, split: Split) -> None:
    found = data.scan(split).collect_schema().names()
    for name in NEEDED:
        if name not in found:
            raise DataError(f"{data.path / split}.parquet has no column {name!r}: prepare the dataset again")
