"""Maps: purity as a number, its controls, and points that are computed once."""

import numpy as np
import polars as pl
import pytest
import torch

from ctrbench.bench.needs import Representations
from ctrbench.report import maps, spaces
from ctrbench.report.findings import Findings
from ctrbench.report.tables import build
from ctrbench.training.checkpoint import save_tensors
from tests.fakes import D3, FakeData, make_plan, make_record, register_models, table

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def clusters(count, apart):
    """Three domains of `count` rows, `apart` from each other: (N, 5), and (N,) codes."""
    domain = np.repeat(np.arange(3), count)
    return random.normal(size=(3 * count, 5)) + apart * np.eye(5)[domain], domain


def write(folder, trained, untrained, count=20, domains=D3):
    """A run's representations: by name, how far apart domains are."""
    tensors = {"domain": torch.arange(3).repeat_interleave(count), "row_id": torch.arange(3 * count)}
    for state, apart in (("trained", trained), ("untrained", untrained)):
        tensors |= {f"{state}/{n}": torch.from_numpy(clusters(count, a)[0]).float() for n, a in apart.items()}
    save_tensors(folder.representations, tensors, {"domains": domains, "names": list(trained)})


def found(tmp_path, spec=None, seeds=(0,), **changes):
    """Findings of a map over the fakes, all runs done."""
    plan = make_plan("map", spec=spec or table("map", **changes), seeds=list(seeds))
    return Findings(plan, [make_record(run, {}) for run in plan.runs], tmp_path, FakeData())


def joint(findings, row="language", seed=0):
    return findings.folder(findings.plan.runs_of(row, seed)[0])


def cells(findings, row):
    built = build(findings)
    heads = [(column.group, column.title) for column in built.columns]
    return dict(zip(heads, next(r for r in built.rows if r.name == row).cells, strict=True))


def test_purity_is_the_share_of_nearest_neighbours_of_the_own_domain():
    values, domain = clusters(15, 1.0)
    expected = []
    for row, value in enumerate(values):
        distance = ((values - value) ** 2).sum(1)
        distance[row] = np.inf
        nearest = np.argsort(distance)[: spaces.NEIGHBOURS]
        expected.append((domain[nearest] == domain[row]).mean())
    np.testing.assert_allclose(spaces.neighbours_alike(values, domain), expected)


def test_domains_far_apart_are_pure_and_mixed_ones_are_at_chance():
    assert spaces.neighbours_alike(*clusters(100, 100.0)).mean() == 1
    assert spaces.neighbours_alike(*clusters(300, 0.0)).mean() == pytest.approx(1 / 3, abs=0.03)


def test_rows_that_are_all_alike_are_not_neighbours_because_they_stand_together():
    domain = np.repeat(np.arange(3), 100)
    shares = spaces.neighbours_alike(np.zeros((300, 4)), domain)
    assert shares.reshape(3, 100).mean(1).max() < 0.8


def test_chance_is_a_domains_share_of_the_other_rows(tmp_path):
    findings = found(tmp_path)
    folder = joint(findings)
    tensors = {"domain": torch.tensor([0] * 6 + [1] * 3 + [2] * 2)}
    tensors |= {f"{state}/tower": torch.randn(11, 4) for state in ("trained", "untrained")}
    save_tensors(folder.representations, tensors, {"domains": D3, "names": ["tower"]})
    chance = spaces.purities(folder)["tower"].chance
    assert chance["fashion"] == pytest.approx(5 / 10)
    assert chance["gift_cards"] == pytest.approx(1 / 10)
    assert chance[spaces.ALL] == pytest.approx((6 * 5 + 3 * 2 + 2 * 1) / 110)


def test_a_table_shows_purity_before_and_after_training_by_space(tmp_path):
    findings = found(tmp_path)
    write(joint(findings), {"h_0": 0.0, "tower": 50.0}, {"h_0": 0.0, "tower": 0.0})
    tower = cells(findings, "language tower")
    assert tower["All domains", "trained"].text == "1.0000"
    assert tower["All domains", "untrained"].value < 0.6
    assert cells(findings, "language h_0")["Fashion", "trained"].value < 0.6
    assert [row.name for row in build(findings).rows].count("chance") == 1, "the same rows are in every space"
    assert cells(findings, "chance")["All domains", "untrained"].value == pytest.approx(19 / 59)
    assert cells(findings, "chance")["All domains", "trained"].text == ""
    entry = next(e for e in build(findings).entries if (e.row, e.domain) == ("language tower", "fashion"))
    assert entry.values["purity_trained"] == 1
    assert entry.values["mapped_rows"] == 20
    assert entry.model["all_purity_chance"] == pytest.approx(19 / 59)
    assert entry.model["width"] == 5


def test_over_seeds_it_is_a_mean_with_a_deviation(tmp_path):
    findings = found(tmp_path, seeds=(0, 1))
    for seed, apart in ((0, 50.0), (1, 0.0)):
        write(joint(findings, seed=seed), {"tower": apart}, {"tower": 0.0})
    cell = cells(findings, "language tower")["All domains", "trained"]
    assert 0.5 < cell.value < 0.9
    assert cell.detail.startswith("±")


def test_a_table_shows_the_spaces_it_asks_for(tmp_path):
    findings = found(tmp_path, spaces=["h_*"])
    write(joint(findings), {"h_0": 0.0, "h_2": 0.0, "tower": 9.0}, {"h_0": 0.0, "h_2": 0.0, "tower": 9.0})
    write(joint(findings, "multi"), {"tower": 9.0}, {"tower": 9.0})
    built = build(findings)
    assert [row.name for row in built.rows if row.name.startswith("language")] == ["language h_0", "language h_2"]
    assert set(maps.tsne(findings)["name"]) == {"h_0", "h_2"}
    assert "multi has only tower." in built.footnotes


def test_what_has_nothing_to_show_says_why_and_the_rest_is_shown(tmp_path):
    findings = found(tmp_path)
    write(joint(findings), {"tower": 50.0}, {"tower": 0.0})
    write(joint(findings, "multi"), {}, {})
    write(joint(findings, "single"), {"tower": 50.0}, {"tower": 0.0})
    built = build(findings)
    assert [row.name for row in built.rows] == ["single", "multi", "language tower", "chance"]
    assert [row.of for row in built.rows] == ["single", "multi", "language", ""]
    assert "multi gives no representations." in built.footnotes
    assert any("single has a model for each domain" in note for note in built.footnotes)
    assert cells(findings, "language tower")["All domains", "trained"].text == "1.0000"


def test_a_broken_file_is_a_footnote_and_the_rest_is_shown(tmp_path):
    findings = found(tmp_path)
    write(joint(findings), {"tower": 50.0}, {"tower": 0.0})
    joint(findings, "multi").path.mkdir(parents=True)
    joint(findings, "multi").representations.write_bytes(b"broken")
    assert cells(findings, "multi")["All domains", "trained"].text == "failed"
    assert any("delete it" in note for note in build(findings).footnotes)
    assert cells(findings, "language tower")["All domains", "trained"].text == "1.0000"
    assert set(maps.tsne(findings)["row"]) == {"language"}


def test_what_was_not_made_yet_is_a_dash(tmp_path):
    assert cells(found(tmp_path), "language")["All domains", "trained"].text == "-"
    assert maps.tsne(found(tmp_path)).is_empty()


def test_a_map_has_every_row_once_in_each_state_of_its_model(tmp_path):
    findings = found(tmp_path)
    write(joint(findings), {"tower": 50.0}, {"tower": 0.0})
    points = maps.tsne(findings)
    assert points.columns == ["row", "name", "state", "domain", "x", "y"]
    counts = points.group_by("state", "domain").len()
    assert counts.height == 6
    assert set(counts["len"]) == {20}
    assert points["x"].is_finite().all()
    means = points.filter(state="trained").group_by("domain").agg(pl.col("x", "y").mean())
    spread = points.filter(state="trained").group_by("domain").agg(pl.col("x", "y").std())
    assert np.ptp(means["x"].to_numpy()) + np.ptp(means["y"].to_numpy()) > 2 * spread["x"].mean()


def test_purity_and_points_are_computed_once(tmp_path, monkeypatch):
    findings = found(tmp_path)
    write(joint(findings), {"tower": 50.0}, {"tower": 0.0})
    first, points = build(findings), maps.tsne(findings)
    for name in ("neighbours_alike", "embedded"):
        monkeypatch.setattr(spaces, name, lambda *arguments: 1 / 0)
    assert build(findings) == first
    assert maps.tsne(findings).equals(points)


def test_where_nothing_can_be_kept_it_is_computed_all_the_same(tmp_path):
    findings = found(tmp_path)
    write(joint(findings), {"tower": 50.0}, {"tower": 0.0})
    joint(findings).maps.write_text("a file where the folder should be")
    assert cells(findings, "language tower")["All domains", "trained"].text == "1.0000"
    assert maps.tsne(findings).height == 120


@pytest.mark.parametrize("values", [np.zeros((1, 4)), np.zeros((3, 4)), np.ones((50, 4)), random.normal(size=(50, 1))])
def test_what_cannot_be_mapped_is_all_in_one_place(values):
    assert (spaces.embedded(values) == 0).all()


@pytest.mark.parametrize("count", [4, 5, 12])
def test_few_rows_have_a_map_too(count):
    assert np.isfinite(spaces.embedded(random.normal(size=(count, 6)))).all()


def test_representations_are_read_as_they_were_written(tmp_path):
    folder = joint(found(tmp_path))
    write(folder, {"h_0": 1.0}, {"h_0": 0.0})
    kept = Representations.of(folder)
    assert kept.domains == D3
    assert kept.values("trained", "h_0").shape == (60, 5)
