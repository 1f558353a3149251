"""What a model promises of steps on the rows of one domain."""

from __future__ import annotations

import torch
from torch import Tensor

from ctrbench.features.batch import Batch
from ctrbench.models.contract import CTRModel
from ctrbench.models.parts import domain_parts, own_names
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import Subject
from ctrbench.testing.toy import DOMAINS

_DRAWS = 5
"""Weights that gradients are taken with: a unit that one draw leaves dead is alive in another."""


class IsolationPromises(Subject):
    """What a model promises of steps on the rows of one domain."""

    @promise("keep what belongs to a domain in `PerDomain`, and update its buffers from that domain's rows alone.")
    def test_a_step_on_one_domain_leaves_the_others_as_they_were(self) -> None:
        """A step on one domain's rows moves no other domain's parameters or buffers, whatever the optimiser."""
        for optimizer in ("adam", "adamw"):
            model, batch = self.build(), self.batch()
            optimizers = checks.learn(model, batch, optimizer=optimizer)  # momentum that could move absent domains
            before = {domain: checks.own_state(model, domain) for domain in DOMAINS}
            checks.learn(model, batches.of_domains(batch, "games"), optimizers=optimizers)
            checks.assert_same(checks.own_state(model, "books"), before["books"])
            checks.assert_same(checks.own_state(model, "tools"), before["tools"])
            moved = checks.changed(checks.own_state(model, "games"), before["games"])
            assert moved or not before["games"], "a step on games moved none of its own parameters"

    @promise(
        "let a row visit its own domain's network only (`PerDomain`): no loop over all domains, no stacked weights."
    )
    def test_an_absent_domain_learns_nothing(self) -> None:
        """The parameters of a domain that is absent from the batch have no gradient at all, not even zeros."""
        model, batch = self.build(), batches.of_domains(self.batch(), "books", "tools")
        model.train().loss(batch).backward()
        grads = {name: p.grad for name, p in model.named_parameters() if name in own_names(model, "games")}
        checks.assert_none([name for name, grad in grads.items() if grad is not None], "with a gradient")

    @promise(
        "make it a part of `PerDomain`: elsewhere, a step on other domains' rows moves it, too, by momentum and decay."
    )
    def test_what_only_one_domain_trains_is_in_per_domain(self) -> None:
        """Outside `PerDomain`, dense weights learn from more than one domain's rows, wherever the rows come from."""
        hits = [self._learned(seed) for seed in range(_DRAWS)]
        together = {name: torch.stack([one[name] for one in hits]).any(0) for name in hits[0]}
        checks.assert_none([name for name in together if _is_divided(together[name])], "trained by one domain alone")

    def _learned(self, seed: int) -> dict[str, Tensor]:
        """Where rows of each domain train dense parameters outside `PerDomain`; (domains, *shape) by name."""
        model, batch = self.build(seed=seed), self.batch()
        checks.enliven(model, seed)
        each = [_learned(model, batches.routed(batch, domain)) for domain in DOMAINS]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def _learned(model: CTRModel, batch: Batch) -> dict[str, Tensor]:
    """Where dense parameters outside `PerDomain` get a gradient that is not zero."""
    model.zero_grad(set_to_none=True)
    with checks.seeded(3):  # the same rows meet the same dropout, whatever their domain
        model.train().loss(batch).backward()
    own = {id(parameter) for part in domain_parts(model).values() for parameter in part.parameters()}
    shared = {name: p for name, p in model.named_parameters() if p.requires_grad and id(p) not in own}
    grads = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in shared.items()}
    return {name: grad != 0 for name, grad in grads.items() if not grad.is_sparse}


def _is_divided(hits: Tensor) -> bool:
    """Whether one domain alone hits a parameter, or each alone hits a slice of it; hits (domains, *shape).

    A unit that is dead for some domains leaves a slice to another, but hardly one to each.
    """
    if hits.reshape(len(hits), -1).any(1).sum() == 1:
        return True
    for dim in range(1, hits.ndim):
        slices = hits.movedim(dim, 1).reshape(len(hits), hits.shape[dim], -1).any(2)  # (domains, n)
        alone = slices & (slices.sum(0) == 1)
        if alone.any(1).all():
            return True
    return False
