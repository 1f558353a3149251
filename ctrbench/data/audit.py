"""Whether a prepared dataset leaks: statements on its files alone, each proved or refuted, whoever made the files.

`holds`: proved over all rows. `fails`: refuted, with examples. `allowed`: not so, and the protocol that the dataset
was prepared with permits it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from ctrbench.data.audit_check import Check, failed_if
from ctrbench.data.audit_features import audit_features
from ctrbench.data.audit_histories import audit_brought_histories, audit_histories
from ctrbench.data.audit_rows import UNKNOWN, AuditRows, pieces
from ctrbench.data.fingerprint import frames_hash
from ctrbench.data.options import PrepareOptions
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError


class Audit(BaseModel):
    """What an audit found; `passed` unless a check fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    fingerprint: str
    split: Literal["time", "global_time", "random"]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check fails."""
        return all(check.result != "fails" for check in self.checks)


def audit(data: PreparedDataset, progress: Callable[[str], None] = lambda stage: None) -> Audit:
    """Check every row of a prepared dataset. Raises `DataError` for files that cannot be read.

    The options in the manifest say what is to hold: whose history, how long, and which split. Of a random split
    less can hold: its test rows are of all times, so it is proved that histories are made of training rows only.
    """
    try:
        options = PrepareOptions.model_validate(data.manifest.options)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or error.errors()[0]["msg"]
        raise DataError(
            f"{data.path} was prepared with options that this ctrbench does not know ({where}): "
            "prepare the dataset again"
        ) from error
    progress("reading the rows")
    rows = AuditRows(data, options)
    checks = [_counts(rows), _values(rows), _order(rows), _precedence(rows), _repeats(rows), _two_splits(rows)]
    progress("checking the histories")
    if not data.manifest.own_history:
        checks += audit_histories(rows)
    checks += audit_brought_histories(rows)
    progress("checking the features")
    checks.append(audit_features(rows))
    progress("hashing the content")
    checks.insert(0, _fingerprint(data))
    return Audit(source=data.manifest.source, fingerprint=data.fingerprint, split=options.split, checks=tuple(checks))


def _fingerprint(data: PreparedDataset) -> Check:
    manifest = data.manifest
    about = manifest.model_dump(include={"domains", "fields", "prompts"}, mode="json")
    found = frames_hash({"items": data.items, **{split: pieces(data, split) for split in SPLITS}}, about=about)
    told = f"{found[:12]}, hashed from the files"
    if found != manifest.fingerprint:
        told = f"the files hash to {found[:12]}, the manifest says {manifest.fingerprint[:12]}"
    return failed_if(found != manifest.fingerprint, "the files are those that the fingerprint is of", told)


def _counts(rows: AuditRows) -> Check:
    """The rows of each split and domain, against the manifest."""
    counted = rows.frame.group_by("split", "domain").len()
    found = {(split, domain): count for split, domain, count in counted.iter_rows()}
    wrong = []
    for number, split in enumerate(SPLITS):
        said = rows.data.counts(split)
        for place, domain in enumerate(rows.domains):
            count = found.get((number, place), 0)
            if count != said.get(domain, 0):
                wrong.append(f"{split} of {domain} has {count:,} rows, the manifest says {said.get(domain, 0):,}")
    name = "each split and domain has as many rows as the manifest says"
    return failed_if(bool(wrong), name, f"{rows.frame.height:,} rows" if not wrong else "; ".join(wrong))


def _values(rows: AuditRows) -> Check:
    """Row ids, labels, domains, items and users are what they should be."""
    frame, items = rows.frame, rows.data.items
    row_id, user = pl.col("row_id"), pl.col("user")
    numbered = frame.select(row_id.is_duplicated() | ~row_id.is_between(0, pl.len() - 1)).to_series().fill_null(True)
    pairs = frame.select("user", "user_index").unique()
    users = pairs.filter(user.is_duplicated() | pl.col("user_index").is_duplicated())
    faults = {
        "row ids that are taken twice or leave a gap": numbered,
        "labels that are neither 0 nor 1": ~frame["label"].is_in([0, 1]),
        "domains that the manifest does not name": frame["domain"] == UNKNOWN,
        "items that the items table does not describe": frame["item"] == UNKNOWN,
        "users with two numbers, or numbers of two users": frame["user"].is_in(users["user"].implode()),
    }
    told = [f"{count:,} rows without {name}" for name, count in rows.nulls.items()]
    bad = pl.Series([False]).new_from_index(0, frame.height)
    for what, rows_with in faults.items():
        if rows_with.any():
            told.append(f"{rows_with.sum():,} rows with {what}")
            bad |= rows_with
    places = pl.int_range(items.height, eager=True)
    if items["item"].is_duplicated().any() or not (items["item_index"] == places).fill_null(False).all():
        told.append("items that are described twice, or not numbered by their place")
    name = "row ids are dense, labels 0 or 1, domains, items and users known"
    return failed_if(bool(told), name, "; ".join(told) or f"{items.height:,} items", rows.examples(bad.arg_true()))


def _order(rows: AuditRows) -> Check:
    """By domain, then time, then row id, in every file."""
    keys = [rows.column["domain"], rows.times, rows.frame["row_id"].fill_null(UNKNOWN).to_numpy()]
    later = np.zeros(max(len(rows.times) - 1, 0), dtype=bool)
    for key in reversed(keys):
        later = (key[:-1] < key[1:]) | ((key[:-1] == key[1:]) & later)
    across = rows.column["split"][:-1] != rows.column["split"][1:]
    bad = np.flatnonzero(~(later | across)) + 1
    told = f"{len(bad):,} rows stand before what they should follow" if len(bad) else "all files"
    return failed_if(len(bad) > 0, "rows stand by domain, time and row id", told, rows.examples(bad))


def _precedence(rows: AuditRows) -> Check:
    """No row of a later split is before one of an earlier split: in its domain, or (global_time) in all of them.

    A cut-off may fall among rows of one time. They then stand in the order of their ids, and are told.
    """
    rule = rows.options.split
    if rule == "random":
        name = "train precedes valid precedes test"
        return Check(name=name, result="allowed", found="the split is random: its rows are of all times")
    frame = rows.frame.select("split", "row_id", time=pl.Series(rows.times), domain=_group(rows))
    ends = frame.group_by("domain", "split").agg(pl.col("time").max().alias("end"), pl.col("row_id").max().alias("id"))
    bad, tied, told = [], 0, []
    for number in (1, 2):
        earlier = ends.filter(pl.col("split") < number).group_by("domain").agg(pl.col("end", "id").max())
        against = frame.with_row_index("at").filter(pl.col("split") == number).join(earlier, on="domain")
        before = pl.col("time") < pl.col("end")
        if rule == "time":
            before |= (pl.col("time") == pl.col("end")) & (pl.col("row_id") < pl.col("id"))
        bad.append(against.filter(before)["at"])
        tied = against.filter((pl.col("time") == pl.col("end")) & ~before).height
        told += [f"{tied:,} {SPLITS[number]} rows are of the time at which the rows before them end"] if tied else []
    wrong = pl.concat(bad)
    if len(wrong):
        told.insert(0, f"{len(wrong):,} rows are before a row of an earlier split")
    where = "in all domains together" if rule == "global_time" else "in every domain"
    name = f"train precedes valid precedes test {where}"
    return failed_if(
        len(wrong) > 0, name, "; ".join(told) or "no cut-off falls among rows of one time", rows.examples(wrong)
    )


def _group(rows: AuditRows) -> pl.Series:
    """What is cut at its own times: a domain, or all of them."""
    domain = rows.frame["domain"]
    return domain if rows.options.split == "time" else pl.zeros(len(domain), dtype=domain.dtype, eager=True)


def _repeats(rows: AuditRows) -> Check:
    """One row of a domain, user, item and time, unless the dataset was prepared with dedupe=false."""
    again = rows.repeated.filter(pl.struct("event", "domain").is_duplicated())
    name = "no (domain, user, item, time) stands twice"
    if again.height and not rows.options.dedupe:
        return Check(name=name, result="allowed", found=f"{again.height:,} rows (the dataset keeps them: dedupe=false)")
    told = f"{again.height:,} rows" if again.height else f"{rows.frame.height:,} rows"
    return failed_if(again.height > 0, name, told, rows.examples(again["at"]))


def _two_splits(rows: AuditRows) -> Check:
    """An event in two splits tells a model the label that it is tested on, be it in one domain or in two."""
    split, domain = pl.col("split"), pl.col("domain")
    torn = rows.repeated.filter((split.min() != split.max()).over("event"))
    name = "no (user, item, time) stands in two splits"
    if torn.is_empty():
        several = rows.repeated["event"].n_unique()
        holds = f"{several:,} stand in several rows of one split" if several else "none stands in two rows"
        return failed_if(False, name, holds)
    apart = torn.filter((domain.n_unique() > 1).over("event"))
    pairs = apart.group_by("event").agg(domain.unique().sort()).group_by("domain").len().sort("len", descending=True)
    told = [f"{torn['event'].n_unique():,} events do"]
    told += [f"{count:,} in {' and '.join(rows.names(found))}" for found, count in pairs.iter_rows()]
    if rows.options.split == "time" and apart.height:
        told.append("prepare with --global-cutoff to cut domains at the same moments")
    return failed_if(True, name, "; ".join(told), rows.examples(torn["at"]))
