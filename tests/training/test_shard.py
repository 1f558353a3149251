"""Which weights processes may share out; that it changes no result is tested in `tests/test_many_processes.py`."""

import pytest

from ctrbench.errors import ConfigError
from ctrbench.training.shard import _check_frozen, _outside, is_sharded
from tests.toys import build


def test_frozen_layers_with_adapters_may_be_shared_and_trained_ones_not():
    lora, _ = build("uni_ctr", tuning="lora")
    for part in lora.shardable():
        _check_frozen(lora, part)
    full, _ = build("uni_ctr", tuning="full")
    with pytest.raises(ConfigError, match="FSDP spreads frozen weights, and UniCTR trains those of its backbone"):
        _check_frozen(full, full.shardable()[0])


def test_a_module_around_the_parts_keeps_its_own_weights():
    model, _ = build("uni_ctr")
    *layers, around = model.shardable()
    own = _outside(around, [*layers, around])
    held = {weight for layer in layers for weight in layer.parameters()}
    assert own
    assert held
    assert own | held == set(around.parameters())
    assert not own & held
    assert _outside(layers[0], [*layers, around]) == set()


def test_a_model_without_such_parts_is_left_alone():
    model, _ = build("deepfm")
    assert model.shardable() == []
    assert not is_sharded(model)
