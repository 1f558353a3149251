"""A plugin that does not fit this ctrbench is refused in one sentence that says which of them to change."""

import pytest

from ctrbench import api, deprecations, registry
from ctrbench._version import API_VERSION, __version__
from ctrbench.bench import catalog
from ctrbench.compatibility import required
from ctrbench.deprecations import Deprecation
from ctrbench.errors import ConfigError, PluginError
from tests.fakes import entry, register


@pytest.fixture
def plugin(monkeypatch, tmp_path, request):
    """Writes a module of the distribution `acme-ctr` 1.0, and registers an object of it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"acme_{abs(hash(request.node.name))}"

    def write(text, kind="models", value="Model", requires=None):
        (tmp_path / f"{module}.py").write_text(text)
        register(monkeypatch, entry(f"ctrbench.{kind}", "acme", f"{module}:{value}", "acme-ctr"))
        if requires is not None:
            info = tmp_path / "acme_ctr-1.0.dist-info"
            info.mkdir()
            lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-ctr\nVersion: 1.0\n{lines}\n")
        return registry.find(kind, "acme")

    return write


def refusal(found):
    with pytest.raises(PluginError) as caught:
        found.load()
    message = str(caught.value)
    assert "\n" not in message
    assert "the model plugin 'acme' of acme-ctr 1.0 " in message
    return message


STATED = f"class Model:\n    api_version = {API_VERSION}"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("models", "Model", STATED),
        ("models", "Model", "class Model: pass"),
        ("datasets", "Model", STATED),
        ("backbones", "resolve", f"def resolve(name): pass\nresolve.api_version = {API_VERSION}"),
        ("backbones", "resolve", f"api_version = {API_VERSION}\ndef resolve(name): pass"),
    ],
)
def test_what_is_built_for_this_version_or_says_nothing_is_loaded(plugin, kind, value, text):
    assert plugin(text, kind, value).load().__name__ == value


def test_the_object_has_the_word_over_its_module(plugin):
    found = plugin(f"api_version = {API_VERSION + 1}\n{STATED}")
    assert found.stated_api(found.load()) == API_VERSION


def test_a_newer_plugin_asks_for_a_newer_ctrbench(plugin):
    assert refusal(plugin("class Model: api_version = 7")) == (
        "the model plugin 'acme' of acme-ctr 1.0 is built for version 7 of ctrbench.api, "
        f"and ctrbench {__version__} speaks version {API_VERSION}; update ctrbench, or install an older acme-ctr"
    )


def test_an_older_plugin_is_loaded_as_long_as_its_version_is_spoken(plugin, monkeypatch):
    monkeypatch.setattr(registry, "API_VERSION", 3)
    monkeypatch.setattr(registry, "OLDEST_API_VERSION", 2)
    monkeypatch.setattr("ctrbench.compatibility.API_VERSION", 3)
    monkeypatch.setattr("ctrbench.compatibility.OLDEST_API_VERSION", 2)
    found = plugin("class Model: api_version = 1\nclass Later: api_version = 2")
    assert refusal(found) == (
        "the model plugin 'acme' of acme-ctr 1.0 is built for version 1 of ctrbench.api, "
        f"and ctrbench {__version__} speaks versions 2 to 3; update acme-ctr, or install an older ctrbench"
    )
    assert registry.Plugin("models", "later", found.value.replace("Model", "Later"), "acme-ctr", "1.0").load()


@pytest.mark.parametrize("stated", ["'1'", "1.0", "True"])
def test_what_is_no_number_is_no_version(plugin, stated):
    told = refusal(plugin(f"class Model: api_version = {stated}"))
    assert f"states api_version {stated}, which is no version of ctrbench.api" in told
    assert told.endswith("repair or update acme-ctr")


def test_tables_for_another_version_are_refused_without_being_imported(monkeypatch, tmp_path):
    for name, stated in (("newer", "7"), ("fitting", str(API_VERSION)), ("typed", "API"), ("silent", None)):
        (tmp_path / f"{name}_specs").mkdir()
        (tmp_path / f"{name}_specs" / f"{name}.toml").write_text("")
        text = "raise RuntimeError('imported')\n" + (f"api_version: int = {stated}\n" if stated else "")
        (tmp_path / f"{name}_specs" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    every = [entry("ctrbench.tables", n, f"{n}_specs", "acme-ctr") for n in ("newer", "fitting", "typed", "silent")]
    register(monkeypatch, *every)
    survey = catalog.survey()
    assert list(survey.found) == ["fitting", "silent", "typed"]
    assert "the table plugin 'newer' of acme-ctr 1.0 is built for version 7 of ctrbench.api" in survey.faults[0]
    with pytest.raises(ConfigError, match=r"unknown table 'newer'.*Besides, the table plugin 'newer' of acme-ctr 1\.0"):
        catalog.locate("newer")


def test_a_name_that_was_removed_is_told_with_what_to_use(plugin, monkeypatch):
    monkeypatch.setattr(deprecations, "DEPRECATIONS", {"Gone": Deprecation("0.2.0", "0.3.0", "use `mlp`")})
    told = refusal(plugin("from ctrbench.api import Batch, Gone"))
    assert "(`Gone` was removed in ctrbench 0.3.0: use `mlp`); repair, update or uninstall acme-ctr" in told


def test_a_name_that_never_was_gets_the_nearest(plugin):
    told = refusal(plugin("from ctrbench.api import CTRModle"))
    assert f"(ctrbench.api of ctrbench {__version__} has no 'CTRModle', but 'CTRModel')" in told
    assert told.endswith("; repair, update or uninstall acme-ctr, or update ctrbench")


def test_a_name_like_no_other_gets_none(plugin):
    assert "has no 'Zyx');" in refusal(plugin("from ctrbench.api import Zyx"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "from ctrbench.data.lines import no_such",
            "ctrbench.data.lines has no 'no_such'; plugins import from ctrbench.api and",
        ),
        (
            "import ctrbench.no_such",
            "there is no ctrbench.no_such; plugins import from ctrbench.api and ctrbench.testing only",
        ),
        ("from ctrbench.testing import ModelTest", "has no 'ModelTest', but 'ModelTests'"),
        ("from os import no_such", "ImportError: cannot import name 'no_such' from 'os'"),
        ("raise RuntimeError", "(RuntimeError);"),
    ],
)
def test_other_faults_are_told_as_they_are(plugin, text, fault):
    assert fault in refusal(plugin(text))


@pytest.mark.parametrize(
    ("requires", "advice"),
    [
        (
            ["torch", "CTRBench >= 99"],
            "acme-ctr requires ctrbench >=99, and {} is installed: install versions that fit",
        ),
        (["ctrbench<99"], "acme-ctr, whose requirement of ctrbench <99 lets it in, or update ctrbench"),
        (["ctrbench"], "acme-ctr, whose requirement of ctrbench lets it in, or update ctrbench"),
        (["torch", "ctrbench >= 99; extra == 'new'"], "repair, update or uninstall acme-ctr, or update ctrbench"),
        (["what is this?", "ctrbench >= 99"], "acme-ctr requires ctrbench >=99"),
    ],
)
def test_what_the_distribution_itself_requires_is_told(plugin, requires, advice):
    told = refusal(plugin("from ctrbench.api import Zyx", requires=requires))
    assert advice.format(__version__) in told


def test_a_requirement_that_is_not_met_is_told_for_any_fault(plugin):
    told = refusal(plugin("1 / 0", requires=["ctrbench >= 99"]))
    assert "(ZeroDivisionError: division by zero); acme-ctr requires ctrbench >=99" in told


def test_a_distribution_that_is_not_there_requires_nothing():
    assert required("no-such-distribution") is None


def test_the_number_is_a_public_name():
    assert api.API_VERSION == API_VERSION
