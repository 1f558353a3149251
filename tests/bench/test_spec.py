import json
from pathlib import Path

import pytest

from ctrbench.bench.spec import RunSpec, TableSpec
from ctrbench.errors import ConfigError
from tests.fakes import D3

RUN = {
    "model": "deepfm",
    "model_version": "1",
    "config": {"dim": 8},
    "train": {"epochs": 2},
    "domains": ("a", "b"),
    "seed": 0,
    "dataset": "f" * 64,
    "limit": None,
}
TABLE = """
schema = 1
title = "A table"
kind = "main"
domains = ["a", "b"]
models = ["one", "two"]
reference = "two"
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text)
    return file


def test_a_runs_id_is_the_same_on_every_machine_and_day():
    assert RunSpec(**RUN).id == "9ac9f9c72152f817"


def test_a_runs_id_does_not_depend_on_the_order_of_keys():
    one = RunSpec(**{**RUN, "config": {"a": 1, "b": 2}})
    other = RunSpec(**{**RUN, "config": {"b": 2, "a": 1}})
    assert one.id == other.id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "dcn"),
        ("model_version", "2"),
        ("config", {"dim": 9}),
        ("train", {"epochs": 3}),
        ("domains", ("a",)),
        ("seed", 1),
        ("dataset", "e" * 64),
        ("limit", 100),
        ("base", RunSpec(**RUN)),
    ],
)
def test_a_runs_id_changes_with_every_field(field, value):
    assert RunSpec(**{**RUN, field: value}).id != RunSpec(**RUN).id


def test_every_field_of_a_run_is_part_of_that_test():
    assert {*RUN, "base"} == set(RunSpec.model_fields)


def test_a_table_is_named_by_its_file(tmp_path):
    assert TableSpec.read(write(tmp_path, TABLE)).name == "mine"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('modles = ["one"]', "unknown key 'modles' in mine.toml. Did you mean 'models'?"),
        ("seeds = 'all'", "seeds in mine.toml: input should be a list, as in [16, 8], not 'all'"),
        (
            "[settings.one]\nconfg = {}",
            "unknown key 'settings.one.confg' in mine.toml. Did you mean 'config'?",
        ),
        (
            "[profiles.demo]\ndatset = 'x'",
            "unknown key 'profiles.demo.datset' in mine.toml. Did you mean 'dataset'?",
        ),
        ("[settings.onne]\nconfig = {}", "[settings.onne] is not among models. Did you mean 'one'?"),
        ("targets = ['c']", "`targets` belongs to kind = 'zero_shot' or 'new_domain', and only there"),
        (
            "[published]\none = { a = 69.8 }",
            "published.one.a is 69.8; an AUC is between 0 and 1",
        ),
        ("title = 1 2", "is not valid TOML: Expected newline or end of document"),
    ],
)
def test_a_faulty_table_is_one_sentence_that_names_file_and_key(tmp_path, line, message):
    text = TABLE.replace('title = "A table"\n', "") if line.startswith("title") else TABLE
    with pytest.raises(ConfigError) as caught:
        TableSpec.read(write(tmp_path, f"{text}{line}\n"))
    assert message in str(caught.value)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^the key 'title' is missing in mine\.toml$"):
        TableSpec.read(write(tmp_path, TABLE.replace('title = "A table"\n', "")))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*none\.toml"):
        TableSpec.find(str(tmp_path / "none.toml"))


def test_a_table_takes_over_runs_from_the_one_it_extends_but_not_its_numbers(tmp_path):
    base = TABLE + "seeds = [1, 2]\n[settings.one]\ntrain = { epochs = 3 }\n[published]\none = { a = 0.7 }\n"
    write(tmp_path, base, "base")
    own = 'schema = 1\nextends = "base"\ntitle = "Other"\nkind = "zero_shot"\ntargets = ["c"]\n'
    spec = TableSpec.read(write(tmp_path, own))
    assert spec.models == ("one", "two")
    assert spec.seeds == (1, 2)
    assert spec.settings["one"].train == {"epochs": 3}
    assert spec.published == {}


def test_extending_a_table_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"mine\.toml extends 'gone', but there is no"):
        TableSpec.read(write(tmp_path, f'extends = "gone"\n{TABLE}'))


def test_an_unknown_profile_gets_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown profile 'dmo'\. Did you mean 'demo'\?"):
        TableSpec.read(write(tmp_path, TABLE)).profile("dmo")


def test_table3_has_the_papers_protocol_and_all_its_rows():
    spec = TableSpec.find("table3")
    assert spec.domains == D3
    assert spec.reference == "uni_ctr"
    assert len(spec.published) == 15
    assert all(set(row) == set(D3) for row in spec.published.values())


def test_fig3_is_scored_on_the_runs_of_table3():
    table3, fig3 = TableSpec.find("table3"), TableSpec.find("fig3")
    assert fig3.targets == ("all_beauty",)
    same = ("domains", "models", "seeds", "settings", "profiles")
    assert [getattr(fig3, key) for key in same] == [getattr(table3, key) for key in same]


def test_table3s_published_numbers_are_the_papers():
    file = Path(__file__).parents[3] / "shared" / "paper" / "paper_results.json"
    if not file.is_file():
        pytest.skip("the paper's numbers for machines are not here")
    models = json.loads(file.read_text())["table3"]["models"]
    wanted = {name: {d: cell["auc"] for d, cell in row.items()} for name, row in models.items()}
    assert TableSpec.find("table3").published == wanted
