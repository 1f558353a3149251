"""deepctr-torch's own models beside ours: the same ids, the same weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, FeatureInfo, deepctr_module

SIZES = {"user": 7, "item": 9, "brand": 4}
"""Ids per field."""
STARTS = dict(zip(SIZES, accumulate(SIZES.values(), initial=1), strict=False))
"""Where a field's ids start in our one table, in which row 0 is padding."""
INFO = FeatureInfo(ids=tuple(SIZES), vocabulary=1 + sum(SIZES.values()), of={"user": "user", "item": "item"})


def columns(dim: int) -> list[Any]:
    """The fields as deepctr-torch declares them."""
    inputs = deepctr_module("inputs")
    return [inputs.SparseFeat(name, size, embedding_dim=dim) for name, size in SIZES.items()]


def model_of_domains(module: str, name: str, domains: tuple[str, ...], **sizes: Any) -> Any:
    """deepctr-torch's model of several tasks, one per domain, that gives logits; towers of 8 and 4, embeddings of 6."""
    kind = getattr(deepctr_module(f"models.multitask.{module}"), name)
    tasks = {"task_types": ("regression",) * len(domains), "task_names": domains}
    return kind(columns(6), tower_dnn_hidden_units=(8, 4), init_std=0.5, **tasks, **sizes).eval()


def same_rows(count: int = 32, domains: tuple[str, ...] = ("all",)) -> tuple[Tensor, Batch]:
    """Random rows as deepctr-torch's input (count, F), and as our batch; domains take turns."""
    ids = torch.stack([torch.randint(0, size, (count,)) for size in SIZES.values()], dim=1)
    shifted = ids + torch.tensor([STARTS[name] for name in SIZES])
    domain = torch.arange(count) % len(domains)
    return ids.float(), Batch({"ids": shifted}, domain, domains, torch.zeros(count), torch.arange(count))


@torch.no_grad()
def copy_table(ours: nn.Embedding, *theirs: Mapping[str, nn.Embedding]) -> None:
    """Their tables, one per field, into our one table; several sets of tables side by side."""
    for name, size in SIZES.items():
        ours.weight[STARTS[name] : STARTS[name] + size] = torch.cat([tables[name].weight for tables in theirs], dim=1)


@torch.no_grad()
def copy_linears(ours: nn.Module, theirs: Iterable[nn.Linear]) -> None:
    """Their linear layers, one by one, into those of our module; a bias that they lack is zero."""
    mine = [layer for layer in ours.modules() if isinstance(layer, nn.Linear)]
    for layer, other in zip(mine, theirs, strict=True):
        layer.weight.copy_(other.weight)
        if layer.bias is not None:
            layer.bias.copy_(other.bias if other.bias is not None else torch.zeros_like(layer.bias))


def assert_same_logits(ours: Tensor, theirs: Tensor) -> None:
    """Equal to 1e-5, and far enough from constant for that to mean something."""
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
