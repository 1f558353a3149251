"""Made-up English of any length, for texts that mean nothing but weigh what published ones do.

Sentences are drawn word by word into one long corpus, and a text is a run of whole sentences of it. So a text costs
no more than looking up where it begins and ends, and yet compresses about as reviews do.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from ctrbench_plugins.datasets.demo_process import Ints, choice, normal, uniform
from ctrbench_plugins.datasets.demo_sentences import SENTENCES, SLOTS

MEDIAN, SIGMA = 195.0, 1.25
"""Characters in a text are log-normal, as in published reviews: half have more than 200, the mean is 430."""
LONGEST = 8_000
"""Characters."""
_SENTENCES = 60_000
_SKEW = 1.2


class Corpus(NamedTuple):
    """Sentences in a row, each with a space after it; sentence s is `text[ends[s]:ends[s + 1] - 1]`."""

    text: bytes
    ends: Ints


def texts(seed: int, name: str, numbers: Ints, median: float = MEDIAN) -> pl.Series:
    """One text for each number; lengths are log-normal around `median` characters, rounded to whole sentences."""
    corpus = _corpus(seed)
    usable = int(np.searchsorted(corpus.ends, len(corpus.text) - LONGEST))
    first = choice(seed, f"{name}/sentence", numbers, usable)
    begin = corpus.ends[first]
    length = np.minimum(median * np.exp(SIGMA * normal(seed, f"{name}/length", numbers)), LONGEST)
    last = np.searchsorted(corpus.ends, begin + length)
    shorter = corpus.ends[last] - (begin + length) > (begin + length) - corpus.ends[last - 1]
    end = corpus.ends[np.maximum(last - shorter, first + 1)]
    places = pl.DataFrame({"begin": begin, "length": end - 1 - begin})
    text = pl.lit(corpus.text).bin.slice("begin", "length").cast(pl.String)
    return places.select(text.alias("text")).to_series()


@cache
def _corpus(seed: int) -> Corpus:
    numbers = np.arange(_SENTENCES)
    sentences = pl.Series(SENTENCES).gather(choice(seed, "corpus/pattern", numbers, len(SENTENCES))).to_frame("s")
    for slot, words in SLOTS.items():
        place = f"{{{slot}}}"
        for turn in range(max(pattern.count(place) for pattern in SENTENCES)):
            drawn = len(words) * uniform(seed, f"corpus/{slot}/{turn}", numbers) ** _SKEW
            word = pl.lit(pl.Series(words).gather(drawn.astype(np.int64)))
            sentences = sentences.with_columns(pl.col("s").str.replace(place, word, literal=True))
    capital = pl.col("s").str.slice(0, 1).str.to_uppercase() + pl.col("s").str.slice(1) + " "
    made = sentences.select(capital).to_series()
    ends = np.concatenate([[0], made.str.len_bytes().cum_sum().to_numpy()])
    return Corpus("".join(made).encode(), ends)
