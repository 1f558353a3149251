import pytest

from ctrbench.bench.rows import check_rows
from ctrbench.errors import CtrbenchError
from tests.fakes import register_models, table

WIDE = {"wide": {"model": "multi", "config": {"dim": 64}}}


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


@pytest.mark.parametrize("asked", [None, ["wide"], ["single", "wide"]])
def test_rows_are_models_and_variants(asked):
    check_rows(table(models=["single", "wide"], variants=WIDE), "demo", asked)


def test_a_registered_model_may_be_asked_for_where_it_is_no_row():
    check_rows(table(models=["single"]), "demo", ["multi"])


@pytest.mark.parametrize(
    ("changes", "profile", "asked", "said"),
    [
        ({}, "demo", ["wid"], "--models: unknown model 'wid'. Did you mean 'wide'?"),
        ({"models": ["single", "wide", "mult"]}, "demo", None, "table.toml, row 'mult': unknown model 'mult'. Did you"),
        ({"profiles": {"paper": {"models": ["singel"]}}}, "paper", None, "table.toml, row 'singel': unknown model"),
        ({"variants": {"wide": {"model": "multy"}}}, "demo", None, "table.toml, row 'wide': unknown model 'multy'"),
        ({"reference": "languages"}, "demo", None, "table.toml: unknown reference 'languages'. Did you"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_its_place(changes, profile, asked, said):
    spec = table(**{"models": ["single", "wide"], "variants": WIDE, **changes})
    with pytest.raises(CtrbenchError) as caught:
        check_rows(spec, profile, asked)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
