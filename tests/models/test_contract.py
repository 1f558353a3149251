"""The base of every model, and settings that no model can have. What models promise is in `ctrbench.testing`."""

import pytest
from pydantic import ValidationError
from torch import nn

from ctrbench import registry
from ctrbench.bench.settings import parse_overrides
from ctrbench.errors import ConfigError
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.models.contract import CTRModel
from ctrbench.testing import ModelTests, checks
from tests.fakes import FakeData, make_plan, table
from tests.toys import TINY

every = pytest.mark.parametrize("name", registry.names("models"))
LARGE = {"uni_ctr"}
"""Models whose many settings take more than some seconds to try, one after another."""


class Frozen(CTRModel):
    """A frozen part with dropout, and a part that learns."""

    category = "single_domain"

    def __init__(self, *args):
        super().__init__(*args)
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(2, 1), nn.Dropout())

    def forward(self, batch):
        return self.head(self.backbone(batch.x["numbers"]))[:, 0]


def test_frozen_parts_stay_in_eval_mode():
    model = Frozen(Frozen.Config(), FeatureInfo(), ("books",)).train()
    assert model.head[1].training
    assert not model.backbone[0].training


def test_a_model_needs_a_domain():
    with pytest.raises(ConfigError, match="Frozen needs at least one training domain"):
        Frozen(Frozen.Config(), FeatureInfo(), ())


def test_a_vocabulary_beyond_int32_names_model_value_and_limit():
    with pytest.raises(ConfigError, match=r"Frozen cannot .* 2,147,483,648 ids; at most 2,147,483,647 are allowed"):
        Frozen(Frozen.Config(), FeatureInfo(vocabulary=2**31), ("books",))


def test_a_model_that_needs_history_says_what_is_missing():
    kind = type("Sequential", (Frozen,), {"needs_history": True})
    with pytest.raises(ConfigError, match="Sequential needs a history field and an id field 'item'"):
        kind(kind.Config(), FeatureInfo(ids=("user",)), ("books",))


def kinds_of(schema):
    """What a field may be, from its JSON schema."""
    return schema.get("anyOf", [schema])


def impossible(schema):
    """A value that no setting of this kind can have."""
    for kind in kinds_of(schema):
        if "enum" in kind:
            yield "no such kind"
        elif kind.get("type") in ("integer", "number"):
            yield -1
        elif kind.get("type") == "array" and kind["items"].get("type") == "integer":
            yield from ([-1],) if kind["items"].get("minimum") == 0 else ([0], [-1])


def smallest(schema):
    """Values at the edge of what a setting of this kind can have, and every choice where there are choices."""
    edges = {"integer": [1], "number": [0.0], "array": [[]], "boolean": [False, True], "null": [None]}
    for kind in kinds_of(schema):
        yield from kind.get("enum", edges.get(kind.get("type"), []))


@every
def test_an_impossible_value_is_refused_in_a_sentence_with_model_field_value_and_what_is_allowed(name):
    kind = registry.load("models", name)
    for field, schema in kind.Config.model_json_schema()["properties"].items():
        for value in impossible(schema):
            with pytest.raises(ValidationError) as caught:
                kind.Config(**{field: value})
            assert caught.value.errors()[0]["loc"][0] == field
            sentence = refusal(f"{name}.config.{field}={value}")
            number = value[0] if isinstance(value, list) else value
            assert sentence.startswith(field)
            assert f"in --set {name}.config: input should be " in sentence
            assert sentence.endswith(f", not {number!r}")
            assert "\n" not in sentence


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in registry.names("models")]
)
def test_what_a_config_accepts_can_be_built_and_trained(name):
    kind = registry.load("models", name)
    for field, schema in kind.Config.model_json_schema()["properties"].items():
        for value in smallest(schema):
            config = {**TINY.get(name, {}), field: value}
            try:
                kind.Config(**config)
            except ValidationError:
                continue
            tests = type("Tests", (ModelTests,), {"model": name, "config": config})
            checks.assert_works(tests.build(), tests.batch(8))


def refusal(*settings):
    """What `ctrbench run --set ...` says."""
    overrides = parse_overrides(settings)
    (name,) = overrides
    with pytest.raises(ConfigError) as caught:
        make_plan(data=FakeData(), spec=table(models=[name], reference=name), overrides=overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("mmoe.config.experts=0", "experts in --set mmoe.config: input should be greater than 0, not 0"),
        ("autoint.config.heads=0", "heads in --set autoint.config: input should be greater than 0, not 0"),
        (
            "fibinet.config.bilinear=foo",
            "bilinear in --set fibinet.config: input should be 'all', 'each' or 'interaction', not 'foo'",
        ),
        (
            "deepfm.config.dropout=-1",
            "dropout in --set deepfm.config: input should be greater than or equal to 0, not -1",
        ),
        ("deepfm.config.hidden=64", "hidden in --set deepfm.config: input should be a list, as in [16, 8], not 64"),
        (
            "dffm.config.heads=3",
            "heads 3 must divide embedding_dim 32: every head gets equal width (in --set dffm.config)",
        ),
        (
            "inttower.config.hidden=[]",
            "hidden is empty: a tower needs at least one layer, such as (300,) (in --set inttower.config)",
        ),
        (
            "dffm.config.micro_hidden=[]",
            "micro_hidden in --set dffm.config: the list should have at least 1 item, not []",
        ),
        ("deepfm.config.dropuot=0.1", "unknown key 'dropuot' in --set deepfm.config. Did you mean 'dropout'?"),
    ],
)
def test_what_the_command_line_says(setting, sentence):
    assert refusal(setting) == sentence


SINGLE = {"embedding_dim": 32, "hidden": (512, 256, 128), "dropout": 0.3}
MULTI = {"embedding_dim": 32, "dropout": 0.3}
TABLE3 = {
    "pnn": {**SINGLE, "product": "inner"},
    "dcn": {**SINGLE, "cross_layers": 6},
    "deepfm": SINGLE,
    "xdeepfm": {**SINGLE, "cin": (200, 200, 200), "cin_activation": "identity", "cin_split": False},
    "dien": {**SINGLE, "auxiliary_weight": 1.0},
    "autoint": {**SINGLE, "layers": 3, "heads": 2, "head_dim": 32, "deep": True},
    "fibinet": {**SINGLE, "reduction": 3, "bilinear": "interaction"},
    "inttower": {**SINGLE, "hidden": (300, 300, 300), "heads": 2, "head_dim": 64, "temperature": 0.07},
    "shared_bottom": {**MULTI, "bottom_hidden": (1024, 1024), "tower_hidden": (1024, 512, 256)},
    "mmoe": {**MULTI, "experts": 3, "expert_hidden": (1024, 512), "tower_hidden": (1024, 1024)},
    "ple": {
        **MULTI,
        "shared_experts": 1,
        "domain_experts": 2,
        "expert_hidden": (1024, 512),
        "tower_hidden": (1024, 1024),
    },
    "star": {**MULTI, "hidden": (1024, 512, 256), "auxiliary_hidden": (1024, 512, 256)},
    "sar_net": {
        **MULTI,
        "shared_experts": 2,
        "domain_experts": 2,
        "expert_hidden": (1024, 1024),
        "hidden": (1024, 512),
    },
    "dffm": {**MULTI, "hidden": (1024, 512, 256)},
    "uni_ctr": {
        "ladders": "auto",
        "frequency": "auto",
        "tower": (512, 256, 128),
        "dropout": 0.3,
        "lora_rank": 8,
        "lora_alpha": 32,
    },
    "uni_ctr_ids": {"depth": 24, "ladders": "auto", "tower": (512, 256, 128), "dropout": 0.3},
}
"""The settings of the Uni-CTR paper's Table III, and of each model's own paper where that is silent."""


@every
def test_a_models_own_settings_are_its_papers(name):
    config = registry.load("models", name).Config()
    assert {key: getattr(config, key) for key in TABLE3[name]} == TABLE3[name]


def test_the_last_domain_stays():
    model = Frozen(Frozen.Config(), FeatureInfo(), ("books",))
    with pytest.raises(ConfigError, match="'books' is the last domain of this Frozen"):
        model.remove_domain("books")
