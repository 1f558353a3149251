"""The tables and figures of the paper, as they are registered."""

import json
from pathlib import Path

import pytest

from ctrbench.bench.claims import Above, Bound, LargestDrop
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from ctrbench.data.source import Prompt
from ctrbench.features.prompt import render
from tests.fakes import D3, TITLES, FakeData

PAPER = Path(__file__).parents[3] / "shared" / "paper" / "paper_results.json"
TABLES = [
    "table1",
    "table2",
    "table3",
    "table4",
    "table5",
    "table6",
    "table7",
    "fig3",
    "fig4",
    "fig5",
    "fig6",
    "latency",
]
ROWS = {"mmoe_wide": "mmoe_340m", "star_wide": "star_340m"}
FIVE = {**TITLES, "digital_music": "Digital Music"}


@pytest.fixture(scope="module")
def paper():
    if not PAPER.is_file():
        pytest.skip("the paper's numbers for machines are not here")
    return json.loads(PAPER.read_text())


def published(name: str) -> dict[str, dict[str, float]]:
    return TableSpec.find(name).published


def runs(name: str, row: str, profile: str = "demo") -> list:
    """The runs of one row, on a dataset of the paper's domains."""
    planned = plan(TableSpec.find(name), FakeData(FIVE), profile=profile, models=[row])  # type: ignore[arg-type]
    return [run.spec for run in planned.runs]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_paper_is_there(name):
    spec = TableSpec.find(name)
    assert spec.profile("demo").dataset == "demo"
    assert spec.profile("paper").dataset == "amazon2018"
    assert spec.claims or name == "table2"


class Elsewhere(FakeData):
    """Data with neither the paper's domains nor its columns."""

    def has_column(self, name):
        return False


@pytest.mark.parametrize("name", [name for name in TABLES if name != "table6"])  # which builds its models to widen them
def test_every_table_can_be_asked_of_other_data_by_its_name_alone(name):
    planned = plan(TableSpec.find(name), Elsewhere({"young": "Young", "old": "Old", "older": "Older"}))  # type: ignore[arg-type]
    assert planned.runs or name == "table2"
    assert not planned.like_the_paper
    assert {model.config["prompt"] for model in planned.models if name == "table5"} <= {
        "default", "names_and_ids", "ids_only"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["table4", "table7"])
def test_published_aucs_are_the_papers(paper, name):
    models = paper[name]["models"]
    wanted = {row: {d: cell["auc"] for d, cell in cells.items() if cell} for row, cells in models.items()}
    assert published(name) == {row: cells for row, cells in wanted.items() if cells}


@pytest.mark.parametrize("name", ["table5", "table6"])
def test_published_aucs_of_ablations_are_the_papers(paper, name):
    assert {ROWS.get(row, row): cells for row, cells in published(name).items()} == paper[name]["rows"]


def test_published_ticks_and_counts_are_the_papers(paper):
    columns = paper["table1"]["columns"]
    ticks = {row: dict(zip(columns, found, strict=True)) for row, found in paper["table1"]["rows"].items()}
    assert published("table1") == ticks
    assert published("table2") == paper["table2"]["rows"]


def test_published_anchors_of_the_scale_up_are_the_papers(paper):
    found = published("fig4")
    assert found["deberta"] == paper["fig4"]["backbones"]["deberta_v3_large"]["auc_from_table6"]
    assert found["llama"] == paper["fig4"]["backbones"]["sheared_llama_1_3b"]["auc_from_table3"]
    table3 = published("table3")
    assert all(found[row] == table3[row] for row in found if row not in ("deberta", "llama"))


def test_published_latency_is_the_papers(paper):
    assert published("latency")["uni_ctr"] == {
        "ms_per_batch": paper["sec6b"]["latency_ms_per_batch"],
        "ms_per_row": paper["sec6b"]["latency_ms_per_sample_recomputed"],
    }


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("fig3", "uni_ctr"), ("table1", "uni_ctr"), ("table4", "uni_ctr"), ("table5", "full_prompt"),
        ("table6", "uni_ctr"), ("fig4", "minilm"), ("fig5", "uni_ctr"), ("fig6", "uni_ctr"), ("latency", "uni_ctr"),
    ],
)  # fmt: skip
def test_uni_ctr_is_one_run_in_all_tables_of_the_demo(name, row):
    (once,) = runs("table3", "uni_ctr")
    assert once.id in {spec.id for spec in runs(name, row)}


@pytest.mark.parametrize("name", ["fig3", "fig4", "table1", "table4"])
@pytest.mark.parametrize("row", ["shared_bottom", "star"])
def test_and_so_are_id_models(name, row):
    (once,) = runs("table3", row)
    assert once.id in {spec.id for spec in runs(name, row)}


def test_the_largest_backbone_of_the_scale_up_is_table_3s_run_in_the_papers_profile():
    assert runs("fig4", "llama", "paper") == runs("table3", "uni_ctr", "paper")


@pytest.mark.parametrize(
    ("name", "row"), [("table5", "full_prompt"), ("table6", "wo_ladder"), ("latency", "uni_ctr"), ("fig4", "deberta")]
)
def test_the_papers_profile_has_the_papers_backbone(name, row):
    assert {spec.config["backbone"] for spec in runs(name, row, "paper")} == {"deberta-v3-large"}


def test_ablations_differ_from_uni_ctr_in_what_they_leave_out_alone():
    (whole,), (ladderless,) = runs("table6", "uni_ctr"), runs("table6", "wo_ladder")
    assert {**whole.config, "block": "none"} == ladderless.config
    assert whole.train == ladderless.train
    for row in ("feature_id_and_name", "feature_id_only"):
        (other,) = runs("table5", row)
        assert {**other.config, "prompt": "default"} == whole.config
        assert other.train == whole.train


def test_the_prompts_of_table_5_are_the_papers():
    import polars as pl

    items = pl.DataFrame({"item": ["a", "b", "c"], "item_index": [31, 42, 64298], "title": ["x", "y", "z"]})
    items = items.with_columns(brand=pl.Series(["k", "l", "m"]), price=pl.Series([1.0, 2.0, 9.99]))
    rows = pl.DataFrame({"domain": ["musical"], "user_index": [11], "item": ["c"], "history": [["a", "b"]]})
    none = rows.with_columns(history=pl.lit([], dtype=pl.List(pl.String)))
    titles = {"fashion": "Fashion", "music": "Music", "musical": "Musical"}
    spec = TableSpec.find("table5")

    def shown(row: str, of: pl.DataFrame) -> str:
        return render(of, items, Prompt(**spec.variants[row].config["prompt"]), titles)[0]

    names = "scenario_2, user_11, product_31 & product_42, product_64298, title_2, brand_2, price_9.99. "
    assert shown("feature_id_and_name", rows) == names
    assert shown("feature_id_only", rows) == "2, 11, 31 & 42, 64298, 2, 2, 9.99. "
    assert shown("feature_id_only", none) == "2, 11, , 64298, 2, 2, 9.99. "


def test_table_7_never_shows_numbers_of_private_data_beside_its_own():
    data = FakeData({"light_users": "Light users", "heavy_users": "Heavy users"})
    planned = plan(TableSpec.find("table7"), data, models=["deepfm"])  # type: ignore[arg-type]
    assert not planned.like_the_paper
    assert planned.domains == ("light_users", "heavy_users")
    assert planned.table.options == {"domain_by": "user_group"}


def test_claims_speak_of_the_papers_rows_and_domains():
    claims = {name: TableSpec.find(name).claims for name in TABLES}
    assert any(isinstance(claim, Above) and claim.by == 0.06 for claim in claims["fig3"])
    assert {claim.on for claim in claims["table5"] if isinstance(claim, LargestDrop)} == {"gift_cards"}
    assert all(set(claim.domains) <= set(D3) for claim in (*claims["table3"], *claims["table5"], *claims["table6"]))


def test_every_tick_and_cross_of_table_1_is_a_claim():
    spec = TableSpec.find("table1")
    bounds = [claim for claim in spec.claims if isinstance(claim, Bound)]
    multi = [row for row in spec.models if row != "uni_ctr"]
    claimed = {
        (row, ability): float(claim.least > 0)
        for claim in bounds
        for name in claim.rows
        for row in (multi if name == "multi_domain" else [name])
        for ability in claim.domains
    }
    assert claimed == {(row, a): tick for row, ticks in spec.published.items() for a, tick in ticks.items()}
