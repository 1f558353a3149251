"""Times as people write them: numbers of some unit, ISO text, dates. What is not stated is guessed, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ctrbench.api import ConfigError, DataError
from ctrbench_plugins.datasets.table_file.spec import Time, Unit

FORMATS = (
    "%+",  # ISO 8601 with a zone
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
)
"""What is tried where no format is given. Day and month are never guessed: 03/04 is two dates."""

_PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LARGEST = 1e11  # seconds: the year 5138; as milliseconds it is 1973
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class Clock:
    """How a column's times are read: `seconds` is the expression. `guess` says that its numbers have no unit yet."""

    column: str
    seconds: pl.Expr
    told: str
    guess: bool = False

    def settle(self, rows: pl.DataFrame, where: str) -> tuple[pl.DataFrame, str]:
        """Whole seconds (Int64) in the column `time`, and what was understood. `where`: the TOML, for messages.

        Raises `DataError`, naming two rows, for numbers of more than one unit.
        """
        if not self.guess or rows.is_empty():
            return rows.with_columns(pl.col("time").floor().cast(pl.Int64)), self.told
        if _are_dates(rows["time"]):
            dates = pl.col("time").cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d").cast(pl.Datetime("us"))
            return rows.with_columns(dates.dt.epoch("s").alias("time")), "dates, as in 20180131 (guessed)"
        unit = _unit_of(rows, self.column, where)
        told = f"{_UNITS[unit]} since 1970 (guessed from their size)"
        return rows.with_columns((pl.col("time") / _PER_SECOND[unit]).floor().cast(pl.Int64)), told


def clock(column: str, sample: pl.Series, time: Time, where: str) -> Clock:
    """How to read a column, by its type and the first values. Raises `ConfigError` where that cannot be told."""
    value, dtype = pl.col(column), sample.dtype
    if dtype in (pl.Datetime, pl.Date):
        zone = getattr(dtype, "time_zone", None)
        at = value if zone else _in_zone(value.cast(pl.Datetime("us")), time.timezone, where)
        return Clock(column, _epoch(at), f"dates and times {_zone_told(zone or time.timezone, bool(zone))}")
    if dtype == pl.String and time.format is not None:
        return _of_text(column, sample, (time.format,), time, where)
    if dtype.is_numeric() or (dtype == pl.String and _mostly(sample.cast(pl.Float64, strict=False))):
        number = value.cast(pl.Float64, strict=False)
        if time.unit is None:
            number = pl.when(number.is_finite() & (number.abs() < _LARGEST * 1e9)).then(number)
            return Clock(column, number, "numbers", guess=True)
        seconds = number / _PER_SECOND[time.unit]
        seconds = pl.when(seconds.is_finite() & (seconds.abs() < _LARGEST)).then(seconds)
        return Clock(column, seconds, f"{_UNITS[time.unit]} since 1970")
    if dtype == pl.String:
        return _of_text(column, sample, FORMATS, time, where)
    raise ConfigError(f"{where}: the time column {column!r} is {dtype}, which is no time: name another column")


def _of_text(column: str, sample: pl.Series, formats: Sequence[str], time: Time, where: str) -> Clock:
    def parsed(values: pl.Expr, form: str) -> pl.Expr:
        return values.str.to_datetime(form, strict=False, time_unit="us")

    try:
        fits = [(sample.to_frame("_").select(parsed(pl.col("_"), form)).to_series(), form) for form in formats]
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{where}: format in [time] is {time.format!r}: {str(error).splitlines()[0]}") from None
    best, form = max(fits, key=lambda fit: len(fit[0].drop_nulls()))
    if not _mostly(best):
        seen = next(iter(sample.drop_nulls()), "")
        hint = f"do not have the format {time.format!r}" if time.format else "are neither numbers nor ISO dates"
        raise ConfigError(
            f"{where}: the times in column {column!r} {hint}, as {seen!r} shows: say how they are written, as in"
            f' [time] format = "{_likely(sample)}"'
        )
    zone = getattr(best.dtype, "time_zone", None)
    at = parsed(pl.col(column), form)
    at = at if zone else _in_zone(at, time.timezone, where)
    written = "ISO text with a zone" if form == "%+" else f"text like {form} {_zone_told(time.timezone, bool(zone))}"
    return Clock(column, _epoch(at), written)


def _likely(sample: pl.Series) -> str:
    """The format that fits most of the values, for advice only; of as many, that with the day first."""
    forms = [
        day.replace("-", mark) + clock
        for day in ("%d-%m-%y", "%d-%m-%Y", "%m-%d-%y", "%m-%d-%Y", "%Y-%m-%d")
        for mark in "./-"
        for clock in ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S")
    ]
    read = {form: sample.str.to_datetime(form, strict=False, time_unit="us").count() for form in forms}
    best = max(forms, key=lambda form: read[form])
    return best if read[best] else "%d.%m.%Y %H:%M"


def _zone_told(zone: str, stated: bool) -> str:
    return f"in {zone}" if stated else f"taken as {zone}"


def _epoch(at: pl.Expr) -> pl.Expr:
    return at.dt.epoch("us") / 10**6


def _in_zone(at: pl.Expr, zone: str, where: str) -> pl.Expr:
    """Local times as moments; an hour that clocks skip is no time, of one that they repeat it is the first."""
    try:
        return at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    except pl.exceptions.PolarsError:
        raise ConfigError(f'{where}: timezone in [time] is {zone!r}, which is none: as in "Europe/Berlin"') from None


def _mostly(values: pl.Series) -> bool:
    return len(values.drop_nulls()) * 2 > len(values)


def _are_dates(times: pl.Series) -> bool:
    """Whether numbers are days written as 20180131."""
    if not times.is_between(19_000_101, 21_001_231).all():
        return False
    days = times.unique()
    texts = days.cast(pl.Int64).cast(pl.String)
    return bool((days == days.floor()).all()) and not texts.str.to_date("%Y%m%d", strict=False).null_count()


def _unit_of(rows: pl.DataFrame, column: str, where: str) -> Unit:
    size = pl.col("time").abs()
    units = pl.coalesce(pl.when(size < _LARGEST * per).then(pl.lit(unit)) for unit, per in _PER_SECOND.items())
    first = rows.select("_file", "_line", "time", units.alias("unit")).unique("unit", keep="first", maintain_order=True)
    if first.height > 1:
        one, other = (f"{file}:{line} ({_UNITS[unit]}: {time:.0f})" for file, line, time, unit in first.head(2).rows())
        raise DataError(
            f"column {column!r} has times in more than one unit, to judge by their size: {one} and {other}; write all"
            f' the same way, or state the unit in {where}, as in [time] unit = "s", to leave the others out'
        )
    found: Unit = first["unit"].item()
    return found
