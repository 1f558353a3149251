"""The ids of the demo's users and products: distinct, and as long as Amazon's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench_plugins.datasets.demo_process import Domain, Ints, draw
from ctrbench_plugins.datasets.demo_words import DOMAINS

_DIGITS = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
_PLACES = {words.name: place for place, words in enumerate(DOMAINS)}


def reviewer_ids(seed: int, users: Ints) -> pl.Series:
    """One id per user: distinct users have distinct 64 bits."""
    return _base36("A", draw(seed, "reviewerID", users), 13)


def asins(domain: Domain, items: Ints) -> pl.Series:
    """One id per item and domain: an odd step through the 46-bit numbers, which meets none twice."""
    numbers = (items + (_PLACES[domain.words.name] << 40)).astype(np.uint64)
    start = draw(domain.seed, "asin", np.zeros(1, dtype=np.int64))
    return _base36("B", (numbers * np.uint64(0x9E3779B97F4A7C15) + start) % np.uint64(2**46), 9)


def _base36(prefix: str, numbers: npt.NDArray[np.uint64], width: int) -> pl.Series:
    text = np.full((len(numbers), width + 1), ord(prefix), dtype=np.uint8)
    for place in range(width, 0, -1):
        numbers, digit = np.divmod(numbers, np.uint64(36))
        text[:, place] = _DIGITS[digit]
    return pl.Series(text.view(f"S{width + 1}").ravel()).cast(pl.String)
