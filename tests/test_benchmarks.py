"""The benchmarks' own parts, on few rows: a peer for each of ours, the same rows, and rates above zero."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ctrbench import registry
from ctrbench.benchmarks.peers import PEER_SIZES, PEERS, Arrays, alike, build_peer, fit_peer, id_models
from ctrbench.benchmarks.speed import discovery, uni_ctr_gpu
from ctrbench.benchmarks.speed.flops import peak_of, train_flops
from ctrbench.benchmarks.speed.id_models import our_rate, random_rows
from ctrbench.benchmarks.speed.measure import in_turns, ratios, spread
from ctrbench.benchmarks.speed.shapes import DEBERTA, SHAPES, random_backbones, random_prompts
from ctrbench.benchmarks.speed.subject import uni_ctr
from ctrbench.benchmarks.speed.uni_ctr import our_scoring, our_training, spread_over, twins_scoring, twins_training
from ctrbench.benchmarks.speed.uni_ctr_frozen import EPOCHS, epoch_seconds
from ctrbench.benchmarks.speed.uni_ctr_prompts import naive_waste
from ctrbench.benchmarks.twin import NaiveTwin, naive_order
from ctrbench.features.order import padding, train_order
from ctrbench.features.ragged import Ragged
from tests.toys import DOMAINS, build, toy_batch, toy_rows, view

SIZES = {"user": 9, "item": 7, "genre": 3}


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_trains_and_predicts_on_our_rows(name):
    kind = registry.load("models", name)
    rows, info = random_rows(SIZES, 64, history=kind.needs_history)
    arrays = Arrays.of(rows, info)
    assert arrays.sizes == {field: size + 2 for field, size in SIZES.items()}
    config = kind.Config(**alike(name, 8), **PEER_SIZES[name])
    model = build_peer(name, config, arrays, seed=0)
    before = model.predict(arrays.of_model(model), 64)
    fit_peer(model, arrays, 32)
    after = model.predict(arrays.of_model(model), 64)
    assert before.shape[0] == len(rows)
    assert (before != after).any()


def test_a_peers_ids_are_ours():
    rows, info = random_rows(SIZES, 50, history=True)
    arrays = Arrays.of(rows, info)
    starts = [unseen - 1 for unseen in info.unseen]
    for place, field in enumerate(SIZES):
        assert (arrays.x[field] + starts[place] == rows.features["ids"][:, place].numpy()).all()
    history, mask = rows.features["history"].take(torch.arange(50))
    assert (arrays.x["seq_length"] == mask.sum(1).numpy()).all()
    assert (arrays.x["hist_item"][mask] + starts[1] == history[mask].numpy()).all()
    assert (arrays.x["neg_hist_item"][mask] >= 2).all()


def test_a_rate_is_measured():
    kind = registry.load("models", "deepfm")
    assert our_rate(kind, kind.Config(embedding_dim=4, hidden=(8,)), *random_rows(SIZES, 64, history=False)) > 0


def test_an_unknown_model_ends_the_script_with_the_known_ones():
    with pytest.raises(SystemExit, match="no ID model 'sta'; there are autoint"):
        id_models("deepfm,sta")


@pytest.fixture(params=["tiny-bert", "tiny-llama"])
def pair(request):
    """A Uni-CTR model, its twin, and a batch that holds no row of one domain."""
    model, featurizer = build("uni_ctr", backbone=request.param, general_weight=0.5)
    with torch.no_grad():
        for parameter in model.parameters():  # so that adapters, which start at zero, do something, and domains differ
            parameter.add_(0.02 * torch.randn_like(parameter))
    model.eval()
    batch = toy_batch(featurizer, count=24)
    kept = torch.where(batch.domain == 1, 0, batch.domain)
    assert len(kept.unique()) == len(DOMAINS) - 1
    return model, NaiveTwin(model), replace(batch, domain=kept)


def test_the_twins_loss_and_logits_are_ours(pair):
    model, twin, batch = pair
    torch.testing.assert_close(twin.loss(batch), model.loss(batch), atol=1e-4, rtol=0)
    ours = model.logits(batch, ("own", "general"))
    for head, logits in zip(("own", "general"), twin(batch), strict=True):
        torch.testing.assert_close(logits, ours[head], atol=1e-4, rtol=0)


def test_the_twins_gradients_are_ours(pair):
    model, twin, batch = pair
    gradients = []
    for side in (model, twin):
        side.zero_grad(set_to_none=True)
        side.loss(batch).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    ours, theirs = gradients
    assert any(gradient is None for gradient in ours.values())
    assert all(gradient is not None for gradient in theirs.values())
    for name, gradient in theirs.items():
        expected = torch.zeros_like(gradient) if ours[name] is None else ours[name]
        torch.testing.assert_close(gradient, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def test_the_twin_saves_nothing(pair):
    model, twin, batch = pair
    seen = []
    networks = [model.general, *(model.networks[name] for name in DOMAINS)]
    for network in networks:
        network.register_forward_pre_hook(lambda module, given: seen.append(tuple(given[0].shape)))
    with torch.no_grad():
        twin(batch)
    assert seen == [(len(batch), 256)] * len(networks)


def test_in_training_all_dropout_of_the_twin_is_on_and_ours_again_as_we_have_it(pair):
    model, twin, _ = pair
    assert all(module.training for module in twin.train().modules())
    assert not all(module.training for module in model.train().backbone.modules())
    assert not any(module.training for module in twin.eval().modules())


@pytest.fixture
def side():
    """A model and the rows that it sees."""
    model, featurizer = build("uni_ctr")
    return model, view(featurizer, toy_rows(70))


def test_every_side_of_uni_ctr_has_a_rate(side):
    model, rows = side
    twin = NaiveTwin(model, length=96)
    rates = {
        "train": our_training(model, rows, 32, steps=1),
        "twin": twins_training(twin, rows, 16),
        "score": our_scoring(model, rows, 32),
        "twin's score": twins_scoring(twin, rows, 16),
    }
    assert all(len(values) == 2 and min(values) > 0 for values in in_turns(rates, 2).values())


def test_both_sides_train(side):
    model, rows = side
    for rate in (our_training(model, rows, 32, steps=2), twins_training(NaiveTwin(model, 96), rows, 16)):
        before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        rate(0)
        assert all((p != before[name]).any() for name, p in model.named_parameters() if name in before)


def test_every_batch_holds_every_domain_that_rows_are_spread_over(side):
    _, rows = side
    order = train_order(rows, 32, 0, 0)
    assert sorted(map(len, order)) == [6, 32, 32]
    several = spread_over(rows, order, 5)
    assert all(len(several.batch(indices).groups) == 5 for indices in order)


def test_the_twins_order_holds_every_row_once_whatever_its_length(side):
    _, rows = side
    order = naive_order(rows, 32, seed=1)
    assert torch.cat(order).sort().values.tolist() == list(range(len(rows)))
    assert padding(rows, order).waste > 2 * padding(rows, train_order(rows, 32, 0, 0)).waste


def test_padding_to_one_length_wastes_the_rest(side):
    _, rows = side
    tokens = sum(rows.batch(torch.tensor([row])).x["input_ids"].shape[1] for row in range(len(rows)))
    assert naive_waste(rows) == pytest.approx(1 - tokens / (256 * len(rows)))


def test_epochs_on_a_frozen_backbone_are_timed():
    model, featurizer = build("uni_ctr", tuning="frozen")
    seconds = epoch_seconds(model, *(view(featurizer, toy_rows(40, seed=seed)) for seed in (0, 1)))
    assert len(seconds) == EPOCHS
    assert min(seconds) > 0


def test_numbers_are_told_with_their_range():
    assert spread([3.0, 1.0, 2.0]) == "2.0 (1.0-3.0)"
    assert spread([1234.5], 0) == "1,234"
    assert ratios([2.0, 9.0], [1.0, 3.0]) == "2.5 (2.0-3.0)"


@pytest.mark.parametrize("models", ["minilm", pytest.param(",".join(SHAPES), marks=pytest.mark.slow)])
def test_the_benchmark_for_gpus_runs_on_tiny_shapes(models, capsys):
    uni_ctr_gpu.main(["--tiny", "--models", models, "--peak", "1"])
    names = models.split(",")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    first, last = ([line for line in part if line and line[0] in names] for part in halves(lines))
    assert len(first) >= 5 * len(names)  # plain and with checkpointing at two lengths, and the twin
    assert [(line[0], line[1]) for line in last] == [(name, length) for name in names for length in ("12", "24")]
    assert all(float(line[-1]) > 0 for line in last)  # the ratio to the twin


def halves(lines):
    middle = lines.index(["the", "fastest", "of", "each"])
    return lines[:middle], lines[middle:]


def test_a_measurement_that_fails_is_a_line_that_says_so(monkeypatch, capsys):
    def rate(loss, optimizers, rows, batch_size, plan, precision):
        if precision == "bf16":
            raise RuntimeError("no such kernel\nin line 7")
        if batch_size > 2:
            raise torch.OutOfMemoryError("a lot was asked for")
        return 5.0

    monkeypatch.setattr(uni_ctr_gpu, "steady_rate", rate)
    uni_ctr_gpu.main(["--tiny", "--models", "minilm"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("minilm")]
    assert len(lines) == 5
    assert all(line.endswith("8 RuntimeError: no such kernel") for line in lines[:4])
    assert lines[4].split()[:5] == ["minilm", "12", "twin", "2", "5.0"]


def test_the_benchmark_for_gpus_begins_nothing_when_its_time_is_over(capsys):
    uni_ctr_gpu.main(["--tiny", "--models", "minilm", "--minutes", "0"])
    assert "no time was left for 5 more" in capsys.readouterr().out


@pytest.mark.parametrize("name", SHAPES)
def test_operations_are_those_that_torch_counts(name, monkeypatch):
    monkeypatch.setitem(DEBERTA, "position_buckets", 8)  # transformers computes all of them, however short the prompt
    length, count = 24, 6
    with random_backbones(torch.device("cpu"), tiny=True):
        model = uni_ctr(backbone=name).train()
    prompts = Ragged(torch.arange(count * length) % 90, torch.arange(count + 1) * length, mask="attention_mask")
    rows = replace(random_prompts(count, length, 100), features={"input_ids": prompts})
    # attention as plain products, the only kind that torch counts on a CPU
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.loss(rows.batch(torch.arange(count))).backward()
    config = model.backbone.config
    masked = (
        6 * config.num_hidden_layers * config.hidden_size * length**2 if model.causal else 0
    )  # computed for nothing
    expected = counter.get_total_flops() / count - masked
    assert train_flops(model, length) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("device", "tera"), [("NVIDIA H200", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA L40S", 362), ("NVIDIA T4", None)]
)
def test_peaks_of_gpus(device, tera):
    assert peak_of(device) == (tera and tera * 1e12)


def test_discovery_is_measured_over_distributions_that_can_be_imported(monkeypatch, tmp_path, capsys):
    discovery.install_many(tmp_path, 2)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.load("models", "model_1").__module__ == "stranger_1"
    assert discovery.seconds(tmp_path, ("-c", "import stranger_0.tables")) > 0
    monkeypatch.setattr(discovery, "seconds", lambda folder, words: 6.0 if "load()" in words[-1] else 2.0)
    discovery.main(["--distributions", "2", "--turns", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "2 distributions, 8 plugins"
    assert lines[-1] == "imports / list: 3.0"
