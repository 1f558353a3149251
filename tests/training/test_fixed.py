"""What identifies a model's fixed states, and what becomes of their numbers."""

import pytest
import torch

from ctrbench.errors import ConfigError, PluginError
from ctrbench.features.loader import Rows
from ctrbench.features.ragged import Ragged
from ctrbench.training.fixed import FixedStates
from tests.toys import build, toy_rows, view
from tests.training.state_cases import (
    INDICES,
    TRAIN,
    VALID,
    WIDTH,
    Stub,
    entries,
    prepare,
)

pytestmark = pytest.mark.usefixtures("cache")


def changed_weights():
    model = Stub()
    with torch.no_grad():
        model.table.weight[3, 1] += 1e-3
    return {"model": model}


def changed_tokens():
    ragged = TRAIN.features["input_ids"]
    values = ragged.values.clone()
    values[5] += 1
    changed = Rows({"input_ids": Ragged(values, ragged.offsets, mask="attention_mask")}, TRAIN.domain, *facts())
    return {"splits": (changed, VALID)}


def changed_ends():
    """The same tokens, otherwise divided into rows."""
    ragged = TRAIN.features["input_ids"]
    offsets = ragged.offsets.clone()
    offsets[1:-1] = torch.sort(torch.randint(0, int(offsets[-1]), (39,))).values
    return {
        "splits": (
            Rows({"input_ids": Ragged(ragged.values, offsets, mask="attention_mask")}, TRAIN.domain, *facts()),
            VALID,
        )
    }


def facts():
    return TRAIN.domains, TRAIN.label, TRAIN.row_id


class Buffered(Stub):
    def __init__(self, value):
        super().__init__()
        self.register_buffer("shift", torch.as_tensor(value), persistent=False)


@pytest.mark.parametrize(
    "other",
    [
        changed_weights,
        changed_tokens,
        changed_ends,
        lambda: {"model": Stub(Stub.Config(scale=2.0))},
        lambda: {"model": Buffered(1.0)},
        lambda: {"precision": "bf16"},
        lambda: {"batch_size": 9},
        lambda: {"splits": (VALID, TRAIN)},
    ],
)
def test_all_that_states_depend_on_makes_another_entry(other, cache):
    prepare()
    prepare()
    assert len(entries(cache)) == 1
    prepare(**other())
    assert len(entries(cache)) == 2


def test_buffers_and_the_models_version_count(cache, monkeypatch):
    prepare(Buffered(1.0))
    prepare(Buffered(2.0))
    assert len(entries(cache)) == 2
    monkeypatch.setattr(Buffered, "version", "2")
    prepare(Buffered(2.0))
    assert len(entries(cache)) == 3


def test_trained_weights_do_not_count(cache):
    prepare()
    model = Stub()
    with torch.no_grad():
        model.head[1].weight += 1
    prepare(model)
    assert len(entries(cache)) == 1


def key(model, shapes=None):
    return FixedStates(model, "fp32").key(shapes or {"hidden": (WIDTH,)}, [TRAIN], [INDICES])


def test_the_kind_of_model_counts():
    class Other(Stub):
        pass

    assert key(Stub()) == key(Stub())
    assert key(Stub()) != key(Other())


def test_the_kind_of_device_counts(monkeypatch):
    here = key(Stub())
    monkeypatch.setattr(FixedStates, "_device", torch.device("cuda"))
    assert key(Stub()) != here


def test_the_shapes_of_states_count():
    assert key(Stub()) != key(Stub(), {"hidden": (2, WIDTH)})


def test_equal_bytes_of_another_type_or_shape_are_another_key():
    numbers = torch.zeros(4)
    keys = {key(Buffered(value)) for value in (numbers, numbers.int(), numbers.view(2, 2), numbers.clone())}
    assert len(keys) == 3


def test_a_model_may_say_which_settings_its_states_depend_on():
    class Scaled(Stub):
        class Config(Stub.Config):
            dropout: float = 0.2

        def fixed_settings(self):
            return {"scale": self.config.scale}

    usual = key(Scaled())
    assert key(Scaled(Scaled.Config(dropout=0.5))) == usual
    assert key(Scaled(Scaled.Config(scale=2.0))) != usual


def frozen_uni_ctr(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, featurizer = build("uni_ctr", **{"tuning": "frozen", **settings})
    return FixedStates(model, "fp32"), view(featurizer, toy_rows(12))


def key_of_uni_ctr(**settings):
    compute, rows = frozen_uni_ctr(**settings)
    return compute.key(compute.shapes(rows), [rows], [])


def test_states_of_uni_ctr_serve_any_networks_on_them():
    usual = key_of_uni_ctr()
    for setting in ({"tower": (8,)}, {"dropout": 0.1}, {"general_weight": 0.5}, {"gate": "add"}, {"narrowing": 2}):
        assert key_of_uni_ctr(**setting) == usual


def test_states_of_uni_ctr_depend_on_backbone_and_taps():
    usual = key_of_uni_ctr(taps=(1, 2))
    for setting in ({"taps": (2,)}, {"taps": (0, 2)}, {"taps": (1, 2), "backbone_dtype": "bf16"}):
        assert key_of_uni_ctr(**setting) != usual


def test_the_backbones_architecture_counts():
    compute, rows = frozen_uni_ctr()
    usual = compute.key({}, [rows], [])
    compute.model.backbone.config.hidden_act = "relu"
    assert compute.key({}, [rows], []) != usual


def test_the_strength_of_frozen_adapters_counts():
    """Their weights are the same, and what they add to the backbone's is not."""
    keys = set()
    for alpha in (8, 16):
        compute, rows = frozen_uni_ctr(tuning="lora", lora_alpha=alpha)
        compute.model.requires_grad_(False)
        keys.add(compute.key({}, [rows], []))
    assert len(keys) == 2


class Hungry(Stub):
    def fixed_states(self, batch):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().fixed_states(batch)


def test_where_memory_runs_out_the_batch_and_what_to_lower_are_named():
    with pytest.raises(ConfigError, match=r"out of memory on 8 rows x \d+ tokens; lower train.score_batch_size$"):
        prepare(Hungry())
    train, _ = prepare(Hungry(), limit=0)
    with pytest.raises(ConfigError, match=r"on 5 rows x .* lower train.batch_size or train.score_batch_size$"):
        train.batch(INDICES)


def test_memory_that_does_not_even_suffice_for_one_row_is_one_sentence():
    class Starving(Stub):
        def fixed_states(self, batch):
            raise MemoryError

    with pytest.raises(ConfigError, match="out of memory on 1 rows"):
        prepare(Starving())


@pytest.mark.parametrize("training", [True, False])
def test_states_are_computed_in_eval_mode_and_the_model_is_left_as_it_was(training):
    class Probe(Stub):
        def fixed_states(self, batch):
            assert not self.training
            assert not torch.is_grad_enabled()
            return super().fixed_states(batch)

    model = Probe().train(training)
    prepare(model)
    assert model.training is training


def test_values_beyond_half_precision_become_its_largest():
    train, _ = prepare(Stub(Stub.Config(scale=1e6)))
    states = train.batch(INDICES).x["hidden"]
    assert torch.isfinite(states).all()
    assert states.abs().max() == 65504
    assert torch.equal(states, prepare(Stub(Stub.Config(scale=1e6)), limit=0)[0].batch(INDICES).x["hidden"])


def test_a_model_without_fixed_states_keeps_its_rows_and_touches_nothing(cache):
    model, featurizer = build("deepfm")
    splits = [view(featurizer, toy_rows(20)), view(featurizer, toy_rows(10, 100))]
    assert all(a is b for a, b in zip(prepare(model, splits), splits, strict=True))
    assert not cache.exists()


def test_states_of_a_wrong_shape_are_one_sentence():
    class Wrong(Stub):
        def fixed_states(self, batch):
            return {"hidden": torch.zeros(len(batch), WIDTH)}

    with pytest.raises(PluginError, match=r"Wrong gave 'hidden' of shape \(1, 4\)"):
        prepare(Wrong())


def test_several_tensors_per_token_and_none_of_width():
    class Two(Stub):
        def fixed_states(self, batch):
            hidden = self.table(batch.x["input_ids"])
            return {"pair/of": torch.stack([hidden, -hidden], 2), "sum": hidden.sum(-1)}

    x = prepare(Two())[0].batch(INDICES).x
    mask = x["attention_mask"]
    assert x["pair/of"].shape == (*mask.shape, 2, WIDTH)
    assert torch.equal(x["pair/of"][:, :, 0], -x["pair/of"][:, :, 1])
    plain = Stub().fixed_states(TRAIN.batch(INDICES))["hidden"].sum(-1).half()
    assert torch.equal(x["sum"], plain * mask)
