"""What a model can do is tried on the model itself, without weights."""

import pytest
import torch

from ctrbench import registry
from ctrbench.bench import build as build_module
from ctrbench.bench.abilities import abilities
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from tests.toys import DOMAINS, TINY, build


def of(data, name, **config):
    raw = {"schema": 1, "title": "T", "kind": "abilities", "domains": DOMAINS, "models": [name]}
    settings = {name: {"config": {**TINY[name], **config}}}
    made = plan(TableSpec.model_validate({**raw, "settings": settings}), data)
    return abilities(made.models[0], made.runs[0].spec, data)


@pytest.mark.parametrize("name", registry.names("models"))
def test_every_model_tells_what_it_can_do(toy, name):
    kind = registry.load("models", name)
    found = of(toy, name)
    assert found.fault is None
    assert found.generalization is kind.has_general_head
    assert found.scalability is (kind.category != "single_domain")


def test_a_language_model_alone_reads_text(toy):
    assert of(toy, "uni_ctr").semantics is True
    assert of(toy, "shared_bottom").semantics is False
    assert of(toy, "dien").semantics is False  # its history is a list of ids, not of tokens


def test_the_parameters_that_a_domain_adds_are_those_of_its_networks(toy):
    model, _ = build("mmoe")
    new = model.add_domain("toys")
    assert of(toy, "mmoe").added == sum(parameter.numel() for parameter in new)
    assert of(toy, "deepfm").added is None


def test_a_model_whose_weights_move_when_a_domain_comes_is_not_scalable(toy, monkeypatch):
    kind = registry.load("models", "mmoe")

    class Restless(kind):
        def add_domain(self, name):
            new = super().add_domain(name)
            self.experts[0][0].weight = torch.nn.Parameter(self.experts[0][0].weight * 2, requires_grad=False)
            return new

    monkeypatch.setattr(build_module.registry, "load", lambda group, name: Restless)
    assert of(toy, "mmoe").scalability is False


def test_a_backbone_that_is_not_here_leaves_the_rest_unknown(toy):
    found = of(toy, "uni_ctr", backbone="nobody/nothing")
    assert (found.semantics, found.generalization, found.scalability) == (None, True, None)
    assert "nobody/nothing" in found.fault


def test_nothing_random_is_touched(toy):
    before = torch.get_rng_state()
    of(toy, "mmoe")
    assert torch.equal(torch.get_rng_state(), before)
