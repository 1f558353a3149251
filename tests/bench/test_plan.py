import pytest

from ctrbench.bench.records import Target
from ctrbench.bench.settings import Differences
from ctrbench.bench.widen import Widened
from ctrbench.errors import ConfigError, PluginError
from tests.fakes import D3, FakeData, make_plan, register_models, table


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch, broken="tests.fakes:NoModel")


def runs(plan, model):
    return [run for run in plan.runs if run.spec.model == model]


def test_single_domain_models_get_a_run_per_domain_and_the_others_one_joint_run():
    plan = make_plan(seeds=[0, 1])
    assert [run.spec.domains for run in runs(plan, "single") if run.spec.seed == 1] == [(d,) for d in D3]
    assert [(run.spec.domains, run.spec.seed) for run in runs(plan, "multi")] == [(D3, 0), (D3, 1)]


def test_a_main_run_is_scored_on_its_own_domains_through_its_own_heads():
    joint = runs(make_plan(), "language")[0]
    assert set(joint.targets) == {Target("test", domain, "own") for domain in D3}


def test_zero_shot_heads_follow_the_kind_of_model():
    plan = make_plan("zero_shot")

    def heads(model):
        return [
            sorted({target.head for target in run.targets if target.domain == "all_beauty"})
            for run in runs(plan, model)
        ]

    assert heads("single") == [[domain] for domain in D3]
    assert heads("multi") == [sorted((*D3, "mean"))]
    assert heads("language") == [["general"]]


def test_a_zero_shot_run_is_the_main_tables_run():
    main, zero = make_plan(), make_plan("zero_shot")
    assert [run.spec.id for run in main.runs] == [run.spec.id for run in zero.runs]
    assert all(set(a.targets) < set(b.targets) for a, b in zip(main.runs, zero.runs, strict=True))


def test_settings_are_layered_class_table_profile_command_line():
    spec = table(
        settings={"single": {"config": {"dim": 2, "dropout": 0.2}, "train": {"lr": 0.5}}},
        profiles={"demo": {"settings": {"single": {"config": {"dim": 3}}}}},
    )
    override = {"single": Differences(config={"dropout": 0.4})}
    run = runs(make_plan(spec=spec, overrides=override), "single")[0]
    assert run.spec.config == {"dim": 3, "dropout": 0.4}
    assert run.spec.train["epochs"] == 7
    assert run.spec.train["lr"] == 0.5
    other = runs(make_plan(spec=spec, profile="small"), "single")[0]
    assert other.spec.config == {"dim": 2, "dropout": 0.2}


def test_asking_for_a_default_is_the_same_run():
    asked = make_plan(overrides={"multi": Differences(config={"dim": 8}, train={"lr": 1e-3})})
    assert [run.spec.id for run in asked.runs] == [run.spec.id for run in make_plan().runs]


def test_the_limit_is_part_of_a_runs_identity():
    assert make_plan(limit=50).runs[0].spec.id != make_plan().runs[0].spec.id


def test_domains_are_trained_in_the_datasets_order_however_they_are_asked_for():
    plan = make_plan(domains=["gift_cards", "fashion"])
    assert plan.domains == ("fashion", "gift_cards")


def test_a_dataset_with_other_domains_is_trained_on_all_of_them():
    data = FakeData({"young": "Young", "old": "Old"})
    assert make_plan(data=data).domains == ("young", "old")
    plan = make_plan("zero_shot", data=data, targets=["old"])
    assert (plan.domains, plan.targets) == (("young",), ("old",))
    assert not plan.like_the_paper


def test_published_numbers_belong_to_the_papers_domains_only():
    assert make_plan().like_the_paper
    assert not make_plan(domains=["fashion", "gift_cards"]).like_the_paper
    assert not make_plan("zero_shot", targets=["gift_cards"]).like_the_paper


def test_a_profile_may_name_seeds_and_the_command_line_wins():
    spec = table(profiles={"paper": {"seeds": [5, 6]}})
    assert make_plan(spec=spec, profile="paper").seeds == (5, 6)
    assert make_plan(spec=spec, profile="paper", seeds=[9]).seeds == (9,)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"models": ["singel"]}, PluginError, "unknown model 'singel'. Did you mean 'single'?"),
        ({"domains": ["fashon"]}, ConfigError, "no domain 'fashon'. Did you mean 'fashion'?"),
        ({"limit": 0}, ConfigError, "--limit is 0"),
        ({"targets": ["fashion"]}, ConfigError, "--target is for zero-shot tables"),
        ({"profile": "dmo"}, ConfigError, "unknown profile 'dmo'. Did you mean 'demo'?"),
        (
            {"overrides": {"singel": Differences()}},
            ConfigError,
            "--set singel: this table does not run the model 'singel'. Did you mean 'single'?",
        ),
        (
            {"overrides": {"single": Differences(config={"dmi": 4})}},
            ConfigError,
            "unknown key 'dmi' in --set single.config. Did you mean 'dim'?",
        ),
        (
            {"overrides": {"single": Differences(train={"epoch": 4})}},
            ConfigError,
            "unknown key 'epoch' in --set single.train. Did you mean 'epochs'?",
        ),
        ({"models": ["broken"]}, PluginError, "'broken' of fakedist 1.0 is no CTRModel"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_spent(options, error, message):
    with pytest.raises(error) as caught:
        make_plan(**options)
    assert message in str(caught.value)


def test_a_faulty_setting_in_a_table_names_its_section():
    spec = table(profiles={"demo": {"settings": {"multi": {"train": {"epochs": 0}}}}})
    with pytest.raises(ConfigError, match=r"epochs in .*\[profiles\.demo\.settings\.multi\] train: .* not 0"):
        make_plan(spec=spec)


def test_a_target_cannot_be_trained_on():
    with pytest.raises(ConfigError, match="'fashion' cannot be trained on and be the unseen target"):
        make_plan("zero_shot", targets=["fashion"], domains=["fashion", "gift_cards"])


class Uneven(FakeData):
    """Domains of different sizes, none of them the paper's."""

    def __init__(self, **sizes):
        super().__init__({name: name.title() for name in sizes})
        self.sizes = sizes

    def count(self, split, domains=None, limit=None):
        return sum(self.sizes[name] for name in domains or self.domains)


@pytest.mark.parametrize(
    ("asked", "trained", "unseen"),
    [
        ({}, ("old", "older"), ("young",)),
        ({"domains": ["young", "older"]}, ("young", "older"), ("old",)),
        ({"targets": ["older"]}, ("young", "old"), ("older",)),
    ],
)
def test_where_the_papers_target_is_not_the_smallest_domain_that_is_not_trained_on_is(asked, trained, unseen):
    plan = make_plan("zero_shot", data=Uneven(young=5, old=9, older=7), **asked)
    assert (plan.domains, plan.targets) == (trained, unseen)


@pytest.mark.parametrize("option", ["domains", "targets"])
def test_a_domain_that_a_table_misspells_is_an_error_and_not_taken_for_one_that_the_data_lack(option):
    spec = table(
        **{"kind": "zero_shot", "domains": ["fashion"], "targets": ["gift_cards"], option: ["musical_instrumens"]}
    )
    with pytest.raises(ConfigError, match=r"no domain 'musical_instrumens'. Did you mean 'musical_instruments'?"):
        make_plan(spec=spec)


@pytest.mark.parametrize(
    ("there", "trained"),
    [
        (["gift_cards", "fashion", "books"], ("gift_cards", "fashion")),
        (["gift_cards", "books"], ("gift_cards", "books")),
        (["books", "films"], ("books", "films")),
    ],
)
def test_a_table_goes_without_domains_that_the_data_lack_and_has_others_where_none_or_one_is_left(there, trained):
    assert make_plan(data=FakeData({name: name for name in there})).domains == trained


def test_one_domain_that_is_left_beside_the_target_counts_as_none():
    spec = table(kind="zero_shot", domains=["old", "young"], targets=["all_beauty"])
    plan = make_plan(spec=spec, data=Uneven(young=5, old=9, older=7))
    assert (plan.domains, plan.targets) == (("old", "older"), ("young",))


def test_domains_that_differ_in_their_number_are_not_taken_for_misspelt():
    spec = table(domains=["domain_0", "domain_1"])
    data = FakeData({f"domain_{number}": str(number) for number in (1, 2, 3)})
    assert make_plan(spec=spec, data=data).domains == ("domain_1", "domain_2", "domain_3")


def test_of_the_papers_targets_those_that_are_there_are_taken():
    spec = table(kind="zero_shot", targets=["all_beauty", "missing"])
    assert make_plan(spec=spec).targets == ("all_beauty",)


@pytest.mark.parametrize(
    ("sizes", "asked", "message"),
    [
        ({"young": 5}, {}, "this dataset has one domain alone, and .* needs another one"),
        ({"young": 5, "old": 9}, {"domains": ["young", "old"]}, "--domains names all .*, and .* needs another one"),
    ],
)
def test_a_target_that_nothing_is_left_for_is_an_error(sizes, asked, message):
    with pytest.raises(ConfigError, match=message):
        make_plan("zero_shot", data=Uneven(**sizes), **asked)


@pytest.mark.parametrize(("columns", "dim"), [(["title", "price"], 64), (["title", "colour"], 3)])
def test_a_variant_has_other_settings_where_the_data_lack_what_its_own_speak_of(columns, dim):
    variant = {"model": "multi", "config": {"dim": 64}, "columns": columns, "elsewhere": {"dim": 3}}
    spec = table(models=["wide"], reference="", variants={"wide": variant})
    (wide,) = make_plan(spec=spec).models
    assert wide.config["dim"] == dim
    assert wide.note == ("" if dim == 64 else "wide: the data have no colour; it has dim = 3.")


def test_that_a_variant_has_other_settings_is_told_beside_its_widths(monkeypatch):
    found = Widened({"dim": 7, "dropout": 0.1}, 70, 71)
    monkeypatch.setattr("ctrbench.bench.widen.widened", lambda *asked: found)
    variant = {"model": "multi", "config": {"dim": 64}, "columns": ["colour"], "elsewhere": {"dim": 3}}
    spec = table(variants={"wide": {**variant, "like": "language", "widen": ["dim"]}}, models=["wide", "language"])
    (note,) = [model.note for model in make_plan(spec=spec).models if model.name == "wide"]
    assert note.startswith("wide: the data have no colour; it has dim = 3. wide: 70 parameters with dim = 7;")


def test_what_makes_a_variant_one_stays_whatever_is_asked_of_its_model():
    spec = table(models=["multi", "wide"], reference="", variants={"wide": {"model": "multi", "config": {"dim": 64}}})
    asked = {"multi": Differences(config={"dim": 2, "dropout": 0.3})}
    plain, wide = make_plan(spec=spec, overrides=asked).models
    assert (plain.config, wide.config) == ({"dim": 2, "dropout": 0.3}, {"dim": 64, "dropout": 0.3})
    (wide,) = make_plan(spec=spec, models=["wide"], overrides={"wide": Differences(config={"dim": 4})}).models
    assert wide.config["dim"] == 4
