"""What a model promises of loss, gradients and steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch
from torch.testing import assert_close

from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import COUNT, Subject, new_rows, view
from ctrbench.testing.toy import of_strangers, toy_items, without_histories


class LearningPromises(Subject):
    """What a model promises of loss, gradients and steps."""

    @promise("return a scalar, computed from the parameters without `detach`.")
    def test_the_loss_is_a_finite_scalar(self) -> None:
        """`loss` is a finite scalar, and has a gradient where, and only where, there are parameters to train."""
        model, batch = self.trained().train(), self.batch()
        loss = model.loss(batch)
        assert loss.shape == (), f"the loss has the shape {tuple(loss.shape)}"
        assert loss.isfinite(), f"the loss is {loss}"
        assert loss.requires_grad, "the loss has no gradient"
        with torch.no_grad():
            assert not model.loss(batch).requires_grad, "the loss has a gradient under torch.no_grad()"
        frozen = model.requires_grad_(False)
        assert not frozen.loss(batch).requires_grad, "the loss of a frozen model has a gradient"

    @promise("use every parameter in `loss`, or remove it.")
    def test_every_parameter_learns_from_a_batch_of_all_domains(self) -> None:
        """Every trainable parameter gets a gradient that is not zero from a batch of all domains."""
        model = self.trained().train()  # LoRA's first factor learns only after its second, which starts at zero
        for _ in range(2):  # all of a small layer may be dropped out once
            model.loss(self.batch()).backward()
        trainable = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        checks.assert_none([name for name, grad in trainable.items() if checks.is_zero(grad)], "without a gradient")

    @promise(
        "name each trainable parameter in `parameter_groups` once; put tables with sparse gradients into `sparse`."
    )
    def test_each_parameter_is_in_one_optimiser_group(self) -> None:
        """`parameter_groups` holds every trainable parameter once."""
        model = self.build()
        grouped = Counter(id(parameter) for group in model.parameter_groups().values() for parameter in group)
        odd = [name for name, p in model.named_parameters() if grouped[id(p)] != int(p.requires_grad)]
        checks.assert_none(odd, "trainable and not in one group, or frozen and in a group")

    @promise("use no batch normalisation, nor anything else that needs two rows.")
    def test_one_row_per_domain(self) -> None:
        """A batch with one row of each domain trains and scores."""
        checks.assert_works(self.build(), batches.one_each(self.batch()))

    @promise("use no batch normalisation, nor anything else that needs two rows.")
    def test_a_batch_of_one_row(self) -> None:
        """A batch of one row trains and scores."""
        checks.assert_works(self.build(), self.batch(1))

    @promise("loop over the domains that are present (`batch.by_domain()`, or `PerDomain`).")
    def test_rows_of_one_domain_only(self) -> None:
        """A batch of one domain trains and scores, in a model of three domains and in a model of one."""
        checks.assert_works(self.build(), batches.of_domains(self.batch(), "tools"))
        checks.assert_works(self.build(("tools",)), self.batch().as_domain("tools"))

    @promise("size what belongs to domains by `domains`, and look it up by name.")
    def test_thirty_domains(self) -> None:
        """A model of thirty domains trains and scores, on batches of all of them and of some."""
        names = tuple(f"domain {number}" for number in range(30))
        model = self.build(names)
        checks.assert_works(model, batches.spread(self.batch(), names))
        checks.assert_works(model, batches.spread(self.batch(5), names))

    @promise("divide by no length, and take no softmax or last place of a history, without allowing for an empty one.")
    def test_all_histories_may_be_empty(self) -> None:
        """Batches without any history train and score, and how wide their padding is changes no logit."""
        rows = view(self._featurizer(), without_histories(new_rows()), toy_items())
        batch = rows.batch(torch.arange(COUNT))
        checks.assert_works(self.build(), batch)
        model = self.trained()
        with torch.no_grad():
            checks.assert_near(model(batches.padded(batch, rows.features, 3)), model(batch))

    @promise(
        "let ids that train did not hold be rows of the table like others (`info.unseen`), and keep no list of ids."
    )
    def test_unseen_ids(self) -> None:
        """Rows of users, items and words that train did not hold train and score."""
        strange = view(self._featurizer(), *of_strangers(new_rows(), toy_items())).batch(torch.arange(COUNT))
        checks.assert_works(self.build(), strange)
        unseen = torch.tensor(self._featurizer().info.unseen)
        if "ids" in strange.x and len(unseen):
            ids = unseen.expand_as(strange.x["ids"])
            checks.assert_works(self.build(), replace(strange, x={**strange.x, "ids": ids}))

    @promise("compute losses, and sums over many terms, in float32 (`.float()`).")
    def test_bfloat16(self) -> None:
        """Under autocast to bfloat16, loss and gradients are finite, and logits are near those of float32."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            exact = model(batch).float()
            with torch.autocast("cpu", torch.bfloat16):
                rough = model(batch).float()
        assert_close(rough, exact, atol=0.05, rtol=0.05)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.train().loss(batch)
        loss.backward()
        checks.assert_finite(model, loss)
