import pytest

from ctrbench import registry
from ctrbench._version import API_VERSION
from ctrbench.errors import PluginError
from tests.fakes import FAKES, entry, register, register_models


def test_plugins_are_listed_without_importing_them(monkeypatch):
    register(monkeypatch, entry("ctrbench.models", "broken", "no_such_module:Model"))
    assert registry.names("models") == ["broken"]


def test_a_plugin_loads_the_object_it_points_to(monkeypatch):
    register_models(monkeypatch)
    assert registry.load("models", "single").__name__ == "Single"


def test_a_typo_gets_the_nearest_name(monkeypatch):
    register_models(monkeypatch)
    with pytest.raises(PluginError, match=r"^unknown model 'singel'\. Did you mean 'single'\?$"):
        registry.find("models", "singel")


def test_dashes_and_capitals_are_near(monkeypatch):
    register(monkeypatch, entry("ctrbench.models", "uni_ctr", FAKES["single"]))
    with pytest.raises(PluginError, match="Did you mean 'uni_ctr'"):
        registry.find("models", "Uni-CTR")


def test_a_name_like_no_other_gets_all_names(monkeypatch):
    register_models(monkeypatch)
    with pytest.raises(PluginError, match=r"Known: language, multi, single\."):
        registry.find("models", "xyz")


def test_two_distributions_with_one_name_are_both_named(monkeypatch):
    ours = entry("ctrbench.models", "same", FAKES["single"], "ours")
    theirs = entry("ctrbench.models", "same", FAKES["multi"], "theirs")
    register(monkeypatch, ours, theirs)
    with pytest.raises(PluginError, match=r"'same' is claimed by ours 1\.0 .* and theirs 1\.0"):
        registry.find("models", "same")
    assert [plugin.distribution for plugin in registry.plugins("models")] == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("distributions", "advice"),
    [
        (("ctrbench", "thief"), "; uninstall thief, or rename it there"),
        (("one", "two"), "; uninstall one of them"),
        (("mine", "mine"), "; rename all but one of them in mine, or uninstall mine"),
    ],
)
def test_who_shares_a_name_is_told_what_to_do_and_never_to_do_without_ctrbench(monkeypatch, distributions, advice):
    values = (FAKES["single"], FAKES["multi"])
    pairs = zip(values, distributions, strict=True)
    register(monkeypatch, *(entry("ctrbench.models", "same", value, whose) for value, whose in pairs))
    with pytest.raises(PluginError) as caught:
        registry.find("models", "same")
    assert str(caught.value).endswith(advice)


def test_what_pydantic_refuses_at_import_names_key_value_and_what_may_stand(monkeypatch, tmp_path):
    text = "from ctrbench.api import Field\nField(name='price', kind='numeric', of='item')"
    (tmp_path / "pydantic_plugin.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    register(monkeypatch, entry("ctrbench.models", "mine", "pydantic_plugin:Model", "their-package"))
    with pytest.raises(PluginError) as caught:
        registry.load("models", "mine")
    told = "kind in Field: input should be 'id', 'number', 'history' or 'text', not 'numeric'"
    assert told in str(caught.value)


def test_a_collision_does_not_touch_other_names(monkeypatch):
    same = [entry("ctrbench.models", "same", value) for value in FAKES.values()]
    register(monkeypatch, *same, entry("ctrbench.models", "other", FAKES["single"]))
    assert registry.load("models", "other").__name__ == "Single"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("no_such_module:Model", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("tests.fakes:Missing", "AttributeError"),
        ("my-package:Model", "cannot be imported from my-package:Model (that is not `module:object`); repair"),
        ("exploding_plugin:Model", "RuntimeError: boom"),
        ("leaving_plugin:Model", "SystemExit"),
        ("panicking_plugin:Model", "Panic: in Rust"),
    ],
)
def test_a_broken_plugin_is_one_sentence_with_plugin_distribution_and_fault(monkeypatch, tmp_path, value, fault):
    (tmp_path / "exploding_plugin.py").write_text("raise RuntimeError('boom\\nwith a second line')")
    (tmp_path / "panicking_plugin.py").write_text("class Panic(BaseException): pass\nraise Panic('in Rust')")
    (tmp_path / "leaving_plugin.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    register(monkeypatch, entry("ctrbench.models", "mine", value, "their-package"))
    with pytest.raises(PluginError) as caught:
        registry.load("models", "mine")
    message = str(caught.value)
    assert "'mine'" in message
    assert "their-package 1.0" in message
    assert fault in message
    assert "\n" not in message


def test_the_built_in_plugins_are_registered_as_a_strangers_would_be():
    assert {"deepfm", "mmoe", "uni_ctr"} <= set(registry.names("models"))
    assert {plugin.distribution for plugin in registry.plugins("models")} >= {"ctrbench"}


def test_the_built_ins_state_which_api_they_are_built_for():
    plugins = [one for kind in ("models", "datasets", "backbones", "tables") for one in registry.plugins(kind)]
    built_in = [plugin for plugin in plugins if plugin.distribution == "ctrbench"]
    assert {plugin.kind for plugin in built_in} == set(registry.GROUPS)
    assert {plugin.stated_api(plugin.load()) for plugin in built_in} == {API_VERSION}
