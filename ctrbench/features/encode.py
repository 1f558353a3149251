"""Rows to the tokens of their prompts, each within a limit: what is too long loses its oldest history first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from ctrbench.data.templates import HISTORY
from ctrbench.features.prompt import has_history, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from ctrbench.data.source import Prompt

Tokens = list[list[int]]


class Encoded(NamedTuple):
    """Prompts of some rows.

    `values`: int32 tokens, one prompt after another; `lengths` (rows,) int64. `shortened`: how many prompts fitted
    once they had lost their oldest history items; `cut`: how many lost their beginning, as no history was left.
    """

    values: np.ndarray
    lengths: np.ndarray
    shortened: int
    cut: int


@dataclass(frozen=True)
class Encoder:
    """Renders and tokenises rows. No prompt has more than `limit` tokens, special ones included.

    A longer one is made again with as many of its newest history items as fit. Where it is too long without any,
    the tokenizer cuts that text at its `truncation_side`.
    """

    tokenizer: PreTrainedTokenizerFast
    prompt: Prompt
    titles: Mapping[str, str]
    items: pl.DataFrame
    limit: int

    def __call__(self, rows: pl.DataFrame) -> Encoded:
        """Texts and tokens of all `rows` are in memory at once."""
        tokens = self._tokens(rows)
        long = np.flatnonzero(_lengths(tokens) > self.limit)
        if not long.size:
            return _flat(tokens)
        rest = rows[long]
        if has_history(self.prompt):
            rest = self._with_what_fits(rest)
        shorter = self._tokens(rest)
        cut = np.flatnonzero(_lengths(shorter) > self.limit)
        if cut.size:
            _replace(shorter, cut, self._tokens(rest[cut], truncation=True, max_length=self.limit))
        _replace(tokens, long, shorter)
        return _flat(tokens, shortened=int(long.size - cut.size), cut=int(cut.size))

    def _with_what_fits(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Over-long rows with the most of their newest history items that fit, else with none; by bisection."""
        too_many = rows[HISTORY].list.len().fill_null(0).to_numpy().astype(np.int64)
        fitting = np.zeros_like(too_many)
        while (apart := np.flatnonzero(too_many - fitting > 1)).size:
            middle = (too_many[apart] + fitting[apart]) // 2
            fits = _lengths(self._tokens(_newest(rows[apart], middle))) <= self.limit
            fitting[apart[fits]] = middle[fits]
            too_many[apart[~fits]] = middle[~fits]
        return _newest(rows, fitting)

    def _tokens(self, rows: pl.DataFrame, **truncation: int) -> Tokens:
        texts = render(rows, self.items, self.prompt, self.titles).to_list()
        return self.tokenizer(
            texts,
            add_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # it would warn of prompts that are about to be shortened
            **{"truncation": False, **truncation},
        )["input_ids"]


def _newest(rows: pl.DataFrame, counts: np.ndarray) -> pl.DataFrame:
    """`rows`, each with so many of its newest history items."""
    return rows.with_columns(pl.col(HISTORY).list.tail(pl.lit(pl.Series(counts))))


def _lengths(tokens: Tokens) -> np.ndarray:
    return np.fromiter(map(len, tokens), np.int64, len(tokens))


def _replace(tokens: Tokens, places: np.ndarray, by: Tokens) -> None:
    for place, row in zip(places.tolist(), by, strict=True):
        tokens[place] = row


def _flat(tokens: Tokens, shortened: int = 0, cut: int = 0) -> Encoded:
    lengths = _lengths(tokens)
    values = np.fromiter(chain.from_iterable(tokens), np.int32, int(lengths.sum()))
    return Encoded(values, lengths, shortened, cut)
