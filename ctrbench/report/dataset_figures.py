"""One domain's figures: the chart, its sentence, and its numbers."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from ctrbench.data.bins import number
from ctrbench.data.distributions import Distribution
from ctrbench.data.periods import Period
from ctrbench.data.profile import Profile
from ctrbench.report import charts
from ctrbench.report.page import Figure, Table
from ctrbench.report.svg import to_svg

Reach = tuple[datetime, datetime]


def reach(spread: Profile) -> Reach:
    """Both ends of the axis of time, half a period around all domains."""
    half = timedelta(seconds=spread.period.seconds / 2)
    first, last = spread.over_time["start"].min(), spread.over_time["start"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first - half, last + half


def over_time(domain: str, periods: pl.DataFrame, cuts: pl.DataFrame, period: Period, ends: Reach) -> Figure:
    """Label rate and rows per period."""
    clock = "%Y-%m-%d %H:%M" if period.name == "hour" else "%Y-%m-%d"
    start = pl.col("start").dt.strftime(clock)
    shown = periods.select(start, "rows", "label_rate", "low", "high")
    filled = shown.drop_nulls("label_rate")
    least, most = filled.sort("label_rate").row(0, named=True), filled.sort("label_rate").row(-1, named=True)
    begin = "".join(f" {split} begins {when:{clock}}." for _, split, when in cuts.iter_rows())
    text = (
        f"Label rate of {domain} per {period.name}, from {shown['start'][0]} to {shown['start'][-1]}:"
        f" lowest {least['label_rate']:.1%} ({least['start']}, {least['rows']:,} rows),"
        f" highest {most['label_rate']:.1%} ({most['start']}, {most['rows']:,} rows).{begin}"
    )
    columns = [f"{period.name} from", "rows", "label rate", "95 % from", "to"]
    chart = charts.label_rate(periods, cuts, ends, period.seconds)
    return Figure(domain, text, to_svg(chart), Table("", columns, shown.rows()))


def histories(domain: str, bins: pl.DataFrame) -> Figure:
    """Shares of history lengths."""
    empty, longest = bins.row(0, named=True), bins.filter(pl.col("count") > 0).row(-1, named=True)
    text = (
        f"History lengths of {domain}: {empty['share']:.1%} of rows have {empty['label']} items,"
        f" the longest {longest['label']} ({longest['share']:.1%})."
    )
    chart = charts.histogram(bins, "items in history", "rows", whole=True)
    return Figure(domain, text, to_svg(chart), _bin_table(bins, "items in history", "rows"))


def frequency(domain: str, bins: pl.DataFrame) -> Figure:
    """How many items and users have so many rows."""
    filled = bins.filter(pl.col("count") > 0)
    told = []
    for (of,), part in filled.partition_by("of", as_dict=True, maintain_order=True).items():
        first, last = part.row(0, named=True), part.row(-1, named=True)
        told.append(
            f"{first['count']:,} {of} ({first['share']:.1%}) have {first['label']} rows,"
            f" {last['count']:,} have {last['label']}"
        )
    wide = bins.pivot("of", index="label", values="count").with_columns(pl.col("items", "users").fill_null(0))
    return Figure(
        domain,
        f"Frequency in {domain}: {'; '.join(told)}.",
        to_svg(charts.frequency(filled.with_columns(first=pl.col("low").ceil()))),
        Table("", ["rows", "items", "users"], wide.select("label", "items", "users").rows()),
    )


def unseen(domain: str, shares: pl.DataFrame) -> Figure:
    """Cold-start shares of the later splits."""
    told = (
        f"{split}: user unseen in {user:.1%} of rows, item in {item:.1%}, either in {either:.1%}"
        for _, split, user, item, either in shares.iter_rows()
    )
    tall = shares.unpivot(["user", "item", "either"], index="split", variable_name="what", value_name="share")
    columns = ["split", "unseen user", "unseen item", "either"]
    table = Table("", columns, shares.drop("domain").rows())
    return Figure(domain, f"Cold start in {domain}. {'; '.join(told)}.", to_svg(charts.unseen(tall)), table)


def distribution(domain: str, bins: pl.DataFrame, found: Distribution) -> Figure:
    """How a field's values, or lengths, are spread."""
    facts = found.summary.filter(pl.col("domain") == domain).row(0, named=True)
    name = found.field.name if found.field.kind == "number" else f"characters of {found.field.name}"
    text = (
        f"{name} in {domain}, over {facts['values']:,} {found.over}: from {number(facts['smallest'])} to"
        f" {number(facts['largest'])}, median {number(facts['median'])}; {facts['missing']:.1%} missing."
    )
    chart = charts.histogram(bins, name, found.over, log=found.edges.log, whole=found.edges.whole)
    return Figure(domain, text, to_svg(chart), _bin_table(bins, name, found.over))


def _bin_table(bins: pl.DataFrame, name: str, counted: str) -> Table:
    return Table("", [name, counted, "share"], bins.select("label", "count", "share").rows())
