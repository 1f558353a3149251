import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ctrbench.bench.settings import Differences, merge, parse_overrides, resolve
from ctrbench.errors import ConfigError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rank: int = 8
    alpha: int = 32


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    dim: int = 16
    lora: Inner = Inner()
    many: dict[str, Inner] = {}


def test_later_layers_win_key_by_key():
    merged = merge({"a": 1, "b": {"x": 1, "y": 2}}, {"b": {"x": 3}}, {"c": 4})
    assert merged == {"a": 1, "b": {"x": 3, "y": 2}, "c": 4}


def test_merging_changes_no_layer():
    layer = {"b": {"x": 1}}
    merge(layer, {"b": {"x": 2}})
    assert layer == {"b": {"x": 1}}


def test_what_no_layer_sets_is_the_classs_default():
    assert resolve(Outer, [("one", {"lora": {"rank": 4}})]).lora == Inner(rank=4, alpha=32)


def test_an_unknown_key_names_the_layer_that_brought_it():
    layers = [("the table", {"dim": 3}), ("--set m.config", {"dmi": 4})]
    with pytest.raises(ConfigError, match=r"^unknown key 'dmi' in --set m\.config\. Did you mean 'dim'\?$"):
        resolve(Outer, layers)


@pytest.mark.parametrize("settings", [{"lora": {"rnak": 1}}, {"many": {"any": {"rnak": 1}}}])
def test_an_unknown_nested_key_gets_the_nearest_nested_key(settings):
    with pytest.raises(ConfigError, match=r"rnak' in the table\. Did you mean 'rank'\?"):
        resolve(Outer, [("the table", settings)])


def test_a_wrong_value_names_key_place_and_value():
    with pytest.raises(ConfigError, match=r"^lora\.rank in the table: input should be .* not 'four'$"):
        resolve(Outer, [("the table", {"lora": {"rank": "four"}}), ("--set", {})])


class Strict(BaseModel):
    sizes: tuple[int, ...] = Field((4,), min_length=1)
    dim: int = 4
    heads: int = 2

    @field_validator("heads")
    @classmethod
    def _even(cls, heads):
        if heads % 2:
            raise ValueError("heads must be even")
        return heads

    @model_validator(mode="after")
    def _divides(self):
        if self.dim % self.heads:
            raise ValueError(f"heads {self.heads} must divide dim {self.dim}")
        return self


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sizes": 8}, "sizes in the table: input should be a list, as in [16, 8], not 8"),
        ({"sizes": []}, "sizes in the table: the list should have at least 1 item, not []"),
        ({"heads": 3}, "heads: heads must be even, not 3 (in the table)"),
        ({"dim": 3}, "heads 2 must divide dim 3 (in the table)"),
    ],
)
def test_a_fault_says_what_is_allowed_and_what_was_given(settings, sentence):
    with pytest.raises(ConfigError) as caught:
        resolve(Strict, [("the class", {}), ("the table", settings), ("--set", {})])
    assert str(caught.value) == sentence


def test_overrides_are_toml_values_by_model():
    found = parse_overrides(
        [
            "a.config.dim=4",
            "a.config.lora.rank=2",
            "a.train.lr=1e-4",
            "b.config.layers=[1, 2]",
            "b.config.on=true",
        ]
    )
    assert found == {
        "a": Differences(config={"dim": 4, "lora": {"rank": 2}}, train={"lr": 1e-4}),
        "b": Differences(config={"layers": [1, 2], "on": True}),
    }


@pytest.mark.parametrize("word", ["tiny-bert", "owner/name", "./folder", "cyclic"])
def test_bare_words_need_no_quotes(word):
    assert parse_overrides([f"a.config.backbone={word}"])["a"].config == {"backbone": word}


@pytest.mark.parametrize("text", ["a", "a.config", "a.config=1", "a.config.x", "a.confg.x=1", "config.x=1"])
def test_an_override_without_model_part_or_value_shows_how_to_write_it(text):
    with pytest.raises(ConfigError, match=r"write MODEL\.config\.KEY=VALUE"):
        parse_overrides([text])


def test_an_override_that_is_no_toml_is_an_error():
    with pytest.raises(ConfigError, match="is not a TOML value"):
        parse_overrides(["a.config.x=[1, 2"])
