"""Prompts as ragged tokens, tokenised once and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ctrbench.data.fingerprint import frames_hash
from ctrbench.data.resolve import cache_dir
from ctrbench.data.source import Prompt
from ctrbench.data.templates import check_prompt
from ctrbench.errors import ConfigError
from ctrbench.features.array_store import Chunk, stored
from ctrbench.features.encode import Encoded, Encoder
from ctrbench.features.featurizer import FeatureInfo, Slices
from ctrbench.features.prompt import has_history, with_indices
from ctrbench.features.ragged import Ragged
from ctrbench.features.stripped import STRIPPED, stripped
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerFast

    from ctrbench.data.store import Manifest

_CHUNK = 8_192  # rows whose texts and tokens are in memory at a time
_WAY = 3  # raised when the same rows get other tokens than before


class TextFeaturizer:
    """`input_ids`: `Ragged` int32 tokens of each row's prompt, at most `max_length` of them.

    A longer prompt loses its oldest history items, one after the other, until it fits. Where it is too long without
    any history, the tokenizer cuts it at its `truncation_side`; `load_tokenizer` has the beginning cut, so that the
    product, its end, stays.

    `prompt` is a template, or the name of one: of the dataset's, or of `STRIPPED`. Tokens are cached under (dataset
    fingerprint, rows, template, tokenizer), so that seeds, models and later runs share them; they are read from disk
    when they are used.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompt: Prompt | str = "default", max_length: int = 256):
        self.tokenizer = tokenizer
        self.vocabulary = _identity(tokenizer)
        self.prompt = prompt
        self.max_length = max_length
        self.titles: dict[str, str] = {}
        self.dataset = ""
        self._left_out: list[str] = []
        self.seen = self.shortened = self.cut = 0

    def fit(self, train: pl.LazyFrame, items: pl.DataFrame, manifest: Manifest) -> TextFeaturizer:
        """Look the template up; nothing is learned from rows.

        Raises `ConfigError` for a template that the columns of `train` and `items` cannot fill, and for a length
        limit that leaves no room for text.
        """
        name = None
        if isinstance(self.prompt, str):
            name, self.prompt = self.prompt, self._named(self.prompt, train, items, manifest.prompts)
        check_prompt(self.prompt, train, items, name)
        special = self.tokenizer.num_special_tokens_to_add()
        if self.max_length <= special:
            raise ConfigError(f"max_length {self.max_length} leaves no room for text beside {special} special tokens")
        self.titles = dict(manifest.domains)
        self.dataset = manifest.fingerprint
        return self

    def _named(self, name: str, train: pl.LazyFrame, items: pl.DataFrame, prompts: Mapping[str, Prompt]) -> Prompt:
        """The dataset's prompt of this name, or else what is left of its default one."""
        if name in prompts:
            return prompts[name]
        if name in STRIPPED and "default" in prompts:
            prompt, self._left_out = stripped(name, prompts["default"], train.collect_schema(), items)
            return prompt
        known = {*prompts, *(STRIPPED if "default" in prompts else ())}
        raise ConfigError(
            f"no prompt '{name}' in this dataset.{suggest(name, known)}"
            ' A template of your own is a table: {template = "..."}'
        )

    def __call__(self, rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """Tokens of `rows`, from the cache where they are there."""
        data = self.dataset or frames_hash({"rows": rows, "items": items})
        return self._stored(self._key(data, rows["row_id"].to_numpy().tobytes()), lambda: [rows], items)

    def of_slices(self, slices: Slices, items: pl.DataFrame, key: str) -> dict[str, Tensor | Ragged]:
        """The same for slices of the dataset, of which one is in memory at a time."""
        return self._stored(self._key(self.dataset, key.encode()), slices, items)

    def _stored(self, key: str, slices: Slices, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        features, counts = stored(cache_dir() / "tokens" / key, lambda: self._chunks(slices, items))
        self.seen += counts["rows"]
        self.shortened += counts["shortened"]
        self.cut += counts["cut"]
        return features

    def _chunks(self, slices: Slices, items: pl.DataFrame) -> Iterator[Chunk]:
        """What the rows become, and nothing first, which stands for no rows."""
        numbered = with_indices(items, self._prompt())  # once, not for every slice
        encoder = Encoder(self.tokenizer, self._prompt(), self.titles, numbered, self.max_length)
        yield self._chunk(Encoded(np.empty(0, np.int32), np.empty(0, np.int64), 0, 0))
        for rows in slices():
            yield from map(self._chunk, map(encoder, rows.iter_slices(_CHUNK)))

    def _chunk(self, encoded: Encoded) -> Chunk:
        offsets = torch.from_numpy(np.concatenate([[0], encoded.lengths.cumsum(dtype=np.int64)]))
        pad = self.tokenizer.pad_token_id or 0
        tokens = Ragged(torch.from_numpy(encoded.values), offsets, pad=pad, mask="attention_mask")
        counts = {"rows": len(tokens), "shortened": encoded.shortened, "cut": encoded.cut}
        return Chunk({"input_ids": tokens}, counts)

    @property
    def info(self) -> FeatureInfo:
        """Text models size their layers by their backbone."""
        return FeatureInfo()

    def notes(self) -> tuple[str, ...]:
        """What a stripped prompt leaves out; how many of the prompts made so far were too long, and what they lost."""
        notes = []
        if self._left_out:
            notes.append(f"Its prompt leaves out {', '.join(self._left_out)}: text that has no number")
        if not self.shortened + self.cut:
            return tuple(notes)
        side = "beginning" if self.tokenizer.truncation_side == "left" else "end"
        rest = f"the history and the {side}" if has_history(self._prompt()) else f"the {side}"
        told = {"the oldest history items": self.shortened, rest: self.cut}
        lost = ", ".join(f"{count:,} lost {what}" for what, count in told.items() if count)
        long = f"{self.shortened + self.cut:,} exceeded {self.max_length} tokens"
        return (*notes, f"Of {self.seen:,} training and validation prompts, {long}: {lost}")

    def state(self) -> dict[str, Any]:
        """Template, domain titles and length limit as JSON values."""
        return {"prompt": self._prompt().model_dump(), "titles": self.titles, "max_length": self.max_length}

    def load_state(self, state: Mapping[str, Any]) -> TextFeaturizer:
        """The inverse of `state`."""
        self.prompt = Prompt(**state["prompt"])
        self.titles = dict(state["titles"])
        self.max_length = state["max_length"]
        return self

    def _prompt(self) -> Prompt:
        if isinstance(self.prompt, str):
            raise ConfigError("a TextFeaturizer must be fitted before it is used")
        return self.prompt

    def _key(self, data: str, rows: bytes) -> str:
        """What the tokens depend on; rows of a dataset are known by their ids, others by all that they hold."""
        about = [_WAY, data, self.state(), self.tokenizer.pad_token_id]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        digest.update(self.vocabulary)
        digest.update(rows)
        return digest.hexdigest()[:32]


def _identity(tokenizer: PreTrainedTokenizerFast) -> bytes:
    """A hash of what a tokenizer does, without the state that its last call left in it."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    about = [{**state, "truncation": None, "padding": None}, tokenizer.truncation_side]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).digest()
