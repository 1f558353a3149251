"""What the paper says of a table, as predicates over its numbers. Nothing here imports torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ctrbench.bench.verdicts import CATEGORIES, OTHERS, CannotTest, Finding, Numbers
from ctrbench.spelling import suggest

Rows = Annotated[tuple[str, ...], Field(min_length=1)]
"""Rows by name, by category, or `others`: all that the claim does not name."""


class _Claim(BaseModel, ABC):
    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    """The claim as a sentence."""
    stated: Literal["text", "table", "ours"] = "text"
    """Whether the paper's text says so, or it is read off the numbers that it prints, or it is not the paper's."""
    domains: tuple[str, ...] = ()
    """Where it is made; nowhere named: on all domains of the table."""
    value: str | None = None
    """The number that it is about, where that is not the table's main one."""
    unprinted: str = ""
    """What the paper has in place of such numbers, where it prints none: why it cannot be tested on them."""

    @abstractmethod
    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        """Whether it holds, and the numbers that decide; raises `CannotTest`."""

    @abstractmethod
    def named(self) -> Iterable[str]:
        """All rows and categories that it mentions."""

    def places(self) -> Iterable[str]:
        """All domains that it mentions."""
        return self.domains

    def test(self, numbers: Numbers) -> Finding:
        """The verdict on these numbers."""
        try:
            holds, why = self._check(numbers)
        except CannotTest as reason:
            return Finding("cannot be tested", str(reason), {})
        return Finding("holds" if holds else "does not hold", why, numbers.seen)

    def _domains(self, numbers: Numbers) -> tuple[str, ...]:
        found = self.domains or numbers.domains
        if not found:
            raise CannotTest(f"{numbers.there_is} no such numbers")
        return found

    def _rows(self, numbers: Numbers, names: Sequence[str], but: Collection[str] = ()) -> list[str]:
        """The rows behind names, categories and `others`."""
        found: list[str] = []
        for name in names:
            if name == OTHERS:
                found += [row for row in numbers.rows if row not in but]
            elif name in CATEGORIES:
                found += [row for row, category in numbers.rows.items() if category == name]
            else:
                found.append(name)
        if not found:
            raise CannotTest(f"{numbers.there_is} no row of {' or '.join(names)}")
        return list(dict.fromkeys(found))


class Above(_Claim):
    """`rows` are above `than`, by more than `by`: each above each, or the best above the best."""

    kind: Literal["above"]
    rows: Rows
    than: Rows
    by: float = 0.0
    over: str | None = None
    """The number of `than`, where that is another than the one of `rows`."""
    pick: Literal["each", "best"] = "each"
    on: Literal["each", "any"] = "each"
    """Of the domains: on each of them, or on one at least."""

    def named(self) -> Iterable[str]:
        """Those above, and those below."""
        return (*self.rows, *self.than)

    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        high = self._rows(numbers, self.rows, but=self.than)
        low = self._rows(numbers, self.than, but=high)
        margins = {domain: self._margin(numbers, high, low, domain) for domain in self._domains(numbers)}
        ahead = [margin > self.by for margin, _ in margins.values()]
        told = "; ".join(f"{domain}: {told}" for domain, (_, told) in margins.items())
        return any(ahead) if self.on == "any" else all(ahead), told

    def _margin(self, numbers: Numbers, high: list[str], low: list[str], domain: str) -> tuple[float, str]:
        """Of the pair that decides: the lowest, or the highest, of `rows`, and the highest of `than`."""
        up = {row: numbers.at(row, domain, self.value) for row in high}
        down = {row: numbers.at(row, domain, self.over or self.value) for row in low}
        first = (max if self.pick == "best" else min)(up, key=up.__getitem__)
        second = max(down, key=down.__getitem__)
        high_number, low_number = up[first], down[second]
        margin = high_number - low_number
        first, second = numbers.title(first), numbers.title(second)
        if self.over:
            first, second = f"{first} {self.value}", f"{second} {self.over}"
        return margin, f"{first} {high_number:.4f}, {second} {low_number:.4f} ({margin:+.4f})"


class Rising(_Claim):
    """The number rises from row to row. Where it falls between two, that decides; else all of them are needed."""

    kind: Literal["rising"]
    rows: Rows

    def named(self) -> Iterable[str]:
        """The rows."""
        return self.rows

    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        wanted, domains = self._rows(numbers, self.rows), self._domains(numbers)
        rows = [row for row in wanted if all(numbers.knows(row, domain, self.value) for domain in domains)]
        lacking = ", ".join(numbers.title(row) for row in wanted if row not in rows)
        if len(rows) < 2:
            raise CannotTest(f"{numbers.there_is} no number of {lacking}" if lacking else "one row alone cannot rise")
        found = {domain: [numbers.at(row, domain, self.value) for row in rows] for domain in domains}
        rises = all(before < after for values in found.values() for before, after in pairwise(values))
        steps = (f"{domain}: {' → '.join(f'{value:.4f}' for value in values)}" for domain, values in found.items())
        told = f"{' → '.join(map(numbers.title, rows))}; {'; '.join(steps)}"
        if rises and lacking:
            raise CannotTest(f"it rises as far as can be seen, but {numbers.there_is} no number of {lacking} ({told})")
        return rises, told


class Bound(_Claim):
    """The number of each of `rows` is at least `least`, and at most `most`."""

    kind: Literal["bound"]
    rows: Rows
    least: float = float("-inf")
    most: float = float("inf")

    def named(self) -> Iterable[str]:
        """The rows."""
        return self.rows

    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        told, holds = [], True
        for domain in self._domains(numbers):
            found = {row: numbers.at(row, domain, self.value) for row in self._rows(numbers, self.rows)}
            ends = dict.fromkeys((min(found, key=found.__getitem__), max(found, key=found.__getitem__)))
            holds &= all(self.least <= number <= self.most for number in found.values())
            what = f"{self.value} " if self.value and not numbers.printed else ""
            alike = len(found) > 1 and len(set(found.values())) == 1
            named = [f"{_told(found[row])} ({'all' if alike else numbers.title(row)})" for row in ends]
            told.append(f"{domain}: {what}{' to '.join(named)}")
        return holds, "; ".join(told)


def _told(number: float) -> str:
    """A number; that of an ability says whether it is there."""
    return ("no", "yes")[number] if isinstance(number, bool) else f"{number:.4f}"


class _Drops(_Claim):
    """From `base` to a row, relative, in percent."""

    base: str
    rows: Rows

    def named(self) -> Iterable[str]:
        """What falls, and what it falls from."""
        return (self.base, *self.rows)

    def _drop(self, numbers: Numbers, row: str, domain: str) -> float:
        before, after = (numbers.at(name, domain, self.value) for name in (self.base, row))
        if before <= 0:
            raise CannotTest(f"nothing falls relatively from {numbers.title(self.base)}: {before:.4f} on {domain}")
        return 100 * (before - after) / before


class Drop(_Drops):
    """From `base` to each of `rows` the number falls by at least `percent`, relatively."""

    kind: Literal["drop"]
    percent: float

    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        rows = self._rows(numbers, self.rows, but=[self.base])
        found = {(row, d): self._drop(numbers, row, d) for row in rows for d in self._domains(numbers)}
        told = "; ".join(f"{domain}: {numbers.title(row)} {-drop:+.2f} %" for (row, domain), drop in found.items())
        return all(drop >= self.percent for drop in found.values()), told


class LargestDrop(_Drops):
    """From `base` to each of `rows` the number falls most, relatively, on the domain `on`."""

    kind: Literal["largest_drop"]
    on: str

    def places(self) -> Iterable[str]:
        """Where it falls, and where most."""
        return (*self.domains, self.on)

    def _check(self, numbers: Numbers) -> tuple[bool, str]:
        told, holds, domains = [], True, self._domains(numbers)
        if self.on not in domains:
            raise CannotTest(f"there is no {self.on}")
        for row in self._rows(numbers, self.rows, but=[self.base]):
            drops = {domain: self._drop(numbers, row, domain) for domain in domains}
            holds &= max(drops, key=drops.__getitem__) == self.on
            falls = ", ".join(f"{domain} {-drop:+.2f} %" for domain, drop in drops.items())
            told.append(f"{numbers.title(row)}: {falls}")
        return holds, "; ".join(told)


Claim = Annotated[Above | Rising | Bound | Drop | LargestDrop, Field(discriminator="kind")]


class FaultyClaim(ValueError):
    """What is wrong with the claim of this number, of which the first is 0."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"claims.{number} {fault}")
        self.number = number


def check_names(claims: Iterable[Claim], rows: Collection[str], domains: Collection[str]) -> None:
    """Raise `FaultyClaim` for a claim about a row or a domain that there is not."""
    every = {*rows, *CATEGORIES, OTHERS}
    for number, claim in enumerate(claims):
        for name in claim.named():
            if name not in every:
                raise FaultyClaim(number, f"names {name!r}, which is no row.{suggest(name, every)}")
        for name in claim.places():
            if name not in domains:
                raise FaultyClaim(number, f"names {name!r}, which is no domain.{suggest(name, domains)}")
