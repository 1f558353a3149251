"""The kit passes tables that keep their promises, and catches those that break them: a small broken table for each."""

from itertools import count

import pytest

from ctrbench.errors import PluginError
from ctrbench.testing import TableTests
from tests.fakes import entry, register

GOOD = """
schema = 1
title = "Clicks in a shop"
kind = "main"
domains = ["fashion", "gift_cards"]
models = ["deepfm", "narrow"]
reference = "deepfm"

[variants.narrow]
model = "shared_bottom"
config = { embedding_dim = 4 }

[published.deepfm]
fashion = 0.7

[[claims]]
kind = "above"
text = "A wide model is better."
rows = ["deepfm"]
than = ["narrow"]

[profiles.demo]
dataset = "demo"
options = { scale = 0.05 }

[profiles.demo.settings.deepfm]
train = { epochs = 1 }
"""
_numbers = count()


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Makes a class of tests for a package with these files, as text by name."""

    def make(**files):
        package = f"tables_of_tests_{next(_numbers)}"
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return type("TestMine", (TableTests,), {"tables": package})()

    return make


PROMISES = {name for name in dir(TableTests) if name.startswith("test_")}


def test_a_good_table_passes(tables):
    tests = tables(shop=GOOD)
    for test in PROMISES:
        getattr(tests, test)()


@pytest.mark.parametrize(
    ("test", "old", "new", "words"),
    [
        ("every_table_can_be_read", "models =", "rows =", "unknown key 'rows' in shop.toml"),
        ("every_table_can_be_read", 'schema = 1', 'schema = "', "shop.toml is not valid TOML"),
        ("every_table_can_be_read", 'than = ["narrow"]', 'than = ["narow"]', "'narow', which is no row. .*'narrow'"),
        ("models_and_datasets_are_registered", "shared_bottom", "shared_botom", "no model 'shared_botom'. .*'shared_b"),
        ("models_and_datasets_are_registered", '= "demo"', '= "dmeo"', "no dataset 'dmeo'. Did you mean 'demo'"),
        ("settings_bind_in_every_profile", "embedding_dim", "embeding_dim", "shop, profile small: .*'embeding_dim'"),
        ("settings_bind_in_every_profile", "epochs = 1", "epochs = -1", "shop, profile demo: .*epochs"),
        (
            "settings_bind_in_every_profile",
            'config = { embedding_dim = 4 }',
            'like = "deepfm"\nwiden = ["width"]',
            r"variants\.narrow\.widen: there is no setting 'width'",
        ),
        (
            "settings_bind_in_every_profile",
            'config = { embedding_dim = 4 }',
            'config = { embedding_dim = 4 }\ncolumns = ["brand"]\nelsewhere = { embeding_dim = 4 }',
            "shop, profile small: .*'embeding_dim'",
        ),
        ("domains_are_those_of_the_datasets", '"gift_cards"]', '"gift"]', "profile demo: .* no domain 'gift'"),
        ("domains_are_those_of_the_datasets", "{ scale", "{ skale", "profile demo: .*no option 'skale'"),
        ("published_numbers_have_a_place", "fashion = 0.7", "fasion = 0.7", r"published\.deepfm: .* 'fasion'"),
        ("published_numbers_have_a_place", 'reference = "deepfm"', 'reference = "star"', "there is no row 'star'"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_caught(tables, test, old, new, words):
    """And the message names the package, says which promise it was, and how to mend it."""
    assert old in GOOD
    tests = tables(shop=GOOD.replace(old, new))
    with pytest.raises(AssertionError, match=words) as caught:
        getattr(tests, f"test_{test}")()
    assert_said(tests, test, caught)


def assert_said(tests, test, caught):
    promise = " ".join(getattr(TableTests, f"test_{test}").__doc__.split())
    assert str(caught.value).startswith(f"{tests.tables} breaks a promise: {promise}\nTo mend it: ")


def test_a_package_without_a_table_is_caught(tables):
    tests = tables()
    with pytest.raises(AssertionError, match="holds none") as caught:
        tests.test_the_package_holds_tables()
    assert_said(tests, "the_package_holds_tables", caught)


@pytest.mark.parametrize(
    ("name", "words"),
    [("table3", "'table3' is a table of ctrbench"), ("my table", "'my table' is"), ("all", "stands for every table")],
)
def test_a_name_that_is_taken_or_cannot_be_written_is_caught(tables, name, words):
    tests = tables(**{name: GOOD})
    with pytest.raises(AssertionError, match=words) as caught:
        tests.test_no_name_is_taken()
    assert_said(tests, "no_name_is_taken", caught)


def test_a_package_for_another_api_is_caught(tables, tmp_path):
    tests = tables(shop=GOOD)
    (tmp_path / tests.tables / "__init__.py").write_text("api_version = 99")
    with pytest.raises(PluginError, match="built for version 99"):
        tests.test_it_is_built_for_this_api()


def test_a_table_has_its_own_name_where_it_is_registered(tables, monkeypatch):
    tests = tables(shop=GOOD)
    register(monkeypatch, entry("ctrbench.tables", "mine", tests.tables))
    tests.test_no_name_is_taken()


def test_one_broken_table_hides_no_other(tables):
    tests = tables(shop=GOOD.replace("shared_bottom", "shared_botom"), broken="kind =")
    with pytest.raises(AssertionError, match=r"broken\.toml is not valid TOML"):
        tests.test_every_table_can_be_read()
    with pytest.raises(AssertionError, match="shop: there is no model 'shared_botom'"):
        tests.test_models_and_datasets_are_registered()


def test_a_package_that_is_not_there_is_told_in_one_sentence():
    tests = type("TestMine", (TableTests,), {"tables": "no_such_package.tables"})()
    with pytest.raises(PluginError, match=r"there is no package no_such_package\.tables"):
        tests.test_the_package_holds_tables()


def test_a_class_of_tests_names_its_tables():
    with pytest.raises(PluginError, match='TestNone names no tables: give it a line such as `tables = "my_package'):
        type("TestNone", (TableTests,), {})
