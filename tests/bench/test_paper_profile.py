"""The profile `paper` is the paper's configuration (its Section V-A and arXiv 2312.10743's tables), resolved."""

import pytest

from ctrbench.backbones.known import architecture_suffices
from ctrbench.backbones.load import empty_encoder
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from ctrbench_plugins.models.uni_ctr.config import Config, tap_layers
from tests.fakes import TITLES, FakeData

SINGLE = ("pnn", "dcn", "deepfm", "xdeepfm", "dien", "autoint", "fibinet", "inttower")


def rows(table):
    """Each row's resolved settings, by name."""
    return {
        facts.name: facts
        for facts in plan(
            TableSpec.find(table), FakeData({**TITLES, "digital_music": "Digital Music"}), profile="paper"
        ).models
    }


@pytest.fixture(scope="module")
def table3():
    return rows("table3")


def test_uni_ctr_is_the_papers(table3):
    config, train = table3["uni_ctr"].config, table3["uni_ctr"].train
    stated = {
        "backbone": "sheared-llama-1.3b",
        "tuning": "lora",
        "lora_rank": 8,
        "lora_alpha": 32,
        "tower": [512, 256, 128],
        "dropout": 0.3,
        "max_length": 256,
        "general": "paper",
        "block": "transformer",
    }
    assert {key: config[key] for key in stated} == stated
    trained = {"optimizer": "adamw", "batch_size": 128, "schedule": "cyclic", "lr_min": 1e-6, "lr": 8e-5}
    assert {key: train[key] for key in trained} == trained


def test_its_four_ladders_are_at_every_sixth_layer(table3):
    with architecture_suffices():
        layers = empty_encoder(table3["uni_ctr"].config["backbone"]).config.num_hidden_layers
    assert tap_layers(layers, Config.model_validate(table3["uni_ctr"].config)) == (6, 12, 18, 24)


def test_single_domain_models_end_in_the_papers_mlp_and_train_with_adam(table3):
    for name in SINGLE:
        assert table3[name].config["hidden"] == [512, 256, 128], name
        assert (table3[name].train["optimizer"], table3[name].train["lr"]) == ("adam", 1e-3), name


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("shared_bottom", {"bottom_hidden": [1024, 1024], "tower_hidden": [1024, 512, 256]}),
        ("mmoe", {"experts": 3, "expert_hidden": [1024, 512], "tower_hidden": [1024, 1024]}),
        ("ple", {"shared_experts": 1, "domain_experts": 2, "expert_hidden": [1024, 512], "tower_hidden": [1024, 1024]}),
        ("star", {"hidden": [1024, 512, 256], "auxiliary_hidden": [1024, 512, 256]}),
        # six specific experts: two for each of three domains
        ("sar_net", {"shared_experts": 2, "domain_experts": 2, "expert_hidden": [1024, 1024], "hidden": [1024, 512]}),
        ("dffm", {"hidden": [1024, 512, 256]}),
    ],
)
def test_multi_domain_models_have_the_papers_sizes(table3, name, stated):
    assert {key: table3[name].config[key] for key in stated} == stated


@pytest.mark.parametrize("table", ["fig3", "table1", "table4", "fig6"])
def test_tables_on_the_same_model_share_its_run(table, table3):
    here = rows(table)["uni_ctr"]
    assert (here.config, here.train) == (table3["uni_ctr"].config, table3["uni_ctr"].train)


def test_the_prompt_ablation_is_deberta_for_five_epochs():
    for facts in rows("table5").values():
        assert facts.config["backbone"] == "deberta-v3-large"
        assert facts.train["epochs"] == 5


def test_the_backbones_are_the_papers_with_four_ladders_each(table3):
    here = rows("fig4")
    names = ["tinybert-14m", "bert-base", "deberta-v3-large", "sheared-llama-1.3b"]
    assert [facts.config["backbone"] for facts in here.values() if facts.model == "uni_ctr"] == names
    assert here["llama"].config == table3["uni_ctr"].config
    for facts in here.values():
        if facts.model == "uni_ctr":
            with architecture_suffices():
                layers = empty_encoder(facts.config["backbone"]).config.num_hidden_layers
            assert len(tap_layers(layers, Config.model_validate(facts.config))) == 4
