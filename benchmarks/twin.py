"""Uni-CTR run as its published code runs it, with the weights of ours: what our speed is compared with."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot, pad

from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows

LENGTH = 256
"""The published code's max_length."""


class NaiveTwin(nn.Module):
    """The same function as `model` (a UniCTR, whose modules it holds), computed without any saving.

    Every prompt is padded to `length` tokens. The general network and the network of every domain run on every row,
    in training and in scoring; a one-hot mask over domains then picks each row's own logit. Only faults of the
    published code that change the function (attention over samples, unmasked padding, BatchNorm) are not repeated,
    nor is its rendering and tokenising of a row each time that the row is read.
    """

    def __init__(self, model: Any, length: int = LENGTH) -> None:
        super().__init__()
        self.model, self.length = model, length

    def train(self, mode: bool = True) -> Self:
        """Of all modules: nothing in the published loop turns off the dropout of a frozen backbone."""
        for module in self.modules():
            module.training = mode
        return self

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B,) logits of each row's own domain, and (B,) of the general network."""
        model = self.model
        mask, last, *taps = self._encode(batch)
        every = torch.cat([model.networks[name](mask, last, *taps) for name in model.domains], dim=1)  # (B, M)
        places = torch.tensor([model.domains.index(name) for name in batch.domains], device=every.device)
        own = (every * one_hot(places[batch.domain], len(model.domains))).sum(1)
        return own, model.general(mask, last, *taps)[:, 0]

    def loss(self, batch: Batch) -> Tensor:
        """Own and general cross-entropy, mean over the batch."""
        own, general = (binary_cross_entropy_with_logits(logits, batch.label) for logits in self(batch))
        return own + self.model.config.general_weight * general

    def _encode(self, batch: Batch) -> list[Tensor]:
        """The mask (B, J), h_L and the taps (B, J, d), J = `length`."""
        model = self.model
        extra = self.length - batch.x["input_ids"].shape[1]
        tokens, mask = (pad(batch.x[name], (0, extra)) for name in ("input_ids", "attention_mask"))
        hidden = model.backbone(input_ids=tokens, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        final = model.layers[-1]
        return [
            mask,
            *(hidden[layer] if layer == final else model.norm(hidden[layer]) for layer in (final, *model.taps)),
        ]


def naive_order(rows: Rows, batch_size: int, seed: int) -> list[Tensor]:
    """A shuffled epoch as batches of row indices, whatever their lengths."""
    return list(torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).split(batch_size))


def naive_optimizer(twin: NaiveTwin, lr: float = 8e-5) -> torch.optim.Optimizer:
    """torch's AdamW as it comes, over all that is trained: each step moves the networks of absent domains, too."""
    return torch.optim.AdamW([parameter for parameter in twin.parameters() if parameter.requires_grad], lr)
