"""Periods of time, short enough to show a change and long enough to be few."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

MOST = 60
"""How many periods a chart or table can bear."""

_DAY = 86_400
_YEAR = 365.2425 * _DAY
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, which every calendar can show


@dataclass(frozen=True)
class Period:
    """A period's name, and its length as polars writes it (`1mo`) and in seconds (on average)."""

    name: str
    every: str
    seconds: float


_PERIODS = (
    Period("hour", "1h", 3600),
    Period("day", "1d", _DAY),
    Period("week", "1w", 7 * _DAY),
    Period("month", "1mo", _YEAR / 12),
    Period("quarter", "1q", _YEAR / 4),
    Period("year", "1y", _YEAR),
    Period("ten years", "10y", 10 * _YEAR),
    Period("hundred years", "100y", 100 * _YEAR),
)


def choose_period(first: int, last: int) -> Period:
    """The shortest period of which no more than `MOST` lie between two times (seconds)."""
    fitting = (period for period in _PERIODS if (_within(last) - _within(first)) / period.seconds < MOST - 1)
    return next(fitting, Period("thousand years", "1000y", 1000 * _YEAR))


def moment(time: pl.Expr) -> pl.Expr:
    """Seconds as a date and time; what no calendar can show becomes its first or last moment."""
    return pl.from_epoch(time.cast(pl.Int64).clip(_FIRST, _LAST)).dt.replace_time_zone("UTC")


def starts(period: Period, first: int, last: int) -> pl.DataFrame:
    """The starts of all periods that hold a time (seconds) from `first` to `last`, as the column `start`."""
    ends = pl.DataFrame({"time": [first, last]}).select(moment(pl.col("time")).dt.truncate(period.every))
    low, high = ends.to_series()
    return pl.DataFrame({"start": pl.datetime_range(low, high, period.every, time_zone="UTC", eager=True)})


def _within(time: int) -> int:
    return min(max(time, _FIRST), _LAST)
