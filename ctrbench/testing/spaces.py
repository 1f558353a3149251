"""What a model promises of its representations, where it gives any."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ctrbench.features.batch import Batch
from ctrbench.models.contract import CTRModel
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import Subject
from ctrbench.testing.toy import DOMAINS


class SpacePromises(Subject):
    """What a model promises of its representations, where it gives any."""

    @promise("return a tensor (B, d) of floating-point numbers for each name, or no name at all.")
    def test_representations_are_one_vector_per_row(self) -> None:
        """Each of `representations` gives every row a vector of finite numbers, which depends on the row."""
        batch = self.batch()
        for name, values in _of(self.trained(), batch).items():
            assert values.ndim == 2, f"{name!r} has shape {tuple(values.shape)}"
            assert len(values) == len(batch), f"{name!r} has {len(values)} vectors for {len(batch)} rows"
            assert values.is_floating_point(), f"{name!r} is of type {values.dtype}"
            assert values.isfinite().all(), f"{name!r} has numbers that are not finite"
            assert (values != values[0]).any(), f"{name!r} is the same for every row"

    @promise("use no statistics over the rows of a batch at eval, mask padding, and keep the order of the rows.")
    def test_a_rows_representations_do_not_depend_on_the_other_rows(self) -> None:
        """At eval, a row has the same vectors alone as among others, in whatever order, however far it is padded."""
        model, batch = self.trained(), self.batch(12)
        found = _of(model, batch)
        alone = [_of(model, batches.part(batch, torch.tensor([row]))) for row in range(len(batch))]
        back = torch.arange(len(batch)).flip(0)
        turned, padded = _of(model, batches.part(batch, back)), _of(model, self._padded(batch))
        for name, values in found.items():
            checks.assert_near(torch.cat([one[name] for one in alone]), values)
            checks.assert_near(turned[name], values[back])
            checks.assert_near(padded[name], values)

    @promise("compute representations from weights and batch as `forward` does, and leave both as they are.")
    def test_representations_leave_model_and_batch_as_they_were(self) -> None:
        """Neither weights, buffers and mode of the model nor the batch change, and a second call gives the same."""
        model, batch = self.trained(), self.batch()
        before, trainable = batches.tensors(batches.clone(batch)), [p.requires_grad for p in model.parameters()]
        first = _of(model, batch)
        assert not model.training, "the model is in train mode"
        checks.assert_same(_of(model, batch), first)
        checks.assert_same(batches.tensors(batch), before)
        checks.assert_same(model.state_dict(), self._trained(DOMAINS))
        assert [p.requires_grad for p in model.parameters()] == trainable, "parameters were frozen, or thawed"

    def _padded(self, batch: Batch) -> Batch:
        return batches.padded(batch, self._rows().features, 3)


def _of(model: CTRModel, batch: Batch) -> dict[str, Tensor]:
    """The representations; a model that gives none skips the test."""
    with torch.no_grad():
        found = dict(model.representations(batch))
    if not found:
        pytest.skip("this model gives no representations")
    return found
