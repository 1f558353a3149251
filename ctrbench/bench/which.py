"""Which domains of a dataset a table trains on, and which it meets only afterwards. Nothing here imports torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ctrbench.bench.spec import BEYOND
from ctrbench.errors import ConfigError
from ctrbench.spelling import nearest, suggest

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec
    from ctrbench.data.store import PreparedDataset

_MISSPELT = 0.8  # how like a domain of the data a table's is that is not there, to be taken for a mistake


def choose_targets(
    table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None, trained: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The unseen domains, in the dataset's order: those asked for, else those of the table's that the data has.

    Where it has none of them, its smallest domain that is not among `trained` (what is asked to be trained on).
    """
    if table.kind not in BEYOND:
        if asked:
            raise ConfigError(
                f"{table.name} trains on every domain it scores; --target is for zero-shot tables and new domains"
            )
        return ()
    wanted = asked or _there(table, table.targets, data, "--target")
    return _ordered(wanted or [_smallest(table, data, trained or ())], data, "--target")


def _smallest(table: TableSpec, data: PreparedDataset, trained: Sequence[str]) -> str:
    """The domain with the fewest training rows, as the paper's unseen and new ones are small."""
    free = [domain for domain in data.domains if domain not in trained]
    if len(data.domains) < 2 or not free:
        whole = "this dataset has one domain alone" if free else "--domains names all of this dataset's domains"
        raise ConfigError(f"{whole}, and {table.name} needs another one, which is not trained on")
    return min(free, key=lambda domain: data.count("train", (domain,)))


def choose_domains(
    table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None, unseen: tuple[str, ...]
) -> tuple[str, ...]:
    """The training domains: those asked for, else the table's that the data have, else all of the data's but targets.

    One alone of several would make no multi-domain table, and counts as none.
    """
    if asked:
        if both := set(asked) & set(unseen):
            raise ConfigError(f"{sorted(both)[0]!r} cannot be trained on and be the unseen target, too")
        return _ordered(asked, data, "--domains")
    there = [domain for domain in _there(table, table.domains, data, "--domains") if domain not in unseen]
    others = [domain for domain in data.domains if domain not in unseen]
    left = there if len(there) >= min(2, len(table.domains)) else others
    if not left:
        raise ConfigError("every domain is a target, so there is none to train on; name fewer with --target")
    return _ordered(left, data, "domains")


def _there(table: TableSpec, named: Sequence[str], data: PreparedDataset, option: str) -> list[str]:
    """Which of a table's domains the data have; `ConfigError` where one seems to be misspelt.

    Nobody misspells a number: `domain_2` is not meant for `domain_1`.
    """
    others = [domain for domain in data.domains if domain not in (*table.domains, *table.targets)]
    for name in named:
        alike = [domain for domain in others if _numbers(domain) == _numbers(name)]
        if name not in data.domains and (near := nearest(name, alike, likeness=_MISSPELT)):
            raise ConfigError(
                f"{table.file.name}: this dataset has no domain {name!r}. Did you mean {near[0]!r}? "
                f"If it is another one, say with {option} which to take"
            )
    return [name for name in named if name in data.domains]


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _ordered(wanted: Iterable[str], data: PreparedDataset, option: str) -> tuple[str, ...]:
    names = set(wanted)
    for name in sorted(names - set(data.domains)):
        raise ConfigError(f"{option}: this dataset has no domain {name!r}.{suggest(name, data.domains)}")
    return tuple(domain for domain in data.domains if domain in names)
