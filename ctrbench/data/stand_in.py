"""A small dataset counted as if it were a large one that is not here: for estimates of cost, never to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ctrbench import registry
from ctrbench.data import resolve
from ctrbench.data.progress import Tell
from ctrbench.data.source import Counts, StandIn
from ctrbench.data.split import SPLITS, Split
from ctrbench.data.store import PreparedDataset
from ctrbench.data.taken import source_class


def open_or_stand_in(
    name_or_dir: str | Path, options: Mapping[str, Any] | None = None, progress: Tell | None = None
) -> PreparedDataset:
    """As `open_dataset`; for the name of a dataset that needs files from the user, its stand-in, where it has one."""
    name = str(name_or_dir)
    if Path(name).is_dir() or name not in registry.names("datasets"):
        return resolve.open_dataset(name_or_dir, options=options, progress=progress)
    source = source_class(name)
    if source.automatic or source.stand_in is None:
        return resolve.open_dataset(name_or_dir, options=options, progress=progress)
    stand_in: StandIn = source.stand_in
    rows = resolve.open_dataset(stand_in.dataset, options={**(options or {}), **stand_in.options}, progress=progress)
    return StandInDataset(rows, name, stand_in)


class StandInDataset(PreparedDataset):
    """Rows of `rows`, as many as published of the dataset `name`: `count` and `published` tell of that one."""

    def __init__(self, rows: PreparedDataset, name: str, stand_in: StandIn) -> None:
        about = {"source": name, "fingerprint": hashlib.sha256(f"{name} as {rows.fingerprint}".encode()).hexdigest()}
        super().__init__(rows.path, rows.manifest.model_copy(update=about))
        self.stand_in = stand_in

    def count(self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None) -> int:
        """How many rows the real data would have, split as these are."""
        counts = self.counts(split)
        every = [
            round(self.published((domain,)).rows * counts.get(domain, 0) / max(self._rows((domain,)), 1))
            for domain in domains or self.domains
        ]
        return sum(every) if limit is None else sum(min(count, limit) for count in every)

    def published(self, domains: Iterable[str]) -> Counts:
        """The real data's counts over domains, as if these had no user and no item in common.

        A domain of which nothing is published, as where domains are derived from users, has its share of all rows.
        """
        known, total = self.stand_in.counts, _sum(self.stand_in.counts.values())
        shares = {d: self._rows((d,)) / max(self._rows(self.domains), 1) for d in domains if d not in known}
        derived = [Counts(*(round(number * share) for number in total)) for share in shares.values()]
        return _sum([*(known[domain] for domain in domains if domain in known), *derived])

    def _rows(self, domains: Iterable[str]) -> int:
        """How many rows there are here."""
        return sum(self.counts(split).get(domain, 0) for split in SPLITS for domain in domains)


def _sum(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(*(sum(numbers) for numbers in zip(*every, strict=True))) if every else Counts(0, 0, 0)
