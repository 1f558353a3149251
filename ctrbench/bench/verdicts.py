"""What claims are tested on, and what becomes of them. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ctrbench.bench.claims import Claim

Verdict = Literal["holds", "does not hold", "cannot be tested"]
CATEGORIES = ("single_domain", "multi_domain", "language_model")
OTHERS = "others"


class CannotTest(Exception):
    """Why a claim has no verdict, in words."""


@dataclass(frozen=True)
class Numbers:
    """One set of numbers that a claim can be tested on: those measured here, or those that the paper prints.

    `rows`: category by row, in the table's order; `models`: the registered model by row; `domains`: where a claim is
    made that names none; `value` (row, domain, key) is None where there is no number. `seen`: what was looked at.
    """

    rows: Mapping[str, str]
    models: Mapping[str, str]
    domains: tuple[str, ...]
    value: Callable[[str, str, str | None], float | None]
    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def at(self, row: str, domain: str, key: str | None) -> float:
        """A number; raises `CannotTest` where there is none."""
        if row not in self.rows:
            raise CannotTest(f"there is no row {row}")
        number = self.value(row, domain, key)
        if number is None:
            raise CannotTest(f"there is no number of {row} on {domain}")
        self.seen.setdefault(row, {})[f"{domain} {key}" if key else domain] = number
        return number


@dataclass(frozen=True)
class Finding:
    """What became of a claim: the verdict, why in words, and the numbers by row and domain."""

    verdict: Verdict
    why: str
    numbers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Claimed:
    """A claim, what became of it here, and what of it on the numbers that the paper prints."""

    claim: Claim
    here: Finding
    paper: Finding

    @property
    def contradicted(self) -> bool:
        """Whether the paper's own numbers say otherwise than it does."""
        return self.claim.stated != "ours" and self.paper.verdict == "does not hold"
