"""Models of equal size: the widths are found, and the built models have the parameters."""

import pytest

from ctrbench.bench.build import build
from ctrbench.bench.cost import count_parameters
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from ctrbench.bench.widen import TOLERANCE
from ctrbench.errors import ConfigError
from ctrbench.report.tables import build as lay_out
from tests.fakes import findings
from tests.toys import DOMAINS, write_toy

TABLE = """
schema = 1
title = "Equal sizes"
kind = "main"
domains = ["books", "games", "tools"]
models = ["uni_ctr", "mmoe_wide", "star_wide"]
[settings.uni_ctr]
config = { backbone = "tiny-bert", max_length = 96 }
[settings.mmoe]
config = { embedding_dim = 4, expert_hidden = [16, 8], tower_hidden = [8] }
[settings.star]
config = { embedding_dim = 4, hidden = [8], auxiliary_hidden = [8] }
[variants.mmoe_wide]
model = "mmoe"
like = "uni_ctr"
widen = ["expert_hidden", "tower_hidden"]
[variants.star_wide]
model = "star"
like = "uni_ctr"
widen = ["hidden", "auxiliary_hidden"]
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    return write_toy(tmp_path / "toy")


def spec(folder, text=TABLE):
    file = folder / "sizes.toml"
    file.write_text(text)
    return TableSpec.read(file)


def size(run, data) -> int:
    return count_parameters(build(run.spec, data, None)[0])[0]


def test_widened_models_have_as_many_parameters(data, tmp_path):
    uni_ctr, *wide = plan(spec(tmp_path), data).runs
    wanted = size(uni_ctr, data)
    assert wanted > 100_000
    for run in wide:
        assert abs(size(run, data) - wanted) <= TOLERANCE * wanted
    mmoe = wide[0].spec.config
    assert mmoe["expert_hidden"][0] == pytest.approx(2 * mmoe["expert_hidden"][1], abs=1), "by one factor"
    assert mmoe["tower_hidden"][0] == mmoe["expert_hidden"][1]
    assert mmoe["embedding_dim"] == 4


def test_a_larger_model_is_narrowed(data, tmp_path):
    large = TABLE.replace("expert_hidden = [16, 8]", "expert_hidden = [2048, 1024]")
    uni_ctr, mmoe, _ = plan(spec(tmp_path, large), data).runs
    assert mmoe.spec.config["expert_hidden"][0] < 2048
    assert abs(size(mmoe, data) - size(uni_ctr, data)) <= TOLERANCE * size(uni_ctr, data)


def test_widths_are_searched_once(data, tmp_path, monkeypatch):
    first = plan(spec(tmp_path), data)

    def never(*args: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr("ctrbench.bench.widen._search", never)
    assert plan(spec(tmp_path), data).runs == first.runs
    assert plan(spec(tmp_path), data, models=["mmoe_wide"]).runs == first.runs[1:2]


def test_both_sizes_and_their_difference_are_told(data, tmp_path):
    planned = plan(spec(tmp_path), data)
    wanted, mmoe, _ = (size(run, data) for run in planned.runs)
    caption = lay_out(findings(planned, [None] * 3, data)).caption
    (told,) = [line for line in caption if line.startswith("mmoe_wide: ")]
    assert f"{mmoe:,} parameters" in told
    assert f"uni_ctr has {wanted:,} ({(mmoe - wanted) / wanted:+.2%})" in told


def test_of_models_per_domain_it_is_told_that_one_on_all_domains_is_counted(data, tmp_path):
    single = TABLE.replace('"uni_ctr", "mmoe_wide"', '"uni_ctr", "deepfm", "mmoe_wide"')
    single = single.replace('model = "mmoe"\nlike = "uni_ctr"', 'model = "mmoe"\nlike = "deepfm"')
    facts = {row.name: row.note for row in plan(spec(tmp_path, single), data).models}
    assert facts["mmoe_wide"].endswith(
        "The parameters of deepfm are those of one model on all domains; here, each domain has its own."
    )
    assert "each domain" not in facts["star_wide"]


def test_a_size_that_no_width_reaches_is_one_sentence(data, tmp_path):
    vast = TABLE.replace("embedding_dim = 4, expert", "embedding_dim = 4096, expert")
    with pytest.raises(
        ConfigError, match=r"sizes\.toml, \[variants\.mmoe_wide\]: no expert_hidden and tower_hidden"
    ) as caught:
        plan(spec(tmp_path, vast), data)
    assert "within 2%" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '"expert_hidden", "tower',
            '"expert_hiden", "tower',
            "mmoe has no setting 'expert_hiden' to widen. Did you mean",
        ),
        ('"expert_hidden", "tower_hidden"', '"dropout"', "dropout of mmoe is 0.3, which is no width to multiply"),
        (
            'like = "uni_ctr"\nwiden = ["hidden',
            'like = "unictr"\nwiden = ["hidden',
            "is like 'unictr', no row. Did you mean",
        ),
        ('widen = ["hidden", "auxiliary_hidden"]', "", "one needs the other"),
    ],
)
def test_a_fault_is_one_sentence_that_names_the_file(data, tmp_path, old, new, sentence):
    assert old in TABLE
    with pytest.raises(ConfigError, match=r"sizes\.toml") as caught:
        plan(spec(tmp_path, TABLE.replace(old, new)), data)
    assert sentence in str(caught.value)


def test_the_toy_has_the_tables_domains(data):
    assert data.domains == DOMAINS


def test_a_backbone_need_not_be_fetched_for_its_size(data, tmp_path):
    large = TABLE.replace('"tiny-bert", max_length = 96', '"deberta-v3-large"')
    (mmoe,) = plan(spec(tmp_path, large), data, models=["mmoe_wide"]).models
    assert "; uni_ctr has 4" in mmoe.note, "DeBERTa-V3-Large has about 435M parameters"
    assert mmoe.config["expert_hidden"][0] > 1000
