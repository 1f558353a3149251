"""What a model promises of randomness, devices and datasets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ctrbench.conduct.state import RANDOM
from ctrbench.errors import ConfigError
from ctrbench.testing import checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import COUNT, Subject, fitted, new_rows, other_fields, view
from ctrbench.testing.toy import DOMAINS, toy_items
from ctrbench.testing.world import generators_untouched
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers


class PlacePromises(Subject):
    """What a model promises of randomness, devices and datasets."""

    @promise("draw initial weights from torch's default generator, and seed nothing.")
    def test_the_seed_decides_the_weights(self) -> None:
        """The same seed gives the same weights, another seed others."""
        one, again, other = (checks.copied_state(self.build(seed=seed)) for seed in (0, 0, 1))
        checks.assert_same(again, one)
        assert checks.changed(other, one), "two seeds gave the same weights"

    @promise("never seed a generator, and draw from none but torch's default one.")
    def test_no_global_random_state_is_touched(self) -> None:
        """Construction and `loss` only draw from torch's default generator, and scoring draws nothing."""
        batch, ends = self.batch(), []
        with generators_untouched(RANDOM[:2]):
            for seed in (1, 2):
                with checks.seeded(seed):
                    model = self._kind()(self._settings(), self._featurizer().info, DOMAINS)
                    built = torch.get_rng_state()
                    model.train().loss(batch)
                    ends.append((built, torch.get_rng_state()))
                    checks.eval_logits(model, batch, checks.all_heads(model))
                    assert torch.equal(torch.get_rng_state(), ends[-1][1]), "scoring drew random numbers"
        for number, place in enumerate(("constructor", "loss")):
            assert not torch.equal(ends[0][number], ends[1][number]), f"the {place} seeded torch's generator"

    @promise("make weights with torch's own functions, and read no values of them (`.item()`) in the constructor.")
    def test_the_model_can_be_built_without_weights(self) -> None:
        """On the device `meta` the model is built, and its optimisers with it, without memory for weights."""
        with torch.device("meta"):
            model = self.build()
            build_optimizers(model.parameter_groups(), TrainConfig())
        real = [name for name, parameter in model.named_parameters() if not parameter.is_meta]
        checks.assert_none(real, "with memory")

    @promise("make tensors on the device of the batch (`device=batch.domain.device`), or once, as buffers.")
    def test_tensors_are_made_on_the_device_of_the_batch(self) -> None:
        """`forward` and `loss` run on the device that model and batch are on; here that is `meta`."""
        with torch.device("meta"):
            model = self.build()
        batch = self.batch().map(lambda tensor: tensor.to("meta"))
        try:
            model.loss(batch)
            model.eval()(batch)
        except (RuntimeError, NotImplementedError) as fault:
            if not any(words in str(fault) for words in ("on meta tensors", "data-independent")):
                raise
            pytest.skip("this model looks at values, which there are none of without a real device")

    @promise("leave this to `CTRModel.__init__`: call it before anything else.")
    def test_a_vocabulary_beyond_int32_is_refused(self) -> None:
        """More ids than int32 can count are an error that names the model."""
        info = replace(self._featurizer().info, vocabulary=2**31)
        with torch.device("meta"):
            message = checks.refused(ConfigError, self.build, info=info)
        checks.assert_names(message, self._kind().__name__)

    @promise(
        "set `needs_history` where a model means nothing without one; allow for fields that `info` lacks and for two "
        "histories, or refuse them by a `ConfigError` that names the model."
    )
    def test_datasets_may_have_few_fields_or_two_histories(self) -> None:
        """A model trains on fewer fields, and on two histories, or refuses the dataset when it is built."""
        for fields in other_fields():
            featurizer = fitted(self._kind(), self._settings(), fields)
            try:
                model = self.build(info=featurizer.info)
            except ConfigError as refusal:
                checks.assert_names(str(refusal), self._kind().__name__)
                continue
            has_history = any(field.kind == "history" for field in fields)
            assert has_history or not model.needs_history, "ConfigError was not raised where there is no history"
            checks.assert_works(model, view(featurizer, new_rows(), toy_items()).batch(torch.arange(COUNT)))
