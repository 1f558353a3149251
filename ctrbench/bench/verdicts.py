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

    `rows`: category by row, in the table's order; `domains`: where a claim is made that names none; `value` (row,
    domain, key) is None where there is no number; `titles`: of rows, as people read them. `printed`: what the paper
    prints. `seen`: what was looked at.
    """

    rows: Mapping[str, str]
    domains: tuple[str, ...]
    value: Callable[[str, str, str | None], float | None]
    titles: Mapping[str, str] = field(default_factory=dict)
    printed: bool = False
    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def title(self, row: str) -> str:
        """A row's title; its name where it has none."""
        return self.titles.get(row, row)

    def at(self, row: str, domain: str, key: str | None) -> float:
        """A number; raises `CannotTest` where there is none."""
        if row not in self.rows:
            raise CannotTest(f"{self.there_is} no row {self.title(row)}")
        number = self.value(row, domain, key)
        if number is None:
            if domain not in self.domains and not self.printed:
                raise CannotTest(f"there is no {domain} here")
            what = key if key and not self.printed else "number"
            raise CannotTest(f"{self.there_is} no {what} of {self.title(row)} on {domain}")
        self.seen.setdefault(row, {})[f"{domain} {key}" if key else domain] = number
        return number

    def knows(self, row: str, domain: str, key: str | None) -> bool:
        """Whether there is such a number."""
        return row in self.rows and self.value(row, domain, key) is not None

    @property
    def there_is(self) -> str:
        """How a sentence begins about what there is not."""
        return "the paper prints" if self.printed else "there is"


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
    shown: str = ""
    """What the table shows, where that is another number than the claims are about."""

    @property
    def contradicted(self) -> bool:
        """Whether the paper's own numbers say otherwise than it does."""
        return self.claim.stated != "ours" and self.paper.verdict == "does not hold"
