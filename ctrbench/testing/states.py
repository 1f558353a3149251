"""What a model promises of its weights and settings."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch.testing import assert_close

from ctrbench.bench.taken import model_fault
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import COUNT, Subject, new_rows, view
from ctrbench.testing.toy import toy_items
from ctrbench.training.checkpoint import load_trained, trained_state
from ctrbench.training.fixed import FixedStates

_ROUNDING = 0.02
"""What half precision may move a logit by, at most: it keeps three digits of each state."""


class StatePromises(Subject):
    """What a model promises of its weights and settings."""

    @promise("make every tensor that `forward` reads a parameter or a buffer; freeze no weights that the seed decides.")
    def test_weights_go_through_a_file(self) -> None:
        """The `state_dict`, and what a checkpoint keeps of it, give a model of another seed the same logits."""
        model, batch = self.trained(), self.batch()
        logits = checks.eval_logits(model, batch, ["own"])
        other = self.build(seed=1)
        other.load_state_dict(checks.through_file(model.state_dict()))
        checks.assert_same(checks.eval_logits(other, batch, ["own"]), logits)
        other = self.build(seed=1)
        load_trained(other, checks.through_file(trained_state(model)))
        checks.assert_same(checks.eval_logits(other, batch, ["own"]), logits)

    @promise("set what the class says of itself as `ctrbench.api.CTRModel` has it.")
    def test_the_class_says_what_it_is(self) -> None:
        """Category, version, flags, `Config` and training settings of the class are ones that ctrbench takes."""
        fault = model_fault(self._kind())
        assert not fault, f"{self._kind().__name__} {fault}"

    @promise("give every field a default and an exact type that JSON can hold; derive `Config` from `CTRModel.Config`.")
    def test_settings_go_through_json(self) -> None:
        """A `Config` has defaults, is the same after a way through JSON, and refuses a key that it does not know."""
        kind = self._kind().Config
        for config in (kind(), self._settings()):
            there_and_back = kind.model_validate(json.loads(json.dumps(config.model_dump(mode="json"))))
            assert there_and_back == config, f"{config!r} became {there_and_back!r}"
            assert kind.model_validate_json(config.model_dump_json()) == config, "its JSON says something else"
        checks.assert_names(checks.refused(ValidationError, kind, **self.config, no_such_key=1), "no_such_key")

    @promise("return all that `fit` learned from the featurizer's `state`, as JSON values; read it in `load_state`.")
    def test_a_featurizers_state_goes_through_json(self) -> None:
        """A new featurizer with the state of a fitted one gives the same sizes and tensors."""
        state = json.loads(json.dumps(self._featurizer().state()))
        other = self._kind().featurizer(self._settings()).load_state(state)
        assert other.info == self._featurizer().info, f"{self._featurizer().info} became {other.info}"
        batch = view(other, new_rows(), toy_items()).batch(torch.arange(COUNT))
        checks.assert_same(batches.tensors(batch), batches.tensors(self.batch()))

    @promise(
        "read in `forward` what `fixed_states` gives from `batch.x`, under the same names, where it is there: cast it "
        "(`.float()`), and leave out what is padded."
    )
    def test_kept_states_say_the_same(self) -> None:
        """Fixed states that come back in half precision, and zero at padding, change no logit beyond rounding."""
        model, batch, lengths = self.trained(), self.batch(), self._rows().lengths
        states = FixedStates(model, "fp32")(batch)
        if not states or lengths is None:
            pytest.skip("nothing of this model's states is kept")
        for name, state in states.items():
            state[torch.arange(state.shape[1]) >= lengths[: len(batch), None]] = 0
            assert name not in batch.x, f"{name!r} is what the featurizer makes"
        kept = replace(batch, x={**batch.x, **states})
        logits = [checks.eval_logits(model, which, ["own"])["own"] for which in (kept, batch)]
        assert_close(*logits, atol=_ROUNDING, rtol=_ROUNDING)
