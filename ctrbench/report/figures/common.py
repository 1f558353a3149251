"""What figures share: their size, what stands above them, and how models, domains and seeds are shown.

Names of models, domains and heads are data or literal text everywhere, never part of an expression.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from ctrbench.report.findings import Findings
from ctrbench.report.scores import Score

WIDTH, HEIGHT = 400, 240
"""Of a single plot."""
SMALL = 150
"""Of each plot among many, in both directions."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""Series are told apart without colours, too."""

_LINE = 76  # characters below a title
_MOST = 6  # names in one sentence
Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def titled(chart: Chart, findings: Findings, title: str, *said: str, left_out: Sequence[str] = ()) -> Chart:
    """With a title, and below it the data, what is `said`, and which runs are missing."""
    lines = [_data(findings), *said, *_left_out(left_out)]
    wrapped = [line for text in lines for line in textwrap.wrap(text, _LINE)]
    return chart.properties(title=alt.Title(title, subtitle=wrapped))


def seeds(findings: Findings) -> str:
    """What bars of errors are, where there are several seeds."""
    several = len(findings.plan.seeds) > 1
    return f"Mean ± standard deviation over {len(findings.plan.seeds)} seeds." if several else ""


def spread(score: Score) -> dict[str, Any]:
    """A score as `auc`, `low` and `high`; the last two are None for one seed."""
    mean, std = score.mean, score.std
    if mean is None or std is None:
        return {"auc": mean, "low": None, "high": None}
    return {"auc": mean, "low": mean - std, "high": mean + std}


def why(score: Score) -> str:
    """Why a score is not there."""
    return "one class only" if score.undefined else score.status


def domain_title(findings: Findings, domain: str) -> str:
    """As people write it."""
    return findings.plan.titles.get(domain, domain)


def series(field: str, names: Iterable[str]) -> dict[str, Any]:
    """The channels that tell series apart, in this order."""
    order = list(dict.fromkeys(names))
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(order))]
    return {
        "color": alt.Color(
            field, type="nominal", scale=alt.Scale(domain=order), legend=alt.Legend(columns=3, symbolOpacity=1)
        ),
        "shape": alt.Shape(field, type="nominal", scale=alt.Scale(domain=order, range=shapes)),
    }


def errors(base: alt.Chart, width: float = 1.5, opacity: float = 1.0) -> alt.Chart:
    """Upright lines from `low` to `high`; rows without both have none."""
    return base.mark_rule(strokeWidth=width, opacity=opacity).encode(alt.Y("low:Q"), alt.Y2("high:Q"))


def reach(frame: pl.DataFrame) -> list[float]:
    """All ends of errors, and scores without errors."""
    return [*frame["auc"], *frame["low"].drop_nulls(), *frame["high"].drop_nulls()]


def placed(frame: pl.DataFrame, field: str) -> pl.DataFrame:
    """With `place`: the values of a field numbered in the order they come in, for `panels`."""
    places = frame.select(field).unique(maintain_order=True).with_row_index("place")
    return frame.join(places, on=field, how="left", maintain_order="left")


def panels(field: str) -> alt.Facet:
    """A plot for each value of a field, by `place`."""
    return alt.Facet(field, type="nominal", title=None, sort=alt.EncodingSortField("place", op="min"))


def missing(row: str, found: Mapping[str, str], wanted: int) -> list[str]:
    """What is left out of a row: the row, where it is all `wanted` domains for one reason, else each domain."""
    if len(found) == wanted and len(set(found.values())) == 1:
        return [f"{row} ({next(iter(found.values()))})"]
    return [f"{row} on {domain} ({reason})" for domain, reason in found.items()]


def _data(findings: Findings) -> str:
    plan = findings.plan
    warning = " (synthetic: says nothing about real accuracy)" if plan.dataset.synthetic else ""
    limit = f", latest {plan.limit:,} rows per domain and split" if plan.limit is not None else ""
    return f"Dataset {plan.dataset.name}{warning}, profile {plan.profile}{limit}."


def _left_out(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return [f"Left out: {', '.join(names[:_MOST])}{more}."]
