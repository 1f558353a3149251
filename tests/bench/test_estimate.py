"""An estimate states what training would show, without training."""

import pytest
import torch

from ctrbench import registry
from ctrbench.bench.estimate import Estimate, estimate
from ctrbench.bench.execute import execute
from tests.bench.test_execute import planned
from tests.toys import write_toy


@pytest.mark.parametrize("name", ["deepfm", "mmoe", "uni_ctr"])
def test_parameters_and_steps_are_those_of_the_run(toy, tmp_path, name):
    guess, record = estimate(planned(toy, name), toy), execute(planned(toy, name), toy, tmp_path)
    assert guess.parameters == record.cost.parameters
    assert guess.parameters_trained == record.cost.parameters_trained
    assert guess.steps == record.cost.steps
    assert guess.flops > 0
    assert guess.seconds > 0
    assert guess.download_bytes == 0


@pytest.mark.parametrize("name", registry.names("models"))
def test_the_flops_of_every_model_are_known(toy, name):
    assert estimate(planned(toy, name), toy).flops > 0


def test_a_model_whose_output_is_a_view_of_its_weights_has_flops(toy, monkeypatch):
    from ctrbench.api import CTRModel, PerDomain

    class Bias(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.weight.expand(len(x))

    class Biased(registry.load("models", "mmoe")):
        def __init__(self, config, features, domains):
            CTRModel.__init__(self, config, features, domains)
            self.biases = PerDomain(Bias, domains)
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, batch):
            return self.biases(batch, batch.x["ids"]) + self.layer(torch.ones_like(batch.label)[:, None])[:, 0]

    run = planned(toy, "mmoe")
    monkeypatch.setattr(registry.Plugin, "load", lambda plugin: Biased)
    guess = estimate(run, toy)
    assert guess.unknown == ""
    assert guess.flops > 0


def test_what_is_unknown_has_a_reason(toy, monkeypatch):
    class Odd(registry.load("models", "mmoe")):
        def forward(self, batch):
            raise ValueError("no such rows")

    run = planned(toy, "mmoe")
    monkeypatch.setattr(registry.Plugin, "load", lambda plugin: Odd)
    guess = estimate(run, toy)
    assert guess.flops is None
    assert guess.unknown == "it does not run on tensors without data (ValueError: no such rows)"


def test_flops_of_a_linear_stack_are_counted(toy):
    """MMoE with one layer everywhere: 2 x in x out for each product, forward 3x, and the loss of scoring once."""
    small, large = (estimate(planned(toy, "mmoe", config={"tower_hidden": (width,)}), toy).flops for width in (64, 640))
    assert 3 < large / small < 10


def test_a_backbone_that_is_not_here_leaves_figures_unknown(toy):
    guess = estimate(planned(toy, "uni_ctr", config={"backbone": "nobody/nothing"}), toy)
    assert guess == Estimate(steps=10)


def test_nothing_random_is_touched(toy):
    before = torch.get_rng_state()
    estimate(planned(toy, "mmoe"), toy)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_batch_of_the_sample_is_counted(toy, monkeypatch):
    """A model without tokens costs the same per row, however the sample is cut."""
    whole = estimate(planned(toy, "mmoe"), toy).flops
    monkeypatch.setattr("ctrbench.bench.estimate._BATCH", 8)
    assert estimate(planned(toy, "mmoe"), toy).flops == pytest.approx(whole, rel=0.01)


def test_a_domain_without_train_rows_has_no_flops(tmp_path):
    """As a genre of MovieLens with a single row, whose only split is the test split."""
    data = write_toy(tmp_path / "toy", train=0)
    assert estimate(planned(data, "deepfm"), data).flops is None
