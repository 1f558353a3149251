"""Prompts as ragged tokens, tokenised once and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ctrbench.data.resolve import cache_dir
from ctrbench.data.source import Prompt
from ctrbench.errors import ConfigError
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.features.prompt import render
from ctrbench.features.ragged import Ragged
from ctrbench.files import atomic
from ctrbench.registry import suggest

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerFast

    from ctrbench.data.store import Manifest

_CHUNK = 16_384  # rows whose texts are in memory at a time


class TextFeaturizer:
    """`input_ids`: `Ragged` int32 tokens of each row's prompt, at most `max_length` of them.

    Which end of a longer prompt is cut is the tokenizer's `truncation_side`.

    `prompt` is a template, or the name of one of the dataset's. Tokens are cached under (dataset fingerprint, rows,
    template, tokenizer), so that seeds, models and later runs share them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompt: Prompt | str = "default", max_length: int = 256):
        self.tokenizer = tokenizer
        self.vocabulary = _identity(tokenizer)
        self.prompt = prompt
        self.max_length = max_length
        self.titles: dict[str, str] = {}
        self.dataset = ""
        self.seen = self.full = 0

    def fit(self, train: pl.DataFrame, items: pl.DataFrame, manifest: Manifest) -> TextFeaturizer:
        """Look the template up; nothing is learned from rows."""
        if isinstance(self.prompt, str):
            if self.prompt not in manifest.prompts:
                raise ConfigError(f"no prompt '{self.prompt}' in this dataset.{suggest(self.prompt, manifest.prompts)}")
            self.prompt = manifest.prompts[self.prompt]
        self.titles = dict(manifest.domains)
        self.dataset = manifest.fingerprint
        return self

    def __call__(self, rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """Tokens of `rows`, from the cache where they are there."""
        if isinstance(self.prompt, str):
            raise ConfigError("a TextFeaturizer must be fitted before it is called")
        path = cache_dir() / "tokens" / f"{self._key(rows)}.npy"
        lengths_path = path.with_suffix(".lengths.npy")
        if not (path.exists() and lengths_path.exists()):
            values, lengths = self._tokenise(rows, items, self.prompt)
            _save(path, values)
            _save(lengths_path, lengths)
        values, lengths = np.load(path, allow_pickle=False), np.load(lengths_path, allow_pickle=False)
        self.seen, self.full = self.seen + len(rows), self.full + int((lengths == self.max_length).sum())
        offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        pad = self.tokenizer.pad_token_id or 0
        ragged = Ragged(torch.from_numpy(values), torch.from_numpy(offsets), pad=pad, mask="attention_mask")
        return {"input_ids": ragged}

    @property
    def info(self) -> FeatureInfo:
        """Text models size their layers by their backbone."""
        return FeatureInfo()

    def notes(self) -> tuple[str, ...]:
        """How many of the prompts made so far reach the length limit, where any do."""
        if not self.full:
            return ()
        share = f"{self.full:,} of {self.seen:,} training and validation prompts reach max_length"
        lost = "beginning" if self.tokenizer.truncation_side == "left" else "end"
        return (f"{share}, {self.max_length} tokens; longer ones lost their {lost}",)

    def state(self) -> dict[str, Any]:
        """Template, domain titles and length limit as JSON values."""
        if isinstance(self.prompt, str):
            raise ConfigError("a TextFeaturizer must be fitted before its state is taken")
        return {"prompt": self.prompt.model_dump(), "titles": self.titles, "max_length": self.max_length}

    def load_state(self, state: Mapping[str, Any]) -> TextFeaturizer:
        """The inverse of `state`."""
        self.prompt = Prompt(**state["prompt"])
        self.titles = dict(state["titles"])
        self.max_length = state["max_length"]
        return self

    def _key(self, rows: pl.DataFrame) -> str:
        digest = hashlib.sha256(json.dumps([self.dataset, self.state()], sort_keys=True).encode())
        digest.update(self.vocabulary)
        digest.update(rows["row_id"].to_numpy().tobytes())
        return digest.hexdigest()[:32]

    def _tokenise(self, rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt) -> tuple[np.ndarray, np.ndarray]:
        """Flat int32 tokens and int64 lengths."""
        values, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for chunk in rows.iter_slices(_CHUNK):
            texts = render(chunk, items, prompt, self.titles).to_list()
            tokens = self.tokenizer(texts, truncation=True, max_length=self.max_length, return_attention_mask=False)[
                "input_ids"
            ]
            values.append(np.concatenate([np.asarray(row, np.int32) for row in tokens]))
            lengths.append(np.fromiter(map(len, tokens), np.int64, len(tokens)))
        return np.concatenate(values), np.concatenate(lengths)


def _identity(tokenizer: PreTrainedTokenizerFast) -> bytes:
    """A hash of what a tokenizer does, without the state that its last call left in it."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    about = [{**state, "truncation": None, "padding": None}, tokenizer.truncation_side]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).digest()


def _save(path: Path, array: np.ndarray) -> None:
    with atomic(path, "free space, or move the cache with CTRBENCH_CACHE") as temporary:
        np.save(temporary, array, allow_pickle=False)
