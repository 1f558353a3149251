"""Data that cannot be meant: found before anything is written, and told in one sentence."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from ctrbench.data.lines import examples
from ctrbench.data.problems import Problems
from ctrbench.data.source import Field, Prompt
from ctrbench.data.store import InputFile
from ctrbench.data.templates import HISTORY, check_prompt
from ctrbench.errors import ConfigError, DataError, PluginError
from ctrbench.spelling import suggest

RESERVED = ("own", "general", "mean", "oracle", "row_id", "domain", "label")
"""Names of heads and columns. A head that scores as a domain does has its name, so no domain has one of these."""

LONGEST = 100
"""Characters of a domain's name: it becomes a part of file names."""

IN_FUTURE = "time in the future (milliseconds instead of seconds?)"
"""The reason of a note, and of a doubt."""

_LEGAL = r"^[\p{L}\p{N}_](?:[\p{L}\p{N}_ &+'-]*[\p{L}\p{N}_&+'-])?$"
_DEVICES = ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
_SECONDS_END = 100_000_000_000
"""As seconds the year 5138, as milliseconds 1973: what is above is no number of seconds."""
_DAY = 86_400
_MANY = 10_000
_INTERNAL = {"row_id", "split", "user_index", "item_index"}
_LARGE_SHARE = 0.1


def is_legal(domain: str) -> bool:
    """Whether a domain may have this name: on command lines, in files, and beside heads."""
    return (
        len(domain) <= LONGEST
        and domain not in RESERVED
        and domain.lower() not in _DEVICES
        and bool(pl.Series([domain]).str.contains(_LEGAL).item())
    )


def check_domain_names(domains: Iterable[str]) -> None:
    """Raise `DataError` for a name that a domain cannot have, with one that it can."""
    for domain in domains:
        if domain in RESERVED:
            raise DataError(
                f"the data has a domain named {domain!r}, but {', '.join(RESERVED)} are names of heads and columns:"
                " give the domain another name"
            )
        if not is_legal(domain):
            raise DataError(
                f"the data has a domain named {_short(domain)}: names have letters, digits, spaces, _, -, &, + and ',"
                f" up to {LONGEST} characters, and are no device's; call it {legal_name(domain)!r}, say"
            )


def _short(domain: str) -> str:
    return repr(domain) if len(domain) <= LONGEST else f"{domain[:20]!r}… ({len(domain):,} characters)"


def legal_name(domain: str) -> str:
    """A name that a domain may have, like its own."""
    if is_legal(domain):
        return domain
    plain = pl.Series([domain]).str.replace_all(r"[^\p{L}\p{N}_-]+", "_").str.strip_chars("_-").item()[:LONGEST]
    return plain if is_legal(plain) else f"{plain}_domain" if plain else "unnamed"


def check_inputs(inputs: Sequence[InputFile]) -> None:
    """Raise `DataError` for a file that is there twice: its rows would make two domains that are copies."""
    first: dict[str, InputFile] = {}
    for file in inputs:
        other = first.setdefault(file.sha256, file)
        if other is not file and file.bytes:
            raise DataError(
                f"{other.path} and {file.path} are the same file under two names (sha256 {file.sha256[:12]}): "
                "remove one of them"
            )


def check_fields(fields: Iterable[Field], columns: Collection[str]) -> None:
    """Raise `PluginError` for a field that is declared, and of which there is no column."""
    for field in fields:
        if field.name not in columns:
            told = suggest(field.name, set(columns) - _INTERNAL).rstrip(".")
            raise PluginError(f"the source declares a field {field.name!r} and gives no such column.{told}")


def check_prompts(prompts: Mapping[str, Prompt], rows: pl.DataFrame, items: pl.DataFrame) -> None:
    """Raise `PluginError` for a prompt that cannot be filled from these rows, with what is made for them, and items."""
    made = {"row_id": pl.UInt32(), "user": pl.String(), "item": pl.String(), HISTORY: pl.List(pl.String)}
    shown = pl.DataFrame(schema={**rows.schema, **made})
    for name, prompt in prompts.items():
        try:
            check_prompt(prompt, shown, items, name)
        except ConfigError as fault:
            raise PluginError(str(fault)) from None


def check_columns(rows: pl.DataFrame, needed: Sequence[str]) -> None:
    """Raise `DataError` for a needed column without a single value."""
    for name in needed if rows.height else ():
        if rows[name].null_count() == rows.height:
            raise DataError(f"the column {name!r} is empty in all {rows.height:,} rows: check the files")


def check_times(rows: pl.DataFrame, problems: Problems) -> None:
    """Raise `DataError` for seconds and milliseconds in one column; note times before 1970 and after tomorrow."""
    large = pl.col("time").abs() > _SECONDS_END
    odd = rows.select(
        large=large.sum(), early=(pl.col("time") < 0).sum(), late=(pl.col("time") > time.time() + _DAY).sum()
    ).row(0, named=True)
    if 0 < odd["large"] < rows.height:
        few = large if odd["large"] * 2 <= rows.height else ~large
        told = ", ".join(_times(rows.filter(few)))
        raise DataError(
            f"times are in mixed units: {odd['large']:,} of {rows.height:,} are no seconds since 1970 (they are above"
            f" {_SECONDS_END:,}, as milliseconds are), see {told}: bring them to one unit"
        )
    for count, reason, at in (
        (odd["early"], "time before 1970 (a negative number of seconds)", pl.col("time") < 0),
        (odd["late"], IN_FUTURE, pl.col("time") > time.time() + _DAY),
    ):
        problems.add(reason, count, examples=_times(rows.filter(at)) if count else (), error=False)


def _times(rows: pl.DataFrame) -> list[str]:
    return examples(rows, pl.format("user {}, item {}, time {}", "user", "item", "time"))


def check_labels(rows: pl.DataFrame) -> None:
    """Raise `PluginError` for labels that are no 0 or 1, as its rows are to have, and `DataError` for all alike."""
    least, most = rows.select(pl.col("label").min().alias("least"), pl.col("label").max().alias("most")).row(0)
    if least not in (0, 1) or most not in (0, 1):
        raise PluginError(f"labels are to be 0 or 1, and the data has {least if least not in (0, 1) else most}")
    if least == most:
        raise DataError(
            f"all {rows.height:,} rows have the label {least}, so nothing can be learnt: check the ratings or labels"
            " (-o positive_above=N says which ratings are positive)"
        )


def check_domain_labels(rows: pl.DataFrame, problems: Problems) -> None:
    """Note domains whose rows all have one label."""
    found = rows.group_by("domain", maintain_order=True).agg(pl.len(), pl.col("label").unique())
    for domain, height, labels in found.iter_rows():
        if len(labels) == 1:
            problems.add(
                f"row of a domain whose labels are all {labels[0]}: no AUC there", height, domain=domain, error=False
            )


def check_users(rows: pl.DataFrame, ids: pl.Series, problems: Problems) -> None:
    """Note a user with a large share of a large dataset: a robot, or many people under one id."""
    if rows.height < _MANY:
        return
    counts = np.bincount(rows["user_index"].to_numpy())
    user, count = int(counts.argmax()), int(counts.max())
    if count > _LARGE_SHARE * rows.height:
        reason = f"rows of one user, {count / rows.height:.0%} of all (a robot, or an id for unknown users?)"
        problems.add(reason, count, examples=[f"user {ids[user]}"], error=False)
