"""Which domains of a dataset a table trains on, and which it meets only afterwards. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ctrbench.bench.spec import BEYOND
from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec
    from ctrbench.data.store import PreparedDataset


def choose_targets(table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The unseen domains, in the dataset's order."""
    if table.kind not in BEYOND:
        if asked:
            raise ConfigError(
                f"{table.name} trains on every domain it scores; --target is for zero-shot tables and new domains"
            )
        return ()
    wanted = asked or table.targets
    if not asked and not set(wanted) <= set(data.domains):
        raise ConfigError(
            f"this dataset has no domain {' and '.join(wanted)}; name the unseen or new domain with --target "
            f"(it has {', '.join(data.domains)})"
        )
    return _ordered(wanted, data, "--target")


def choose_domains(
    table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None, unseen: tuple[str, ...]
) -> tuple[str, ...]:
    """The training domains: those asked for, else the table's if the data has them, else all but targets."""
    if asked:
        if both := set(asked) & set(unseen):
            raise ConfigError(f"{sorted(both)[0]!r} cannot be trained on and be the unseen target, too")
        return _ordered(asked, data, "--domains")
    usual = table.domains if set(table.domains) <= set(data.domains) else data.domains
    left = [domain for domain in usual if domain not in unseen]
    if not left:
        raise ConfigError("every domain is a target, so there is none to train on; name fewer with --target")
    return _ordered(left, data, "domains")


def _ordered(wanted: Iterable[str], data: PreparedDataset, option: str) -> tuple[str, ...]:
    names = set(wanted)
    for name in sorted(names - set(data.domains)):
        raise ConfigError(f"{option}: this dataset has no domain {name!r}.{suggest(name, data.domains)}")
    return tuple(domain for domain in data.domains if domain in names)
