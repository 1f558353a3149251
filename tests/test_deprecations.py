"""A name that goes works for one minor version more, and says so; then it is gone, and plugins are told what to use."""

import inspect
import warnings
from importlib import import_module

import pytest
from packaging.version import Version

from ctrbench import api, deprecations, testing
from ctrbench._version import __version__
from ctrbench.deprecations import DEPRECATIONS, CtrbenchDeprecation, Deprecation
from tests.api_snapshot import CHANGELOG, names

OLD = Deprecation("0.2.0", "0.3.0", "use `mlp`", "ctrbench.models.layers.mlp:mlp")
GONE = OLD._replace(where="")


@pytest.fixture
def table(monkeypatch):
    """A table of deprecations of its own."""
    made: dict[str, Deprecation] = {}
    monkeypatch.setattr(deprecations, "DEPRECATIONS", made)
    return made


def faults(table, version, changelog):
    """What is wrong with a table of deprecations in a version."""
    for what, told in table.items():
        since, gone, now = Version(told.since), Version(told.gone), Version(Version(version).base_version)
        if gone.release[:2] <= since.release[:2]:
            yield f"`{what}` warns since {since} and goes in {gone}: let it warn for one minor version at least"
        if what in api.__all__:
            yield f"`{what}` is deprecated, and a name of ctrbench.api all the same: take it out of _WHERE there"
        if now >= gone and there(what, told):
            yield f"`{what}` is to be gone in {gone}, and this is {version}: remove it (a name loses its `where`)"
        if now < gone and not there(what, told):
            yield f"`{what}` is to work until {gone}, and this is {version}: it is gone already"
        for reached in [told.since] + [told.gone] * (now >= gone):
            if not names(changelog, reached, what.partition("(")[0]):
                yield f"name `{what}` in backticks in CHANGELOG.md, in the section of {reached}"


def there(what, told):
    """Whether something deprecated still works: a name, an attribute `Batch.groups`, or a parameter `mlp(out)`."""
    if told.where:
        module, _, attribute = told.where.partition(":")
        return hasattr(import_module(module), attribute)
    path, _, parameter = what.removesuffix(")").partition("(")
    first, *rest = path.split(".")
    owner = next((module for module in (api, testing) if first in module.__all__), None)
    value = getattr(owner, first, None)
    for name in rest:
        value = getattr(value, name, None)
    return value is not None and (not parameter or parameter in inspect.signature(value).parameters)


def test_nothing_goes_too_early_and_nothing_stays_too_long():
    found = list(faults(DEPRECATIONS, __version__, CHANGELOG.read_text("utf-8")))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_a_name_that_goes_works_and_says_what_to_use_at_the_line_that_asks_for_it(table):
    table["perceptron"] = OLD
    with pytest.warns(CtrbenchDeprecation) as caught:
        from ctrbench.api import perceptron
    assert perceptron is api.mlp
    (warning,) = caught
    assert str(warning.message) == "`perceptron` will be gone in ctrbench 0.3.0: use `mlp`"
    assert warning.filename == __file__


def test_every_use_is_told(table):
    table["perceptron"] = OLD
    for _ in range(2):
        with pytest.warns(CtrbenchDeprecation):
            api.perceptron  # noqa: B018
    assert "perceptron" not in vars(api)


def test_what_all_import_with_a_star_does_not_warn(table):
    table["perceptron"] = OLD
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec("from ctrbench.api import *", {})


def test_a_name_that_is_gone_is_no_attribute_and_says_what_to_use(table):
    table["perceptron"] = GONE
    with pytest.raises(AttributeError, match=r"^`perceptron` was removed in ctrbench 0\.3\.0: use `mlp`$"):
        api.perceptron  # noqa: B018
    assert not hasattr(api, "perceptron")


def test_a_parameter_or_an_attribute_that_goes_warns_its_caller(table):
    table["size(wide)"] = OLD._replace(where="", instead="use `narrow`")

    def size(wide=None):
        if wide is not None:
            deprecations.warn("size(wide)")

    with pytest.warns(CtrbenchDeprecation, match=r"`size\(wide\)` will be gone in ctrbench 0") as caught:
        size(1)
    line = inspect.currentframe().f_lineno - 1
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_python_shows_the_warning_to_users():
    assert issubclass(CtrbenchDeprecation, FutureWarning)


SAID = "".join(f"## [{name}]\n`perceptron` `mlp` `Batch.groups` `Batch.rows`\n" for name in ("Unreleased", "0.2.0"))


@pytest.mark.parametrize(
    ("what", "told", "version", "fault"),
    [
        ("perceptron", OLD, "0.2.0", None),
        ("perceptron", OLD, "0.2.7", None),
        ("perceptron", OLD, "0.3.0.dev1", "is to be gone in 0.3.0, and this is 0.3.0.dev1: remove it"),
        ("perceptron", OLD, "0.3.0", "is to be gone in 0.3.0"),
        ("perceptron", GONE, "0.3.0", None),
        ("perceptron", GONE, "0.2.0", "is to work until 0.3.0, and this is 0.2.0: it is gone already"),
        ("perceptron", OLD._replace(where="ctrbench.models.layers.mlp:no_such"), "0.2.0", "it is gone already"),
        ("perceptron", OLD._replace(gone="0.2.1"), "0.2.0", "let it warn for one minor version at least"),
        ("perceptron", OLD._replace(gone="1.0.0"), "0.2.0", None),
        ("mlp", OLD, "0.2.0", "take it out of _WHERE"),
        ("other", OLD, "0.2.0", "name `other` in backticks in CHANGELOG.md, in the section of 0.2.0"),
        ("Batch.groups", GONE, "0.2.0", None),
        ("Batch.groups", GONE, "0.3.0", "remove it"),
        ("Batch.rows", GONE, "0.2.0", "gone already"),
        ("Batch.rows", GONE, "0.3.0", None),
        ("mlp(out)", GONE, "0.2.0", None),
        ("mlp(out)", GONE, "0.3.0", "remove it"),
        ("mlp(other)", GONE, "0.3.0", None),
    ],
)
def test_the_table_is_held_to_the_version(what, told, version, fault):
    found = list(faults({what: told}, version, SAID))
    assert len(found) == (fault is not None)
    assert (fault or "") in " ".join(found)


def test_a_name_that_is_gone_is_named_in_the_version_without_it():
    said = "## [0.3.0]\n\n## [0.2.0]\n`perceptron`"
    assert list(faults({"perceptron": OLD}, "0.2.0", said)) == []
    assert list(faults({"perceptron": GONE}, "0.3.0", said)) == [
        "name `perceptron` in backticks in CHANGELOG.md, in the section of 0.3.0"
    ]
