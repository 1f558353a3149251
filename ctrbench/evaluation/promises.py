"""What a model promises, as far as a few rows can show whether it keeps it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.state import HARMLESS, RANDOM, kept
from ctrbench.errors import PluginError
from ctrbench.features.batch import Batch
from ctrbench.features.forms import clone, part, routed, tensors, untold
from ctrbench.models.contract import CTRModel, Logits
from ctrbench.models.parts import domain_parts, own_names
from ctrbench.training.checkpoint import random_state

_log = logging.getLogger(__name__)
_LARGE = 2**22
"""Numbers of a weight, from which on it gets no gradient for this."""
_SEED = 0x5EED


@dataclass
class Promises:
    """The promises of `model` on one `batch`; each method raises a `PluginError` that names `suspect`.

    The model's buffers and mode change, its weights do not, nor do their gradients.
    """

    model: CTRModel
    batch: Batch
    suspect: Suspect
    precision: str

    @torch.no_grad()
    def of_scores(self) -> None:
        """In eval mode, logits are one finite number per row, and depend on that row alone."""
        self.model.eval()
        with self._leaves_alone("it scores"):
            first = self._logits(self.batch)
        if not self._near(self._logits(self.batch), first):
            raise self.suspect.did("keeps state between calls: it gives the same rows other logits the second time")
        every = torch.arange(len(self.batch), device=first.device)
        for rows in (every[1:].flip(0), every[:1]):
            if len(rows) and not self._near(self._logits(part(self.batch, rows)), first[rows]):
                raise self.suspect.did("gives a row another logit when other rows, or none, stand beside it")
        for head in (self.model, self.model.forward_general) if self.model.has_general_head else (self.model,):
            self._check_answers(head)

    def _check_answers(self, head: Logits) -> None:
        """Rows keep their logits when their labels are others, or unknown, and when they have other numbers."""
        before = self._answers(head, self.batch, "")
        for name, other in untold(self.batch):
            if not self._near(self._answers(head, other, f" with another {name}"), before):
                raise self.suspect.did(f"reads the {name} of the rows that it scores, which is not to be known there")

    def _answers(self, head: Logits, batch: Batch, told: str) -> Tensor:
        with blaming(self.suspect, f"when it scored {len(batch)} rows{told}"), self._autocast():
            return head(batch).detach().clone().float()

    def of_losses(self) -> None:
        """In train mode, the loss is a finite number, and rows of one domain leave what belongs to another alone."""
        torch.manual_seed(_SEED)
        self.model.train()
        present = [name for name, _ in self.batch.by_domain()][:2]
        hits = []
        for name in present:
            with self._leaves_alone("it learns", drawing=True):
                loss = self._loss(routed(self.batch, name))
            self._check_others(loss, name)
            hits.append(self._hit(loss))
        for weight in hits[0] if len(hits) > 1 else ():
            if _apart(hits[0][weight], hits[1][weight], len(self.model.domains)):
                how = f"has a part for each in one weight, {weight}, which belongs into PerDomain"
                raise self._coupled(present[0], present[1], how)

    def _logits(self, batch: Batch) -> Tensor:
        with blaming(self.suspect, f"in its forward, on {len(batch)} rows"), self._autocast():
            logits = self.model(batch)
        self._check("logits", logits, (len(batch),))
        return logits.detach().clone().float()

    def _loss(self, batch: Batch) -> Tensor:
        doing = f"in its loss, on {len(batch)} rows of {batch.groups[0][0]!r}"
        with torch.enable_grad(), blaming(self.suspect, doing), self._autocast():
            loss = self.model.loss(batch)
        self._check("a loss", loss, ())
        return loss

    def _check(self, what: str, found: object, shape: tuple[int, ...]) -> None:
        if not isinstance(found, Tensor):
            raise self.suspect.did(f"gives {what} of type {type(found).__name__}, not a tensor")
        if tuple(found.shape) != shape:
            raise self.suspect.did(f"gives {what} of shape {tuple(found.shape)}, not {shape or 'a scalar'}")
        if not found.is_floating_point():
            raise self.suspect.did(f"gives {what} of type {found.dtype}, not floating-point numbers")
        odd = found.detach()[~found.detach().isfinite()]
        if len(odd):
            raise self.suspect.did(f"gives {what} with {odd[0].item()} before any training")

    def _check_others(self, loss: Tensor, name: str) -> None:
        """No gradient at all, not even of zeros, for what belongs to other domains: an optimiser would move it."""
        weights = {weight: parameter for weight, parameter in self.model.named_parameters() if _asked(parameter)}
        others = [other for other in self.model.domains if other != name]
        asked = {weight: other for other in others for weight in own_names(self.model, other) if weight in weights}
        found = self._gradients(loss, [weights[weight] for weight in asked])
        for (weight, other), gradient in zip(asked.items(), found, strict=True):
            if gradient is not None:
                how = f"makes a gradient for {weight} from rows of {name!r}, which are not to visit it"
                raise self._coupled(name, other, how)

    def _hit(self, loss: Tensor) -> dict[str, Tensor]:
        """Where weights outside `PerDomain` that may hold a part for each domain get a gradient that is not zero."""
        count = len(self.model.domains)
        own = {id(weight) for network in domain_parts(self.model).values() for weight in network.parameters()}
        tables = (module for module in self.model.modules() if isinstance(module, nn.Embedding) and module.sparse)
        own |= {id(table.weight) for table in tables}
        asked = {
            name: weight
            for name, weight in self.model.named_parameters()
            if count > 1 and count in weight.shape and _asked(weight) and id(weight) not in own
        }
        found = self._gradients(loss, list(asked.values()))
        return {
            name: torch.zeros_like(weight, dtype=torch.bool) if gradient is None else gradient != 0
            for (name, weight), gradient in zip(asked.items(), found, strict=True)
        }

    def _gradients(self, loss: Tensor, weights: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
        if not weights or not loss.requires_grad:
            return (None,) * len(weights)
        try:
            return torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        except RuntimeError as fault:  # some ways to save memory make all gradients, or none
            _log.debug("domains are not looked at: %s", fault)
            return (None,) * len(weights)

    def _coupled(self, one: str, other: str, how: str) -> PluginError:
        return self.suspect.did(
            f"couples the domains {one!r} and {other!r}, so that training one moves the other: it {how}"
        )

    @contextmanager
    def _leaves_alone(self, when: str, *, drawing: bool = False) -> Iterator[None]:
        """Within, batch and what results depend on are not to change; `drawing`: torch's numbers may be drawn."""
        before, device = tensors(clone(self.batch)), self.batch.domain.device
        drawn, seed = random_state(device), torch.initial_seed()
        with kept() as changed:
            yield
            seeded = torch.initial_seed() != seed
            here = {name for name, state in random_state(device).items() if not torch.equal(state, drawn[name])}
        told = [name for name in changed if name not in (*HARMLESS, RANDOM[2])]
        if seeded or (here and not drawing):
            told.append(RANDOM[2])
        if told:
            raise self.suspect.did(f"{'seeds' if seeded else 'changes'} {', '.join(told)} when {when}")
        now = tensors(self.batch)
        if odd := [name for name in before if not (name in now and torch.equal(now[name], before[name]))]:
            raise self.suspect.did(f"changes the batch ({', '.join(odd)}) when {when}")

    def _autocast(self) -> torch.autocast:
        device = self.batch.domain.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16")

    def _near(self, one: Tensor, other: Tensor) -> bool:
        """Equal but for the order of additions, which changes with the shape of a batch."""
        exact = self.precision == "fp32" and all(
            weight.dtype in (torch.float32, torch.float64) for weight in self.model.parameters()
        )
        rough = 0.1 if not exact else 1e-4 if one.device.type == "cpu" else 2e-3
        return torch.allclose(one, other, rtol=rough, atol=rough / 4)


def _asked(weight: Tensor) -> bool:
    return weight.requires_grad and weight.numel() <= _LARGE


def _apart(one: Tensor, other: Tensor, count: int) -> bool:
    """Whether, along a dimension of this size, rows of two domains hit slices of a weight that have none in common."""
    for dim in (dim for dim, size in enumerate(one.shape) if size == count):
        hit, also = (hits.movedim(dim, 0).reshape(count, -1).any(1) for hits in (one, other))
        if hit.any() and also.any() and not (hit & also).any():
            return True
    return False
