"""What the promises of a backbone are tested on: the function that resolves names, and what it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ctrbench.backbones import load
from ctrbench.backbones.files import BackboneFiles, resolve_backbone
from ctrbench.errors import BackboneError, PluginError
from ctrbench.testing.promises import Kit

Resolve = Callable[[str], BackboneFiles | None]

TEXTS = ("Red shoes.", "A user who clicked 'blue shirt' & 'green hat' looks at 'naïve 12.99$ кот'.", "x")
"""Prompts of several lengths, one with letters that not every tokenizer knows."""


class BackboneSubject(Kit):
    """A function that resolves names, and the names; `BackboneTests` derives from it."""

    _group = "backbones"
    _names_it = "backbone"
    _example = "resolve"
    backbone: ClassVar[str | Resolve]
    """The name under which it is registered, or the function `resolve`."""
    names: ClassVar[tuple[str, ...]] = ()
    """What it resolves; of a registered one, that name is enough."""

    @classmethod
    def _load(cls) -> Resolve:
        """The function that resolves names."""
        if not cls._every_name():
            raise PluginError(f'{cls.__name__} names nothing to resolve: give it a line such as `names = ("my-bert",)`')
        resolve: Resolve = cls._target()
        return resolve

    @classmethod
    def _called(cls) -> str:
        """Its names: a function's own says little."""
        return ", ".join(cls._every_name())

    @classmethod
    def _every_name(cls) -> tuple[str, ...]:
        """All names that are tested."""
        return cls.names or ((cls.backbone,) if isinstance(cls.backbone, str) else ())

    @classmethod
    def _found(cls, name: str) -> BackboneFiles:
        """What a name is resolved to; where something is to be installed first, the test is skipped."""
        try:
            files = cls._load()(name)
        except BackboneError as fault:
            pytest.skip(str(fault))
        assert isinstance(files, BackboneFiles), f"{name!r} is resolved to {files!r}, which is no BackboneFiles"
        return files

    @classmethod
    def _here(cls) -> tuple[str, ...]:
        """The names whose files need not be fetched; without any, the test is skipped."""
        names = tuple(name for name in cls._every_name() if cls._found(name).here)
        if not names:
            pytest.skip(f"the files of {', '.join(cls._every_name())} are not here, and nothing is fetched for a test")
        return names

    @classmethod
    @contextmanager
    def _registered(cls) -> Iterator[None]:
        """Within, the names are resolved by this function, as they are where it is registered."""

        def resolve(name: str) -> BackboneFiles:
            return cls._found(name) if name in cls._every_name() else resolve_backbone(name)

        with patch.object(load, "resolve_backbone", resolve):
            yield

    @classmethod
    def _encoder(cls, name: str) -> PreTrainedModel:
        """The encoder of a name, in eval mode; no test changes it."""
        return _loaded(cls, name)

    @classmethod
    def teardown_class(cls) -> None:
        """Let go of encoders, which may be large."""
        _loaded.cache_clear()

    @classmethod
    @cache
    def _tokenizer(cls, name: str) -> PreTrainedTokenizerFast:
        """The tokenizer of a name."""
        with cls._registered():
            return load.load_tokenizer(name)

    @classmethod
    def _tokens(cls, name: str) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (B, T) of the prompts, padded on the right."""
        tokenizer = cls._tokenizer(name)
        made = tokenizer(list(TEXTS), padding=True, truncation=True, max_length=64, return_tensors="pt")
        return {key: made[key] for key in ("input_ids", "attention_mask")}


@cache
def _loaded(kit: type[BackboneSubject], name: str) -> PreTrainedModel:
    with kit._registered():
        return load.load_encoder(name).eval()


@torch.no_grad()
def states_of(encoder: Any, tokens: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """The hidden states (B, T, width) of the embeddings and of each layer."""
    return tuple(encoder(**tokens, output_hidden_states=True).hidden_states)
