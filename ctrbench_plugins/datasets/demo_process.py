"""The demo's random process, as pure functions of row, item and user numbers.

Every draw is a hash of (seed, name of the draw, number), so a row is the same whatever chunk it is made in,
and nothing has to be remembered between chunks: memory does not grow with the scale. The equations stand in
`ctrbench_plugins.datasets.demo`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrbench_plugins.datasets.demo_words import ATTRIBUTES, DOMAINS, DomainWords

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SALT = 155
"""Part of every draw: the first number with which, for seed 0 at scale 1, the test rows, few as they are,
are typical of the process, lucky for nobody. Compared with their means over many draws were the label rate,
the AUC of the true probability and of its part that is not the user's, and the AUC of two logistic
regressions, on ids (user, item, brand) and on title words. No model of the benchmark was looked at."""
PREFERENCE = 0.4
"""Standard deviation of a user's liking of one attribute."""
BRAND = 0.4
"""Standard deviation of a domain's brand effects."""
ROWS_PER_USER = 2.2
"""Rows per possible user, all domains together; about two and a half per user who wrote any."""
FIRST_DAY = 15_340
"""2012-01-01, in days since 1970."""
DAYS = 2_465

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit numbers whose output looks random."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draw(seed: int, name: str, numbers: Ints) -> npt.NDArray[np.uint64]:
    """64 random bits for each number, the same on every machine; distinct numbers get distinct bits."""
    key = hashlib.sha256(f"{SALT}/{seed}/{name}".encode()).digest()
    start = np.frombuffer(key, dtype="<u8", count=1)
    return mix(start + (numbers.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def uniform(seed: int, name: str, numbers: Ints) -> Floats:
    """Uniform in (0, 1)."""
    return ((draw(seed, name, numbers) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int, name: str, numbers: Ints) -> Floats:
    """Standard normal (Box-Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniform(seed, f"{name}/radius", numbers)))
    return radius * np.cos(2.0 * np.pi * uniform(seed, f"{name}/angle", numbers))


def choice(seed: int, name: str, numbers: Ints, size: int) -> Ints:
    """Uniform in 0 … size - 1."""
    return (uniform(seed, name, numbers) * size).astype(np.int64)


@dataclass(frozen=True)
class Domain:
    """One domain's process at one scale."""

    words: DomainWords
    scale: float
    seed: int

    @property
    def rows(self) -> int:
        """How many reviews there are."""
        return max(1, round(self.words.rows * self.scale))

    @property
    def users(self) -> int:
        """How many users there are; all domains share them."""
        return max(1, round(sum(words.rows for words in DOMAINS) * self.scale / ROWS_PER_USER))

    @property
    def pool(self) -> int:
        """How many items could be reviewed."""
        return max(1, round(self.rows / self.words.rows_per_item))

    def _uniform(self, name: str, numbers: Ints) -> Floats:
        return uniform(self.seed, f"{self.words.name}/{name}", numbers)

    def _choice(self, name: str, numbers: Ints, size: int) -> Ints:
        return choice(self.seed, f"{self.words.name}/{name}", numbers, size)

    @cached_property
    def brand_effects(self) -> Floats:
        """The normal distribution's quantiles in random order: every domain's brands differ equally much."""
        count = len(self.words.brands)
        quantiles = np.asarray([NormalDist().inv_cdf((rank + 0.5) / count) for rank in range(count)])
        return BRAND * quantiles[np.argsort(self._uniform("brand effect", np.arange(count)))]

    def items(self, items: Ints) -> dict[str, Ints]:
        """What each item is: two attributes and their wordings, brand, noun, note, title pattern."""
        count = len(ATTRIBUTES)
        first = self._choice("attribute 1", items, count)
        second = (first + 1 + self._choice("attribute 2", items, count - 1)) % count
        used = np.asarray(self.words.wordings)
        return {
            "attribute_1": first,
            "attribute_2": second,
            "wording_1": used[self._choice("wording 1", items, len(used))],
            "wording_2": used[self._choice("wording 2", items, len(used))],
            "brand": (len(self.words.brands) * self._uniform("brand", items) ** 1.3).astype(np.int64),
            "noun": self._choice("noun", items, len(self.words.nouns)),
            "note": self._choice("note", items, len(self.words.notes)),
            "pattern": self._choice("pattern", items, 4),
        }

    def probability(self, users: Ints, items: Ints) -> Floats:
        """How likely each user is to like each item."""
        item = self.items(items)
        effects = np.asarray([attribute.effect for attribute in ATTRIBUTES])
        logit = self.words.bias + self.brand_effects[item["brand"]]
        for attribute in (item["attribute_1"], item["attribute_2"]):
            liking = normal(self.seed, "preference", users * len(ATTRIBUTES) + attribute)
            logit = logit + effects[attribute] + PREFERENCE * liking
        return np.round(1.0 / (1.0 + np.exp(-logit)), 6)

    def reviews(self, rows: Ints) -> dict[str, npt.NDArray[Any]]:
        """Who reviewed what and when, the true probability of a click, and the rating drawn from it."""
        users = (self.users * self._uniform("user", rows) ** 1.5).astype(np.int64)
        items = (self.pool * self._uniform("item", rows) ** 1.4).astype(np.int64)
        probability = self.probability(users, items)
        label = self._uniform("label", rows) < probability
        stars = self._uniform("stars", rows)
        return {
            "user": users,
            "item": items,
            "day": FIRST_DAY + (DAYS * self._uniform("day", rows) ** 0.7).astype(np.int64),
            "probability": probability,
            "rating": np.where(label, np.where(stars < 0.7, 5, 4), 1 + (stars * 3).astype(np.int64)),
        }
