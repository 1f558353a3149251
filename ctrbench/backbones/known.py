"""A backbone by its known architecture alone: enough for an estimate where its files are not here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ctrbench.backbones.files import BackboneFiles

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

_suffices: ContextVar[bool] = ContextVar("_suffices", default=False)


@contextmanager
def architecture_suffices() -> Iterator[None]:
    """Within it, a backbone whose files are not here is its architecture, without weights and tokenizer.

    Its tokens are bytes, the most that any tokenizer makes of a text. For models on the device `meta` only.
    """
    before = _suffices.set(True)
    try:
        yield
    finally:
        _suffices.reset(before)


def known(files: BackboneFiles) -> Mapping[str, Any] | None:
    """What stands for files that are not here, where an architecture suffices; None where they are to be read."""
    if files.architecture is None or not _suffices.get() or files.here:
        return None
    return files.architecture


def configuration(architecture: Mapping[str, Any]) -> PreTrainedConfig:
    """As transformers reads it from a `config.json` with these keys."""
    from transformers import AutoConfig

    return AutoConfig.for_model(**architecture)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, so that any text has tokens: 257 with `[PAD]`, which is 0.

    It pads on the right and cuts on the left, as `load_tokenizer` has it; for backbones that a plugin builds.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["[PAD]", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", padding_side="right", truncation_side="left"
    )
