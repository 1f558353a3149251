"""The page of a prepared dataset: what `ctrbench data describe` tables, and how it is spread, as charts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from ctrbench.data.describe import Description, describe, written
from ctrbench.data.profile import Profile, profile
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset
from ctrbench.report import dataset_figures as figures
from ctrbench.report.page import Figure, Page, Section, Table

MOST_DRAWN = 20
"""Charts of more domains than these would bury the page; tables hold them all."""

SYNTHETIC = "This data is synthetic: it says nothing about real accuracy."


def dataset_page(data: PreparedDataset) -> Page:
    """Read the dataset, and lay it out. Raises `DataError` for files that cannot be read."""
    description, spread = describe(data), profile(data)
    tables = {each.title.split(" (")[0]: Table("", each.columns, each.rows) for each in description.sections}
    warnings = tables["Warnings"]
    return Page(
        title=f"Dataset {description.source}",
        warning=SYNTHETIC if description.synthetic else "",
        facts=_facts(data, description),
        sections=[
            Section("Sizes", _limited(data), tables=[tables["Sizes"]]),
            _over_time(data, spread),
            Section("Splits", tables=[tables["Splits"]]),
            _histories(data, spread, tables["Histories"]),
            _frequency(data, spread),
            _unseen(data, spread),
            *_distributions(data, spread),
            _overlap(spread),
            Section("Rows after each step", tables=[tables["Rows after each step"]]),
            Section("Warnings", "" if warnings.rows else "None.", tables=[warnings] if warnings.rows else ()),
        ],
    )


def _facts(data: PreparedDataset, description: Description) -> list[tuple[str, str]]:
    manifest = data.manifest
    titles = (f"{name} ({title})" if title != name else name for name, title in manifest.domains.items())
    return [
        ("Options that differ from the defaults", written(description.unusual) or "none"),
        ("All options", written(description.options)),
        ("Domains", ", ".join(titles)),
        ("Fields", ", ".join(f"{field.name} ({field.kind}, {field.of})" for field in manifest.fields)),
        *(("Doubtful", f"{doubt} (ctrbench data audit says more)") for doubt in description.doubts),
        ("Fingerprint", description.fingerprint),
        ("Prepared by", f"ctrbench {manifest.ctrbench_version}, source version {manifest.source_version}"),
    ]


def _limited(data: PreparedDataset) -> str:
    if len(data.domains) <= MOST_DRAWN:
        return ""
    return f"Charts show the {MOST_DRAWN} domains with the most rows; the tables between them hold all."


def _drawn(data: PreparedDataset) -> list[str]:
    """The domains that have charts, in canonical order."""
    rows = {domain: sum(data.counts(split)[domain] for split in SPLITS) for domain in data.domains}
    largest = sorted(data.domains, key=lambda domain: -rows[domain])[:MOST_DRAWN]
    return [domain for domain in data.domains if domain in largest and rows[domain]]


def _each(data: PreparedDataset, frame: pl.DataFrame, draw: Callable[[str, pl.DataFrame], Figure]) -> list[Figure]:
    """A figure of every drawn domain that has lines in `frame`."""
    parts = {str(name): part for (name,), part in frame.partition_by("domain", as_dict=True).items()}
    return [draw(domain, parts[domain]) for domain in _drawn(data) if domain in parts]


def _over_time(data: PreparedDataset, spread: Profile) -> Section:
    reach = figures.reach(spread)

    def draw(domain: str, periods: pl.DataFrame) -> Figure:
        cuts = spread.cuts.filter(pl.col("domain") == domain)
        return figures.over_time(domain, periods, cuts, spread.period, reach)

    lines = "" if spread.cuts.is_empty() else " Broken lines: where the later splits begin."
    return Section(
        "Label rate over time",
        f"Share of rows with label 1 in each {spread.period.name} (UTC), with its 95 % interval, and the number of"
        f" rows below.{lines}",
        _each(data, spread.over_time, draw),
    )


def _histories(data: PreparedDataset, spread: Profile, table: Table) -> Section:
    return Section(
        "History lengths",
        "How many items a row's history holds; repeated: it holds the row's own item, from an earlier time.",
        _each(data, spread.histories, figures.histories),
        [table],
    )


def _frequency(data: PreparedDataset, spread: Profile) -> Section:
    return Section(
        "Item and user frequency",
        "How many items, and how many users, have so many rows in the domain. Both axes are logarithmic. The table"
        " tells the share of rows of the most frequent items and users.",
        _each(data, spread.frequency, figures.frequency),
        [Table("", spread.top.columns, spread.top.rows())],
    )


def _unseen(data: PreparedDataset, spread: Profile) -> Section:
    columns = ["domain", "split", "unseen user", "unseen item", "either"]
    return Section(
        "Cold start",
        "Share of rows whose user, or item, has no training row in any domain.",
        _each(data, spread.unseen, figures.unseen),
        [Table("", columns, spread.unseen.rows())],
    )


def _distributions(data: PreparedDataset, spread: Profile) -> list[Section]:
    made = []
    for found in spread.distributions:
        text = found.field.kind == "text"
        made.append(
            Section(
                f"{'Length of ' if text else ''}{found.field.name}",
                f"{'Characters' if text else 'Values'} of the field {found.field.name!r}, over the {found.over} of a"
                " domain; missing ones are not drawn.",
                _each(data, found.bins, partial(figures.distribution, found=found)),
                [Table("", found.summary.columns, found.summary.rows())],
            )
        )
    return made


def _overlap(spread: Profile) -> Section:
    tables, nothing = [], []
    for of in ("users", "items"):
        frame = spread.overlap[of]
        if frame.filter((pl.col("domain") != pl.col("other")) & (pl.col("shared") > 0)).is_empty():
            nothing.append(f"No domain shares {of} with another.")
            continue
        wide = frame.pivot("other", index="domain", values="share")
        title = f"Share of a domain's {of} (line) that also have rows in another domain (column)"
        tables.append(Table(title, wide.columns, wide.rows(), shaded=True))
    return Section("Overlap of domains", " ".join(nothing), tables=tables)
