"""Every figure, drawn from records and files that cost nothing."""

import json
import re
from itertools import combinations, count
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ctrbench.bench.needs import Latency, Timing
from ctrbench.bench.records import Cost, Metrics
from ctrbench.evaluation.metrics import auc, logloss
from ctrbench.report import svg
from ctrbench.report.figures import FIGURES, of_kind
from ctrbench.report.figures.boxes import common, crosses
from ctrbench.report.figures.names import Plot
from ctrbench.report.findings import Findings
from ctrbench.training.course import Epoch
from tests.fakes import D3, TITLES, FakeData, failed_record, make_plan, make_record, register_models, table

SCRIPT = "</script><script>alert('x')</script>"
NAMES = (SCRIPT, "a'b\"c\\d", "datum.auc > 0 || alert(1)", "{{x}} & <b>")
KINDS = {name: figure.kinds[0] for name, figure in FIGURES.items()}


def spec_of(kind, titles=("Small", "Large")):
    """The three fake models, and two sizes of the language model."""
    variants = {
        name: {"model": "language", "title": title, "config": {"dim": dim}}
        for name, title, dim in zip(("small", "large"), titles, (4, 16), strict=True)
    }
    more = {"targets": ["all_beauty"]} if kind == "zero_shot" else {}
    return table(kind, models=["single", "multi", "language", "small", "large"], variants=variants, **more)


def write_predictions(folder, run, rows=60):
    """What a run scored on its own test rows; the metrics of the same."""
    rng, parts, metrics = np.random.default_rng(run.spec.seed), [], {}
    for domain in run.spec.domains:
        logit, label = rng.normal(size=rows), np.random.default_rng(len(domain)).integers(0, 2, rows).astype(float)
        numbers = {"auc": auc(label, logit), "logloss": logloss(label, logit)}
        metrics[domain] = Metrics(**numbers, rows=rows, positives=int(label.sum()))
        about = {"split": "test", "domain": domain, "head": "own"}
        frame = pl.DataFrame({"row_id": np.arange(rows), "label": label, "logit": logit})
        parts.append(frame.with_columns(pl.lit(value).alias(key) for key, value in about.items()))
    folder.path.mkdir(parents=True, exist_ok=True)
    pl.concat(parts).write_parquet(folder.predictions)
    return metrics


def write_latency(folder):
    timings = [Timing(precision=p, length=16, batches=20, p50_ms=2.0, p95_ms=3.0) for p in ("fp32", "bf16")]
    facts = {"measured": "2026-01-01", "device": "cpu", "processor": "a & <b>", "threads": 1, "torch": "2"}
    found = Latency(**facts, batch_size=32, weights={}, timings=timings, auc={"fp32": {}, "bf16": {}})
    folder.latency.write_text(found.model_dump_json(by_alias=True))


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Findings of a kind of table: every run done, but for those that `failing` or `lacking` names."""
    register_models(monkeypatch)

    def make(kind, seeds=(0, 1), titles=None, names=("Small", "Large"), failing=(), lacking=()):
        data = FakeData(titles)
        plan = make_plan(kind, data, spec_of(kind, names), seeds=list(seeds))
        sizes, records = count(1), []
        found = Findings(plan, records, tmp_path, data)
        for run in plan.runs:
            if run.row in failing or run.row in lacking:
                records.append(failed_record(run) if run.row in failing else None)
                continue
            metrics = write_predictions(found.folder(run), run)
            write_latency(found.folder(run))
            history = [
                Epoch(epoch=e, loss=1, valid_auc=dict.fromkeys(run.spec.domains, 0.6), seconds=1) for e in (0, 1)
            ]
            size = next(sizes)
            cost = Cost(parameters=1000 * size, parameters_trained=9, train_seconds=size, rows_per_s=5.0, best_epoch=1)
            record = make_record(run, {}, cost=cost, history=history)
            for domain, values in metrics.items():
                record.metrics["test"][domain]["own"] = values
            records.append(record)
        return found

    def tsne(found):
        shown = [model.title for model in found.plan.models[2:]]
        points = [
            (row, "h_0", "trained", d, float(i), float(j)) for i, row in enumerate(shown) for j, d in enumerate(D3)
        ]
        return pl.DataFrame(points, schema=["row", "name", "state", "domain", "x", "y"], orient="row")

    monkeypatch.setattr("ctrbench.report.figures.maps.tsne", tsne)
    return make


def strings(value):
    """Every text in a specification, with the keys that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ((f"{key}/{path}", text) for path, text in strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield "", value


def data_of(chart):
    """All lines of data of a chart, whichever part they are in."""
    spec = svg.spec(chart)
    return [line for lines in spec.get("datasets", {}).values() for line in lines], spec


def test_every_kind_of_table_with_runs_has_a_figure_and_every_figure_a_title():
    for kind in ("main", "zero_shot", "new_domain", "abilities", "map", "latency"):
        assert of_kind(kind)
    assert all(figure.title and figure.kinds for figure in FIGURES.values())


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("suffix", svg.DRAWN)
def test_every_figure_is_drawn_in_every_form(name, suffix, world):
    chart = FIGURES[name].draw(world(KINDS[name]))
    begin = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
    drawn = svg.draw(chart, suffix)
    assert drawn.startswith(begin)
    assert len(drawn) > 5000


@pytest.mark.parametrize("name", FIGURES)
def test_a_file_of_its_own_has_colours_of_its_own_and_a_page_gives_them(name, world):
    chart = FIGURES[name].draw(world(KINDS[name]))
    alone = svg.draw(chart, ".svg").decode()
    assert "var(--" not in alone
    assert "currentColor" not in alone
    assert svg.PRINTED[0] in alone
    assert "var(--series-1)" in svg.to_svg(chart)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_tooltips_and_carries_its_data(name, world):
    lines, spec = data_of(FIGURES[name].draw(world(KINDS[name])))
    assert '"tooltip": [{' in json.dumps(spec)
    assert lines
    assert '"url"' not in json.dumps(spec)


@pytest.mark.parametrize("name", FIGURES)
def test_names_are_data_and_never_part_of_an_expression(name, world):
    found = world(KINDS[name], titles=dict(zip(TITLES, NAMES, strict=True)), names=(SCRIPT, NAMES[2]))
    chart = FIGURES[name].draw(found)
    drawn = svg.to_svg(chart)
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    spec = svg.spec(chart)
    del spec["datasets"]
    places = {path for path, text in strings(spec) if any(part in text for part in NAMES)}
    assert all(re.search(r"(domain|title|subtitle|data/values/\w+)/$", path) for path in places), places
    assert not any(word in json.dumps(spec) for word in ('"expr"', '"signal"', '"calculate"'))


@pytest.mark.parametrize("name", FIGURES)
def test_runs_that_failed_or_are_missing_are_left_out_and_named(name, world):
    found = world(KINDS[name], failing=["language"], lacking=["multi"])
    if name == "map":
        pytest.skip("which rows have maps is tsne's to say")
    if name in ("latency", "reliability"):
        for run in found.plan.runs:
            if run.row in ("language", "multi"):
                assert not found.folder(run).path.exists()
    lines, spec = data_of(FIGURES[name].draw(found))
    told = " ".join(spec["title"]["subtitle"])
    assert {"language", "multi"} & {line.get("row") for line in lines} == set()
    assert re.search(r"Left out: .*multi", told)
    assert re.search(r"Left out: .*language", told)


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "map"])
def test_a_table_without_any_run_has_no_figure(name, world):
    nothing = ["single", "multi", "language", "small", "large"]
    assert FIGURES[name].draw(world(KINDS[name], lacking=nothing)) is None
    assert FIGURES[name].draw(world(KINDS[name], failing=nothing)) is None


def test_models_of_one_size_each_are_no_scale(world, monkeypatch):
    monkeypatch.setitem(globals(), "spec_of", lambda kind, names: table(kind))
    assert FIGURES["scale_up"].draw(world("main")) is None
    assert FIGURES["cost"].draw(world("main")) is not None


def test_only_rows_of_one_model_are_joined_by_a_line(world):
    spec = svg.spec(FIGURES["scale_up"].draw(world("main")))
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert {value["row"] for value in line["data"]["values"]} == {"language", "Small", "Large"}


def test_one_seed_has_no_deviation_and_says_nothing_of_it(world):
    for name in ("cost", "zero_shot", "seesaw"):
        lines, spec = data_of(FIGURES[name].draw(world(KINDS[name], seeds=[0])))
        assert all(line["low"] is None for line in lines if "low" in line)
        assert "deviation" not in json.dumps(spec["title"])
        lines, spec = data_of(FIGURES[name].draw(world(KINDS[name], seeds=[0, 1])))
        assert any(line.get("low") is not None for line in lines)
        assert "2 seeds" in json.dumps(spec["title"])


def test_the_cost_figure_has_the_mean_over_domains_and_the_sum_of_seconds(world):
    found = world("main", seeds=[0])
    lines, _ = data_of(FIGURES["cost"].draw(found))
    single = next(line for line in lines if line["row"] == "single" and "category" in line)
    scores = [found.scores.own(found.plan.models[0], domain).mean for domain in D3]
    assert single["auc"] == pytest.approx(sum(scores) / 3)
    assert single["train_seconds"] == 1 + 2 + 3


def test_seconds_are_written_as_numbers(world):
    found = world("main", seeds=[0])
    for record in found.records:
        record.cost.train_seconds /= 1000
    assert not re.search(r">[\d.]+m<", svg.draw(FIGURES["cost"].draw(found), ".svg").decode())


def test_scale_up_shows_the_intervals_of_the_table(world):
    from ctrbench.report.significance import comparisons

    found = world("main", seeds=[0])
    lines, _ = data_of(FIGURES["scale_up"].draw(found))
    large = next(line for line in lines if line["row"] == "Large" and line.get("domain") == "Fashion")
    told = comparisons(found).filter(pl.col("row") == "large", pl.col("domain") == "fashion").row(0, named=True)
    assert (large["low"], large["high"]) == (told["auc_ci_low"], told["auc_ci_high"])
    assert large["low"] < large["auc"] < large["high"]


def test_zero_shot_has_best_and_chosen_or_the_general_network(world):
    lines, _ = data_of(FIGURES["zero_shot"].draw(world("zero_shot")))
    picks = {(line["row"], line["pick"]) for line in lines}
    assert {pick for row, pick in picks if row == "single"} == {"best", "chosen"}
    assert {pick for row, pick in picks if row == "language"} == {"general"}


def test_learning_curves_count_epochs_from_one_and_mark_the_kept_one(world):
    lines, _ = data_of(FIGURES["learning"].draw(world("main", seeds=[0])))
    assert {(line["epoch"], line["kept"]) for line in lines} == {(1, False), (2, True)}
    assert len([line for line in lines if line["row"] == "multi"]) == 2 * len(D3)


def test_no_epoch_lies_between_two_others(world):
    drawn = svg.to_svg(FIGURES["learning"].draw(world("main")))
    labels = re.findall(r"<text[^>]*>([0-9.]+)</text>", drawn)
    assert labels.count("2") == 4  # one below each column of plots: no two ticks are rounded to one epoch


def test_reliability_counts_every_scored_row_once(world):
    found = world("main")
    lines, _ = data_of(FIGURES["reliability"].draw(found))
    rows = [line["rows"] for line in lines if line["name"].startswith("multi ·")]
    assert sum(rows) == 60 * len(D3) * 2
    assert all(line["low"] <= line["observed"] <= line["high"] for line in lines)


def test_reliability_takes_no_seed_for_new_rows(world):
    """Three seeds that score the same rows alike tell no more of a rate than one of them."""

    lines, _ = data_of(FIGURES["reliability"].draw(world("main", seeds=[0, 1, 2])))
    for line in lines:
        rate, rows, sure = line["observed"], line["rows"] / 3, 1.959964
        wilson = sure / (1 + sure**2 / rows) * (rate * (1 - rate) / rows + sure**2 / (4 * rows**2)) ** 0.5
        assert line["high"] - line["low"] == pytest.approx(2 * wilson, rel=1e-4)


def test_predictions_that_cannot_be_read_leave_out_their_row_alone(world):
    found = world("main")
    run = next(run for run in found.plan.runs if run.row == "multi")
    found.folder(run).predictions.write_bytes(b"PAR1")
    lines, spec = data_of(FIGURES["reliability"].draw(found))
    assert {line["name"].split(" ·")[0] for line in lines if "name" in line} == {"single", "language", "Small", "Large"}
    assert "multi (unreadable predictions)" in " ".join(spec["title"]["subtitle"])


def test_seesaw_leaves_out_models_that_are_never_trained_jointly(world):
    lines, spec = data_of(FIGURES["seesaw"].draw(world("abilities")))
    assert "single" not in {line.get("row") for line in lines}
    assert "Left out" not in json.dumps(spec["title"])


def test_panels_stand_in_the_tables_order(world):
    lines, spec = data_of(FIGURES["learning"].draw(world("main", seeds=[0])))
    places = {line["row"]: line["place"] for line in lines}
    assert sorted(places, key=places.get) == ["single", "multi", "language", "Small", "Large"]
    assert spec["facet"]["sort"] == {"field": "place", "op": "min"}


def test_names_cover_no_other_name_where_there_is_room():
    rng = np.random.default_rng(0)
    rows = [(float(x), float(y), f"model_{i}") for i, (x, y) in enumerate(rng.uniform((1.5, 0.65), (5, 0.69), (14, 2)))]
    rows.append((300.0, 0.76, "far"))
    across, up, _ = zip(*rows, strict=True)
    plot = Plot(across, up, 520, 340)
    places = plot.places(rows)
    boxes = [place.box for place in places]
    points = [(x - 4, y - 4, x + 4, y + 4) for x, y in (plot._pixels(*row[:2]) for row in rows)]
    assert not any(common(one, other) for one, other in combinations(boxes, 2))
    assert not any(common(box, point) for box in boxes for point in points)
    lines = [place.line for place in places if place.line is not None]
    assert lines
    assert not any(crosses(line, box) for line in lines for box in boxes if not touches(line, box))
    assert all(left >= 0 and right <= 1.08 * 520 for left, _, right, _ in boxes)


def touches(line, box):
    """Whether it ends at the box: it leads to this name."""
    return box[0] <= line[2] <= box[2] and box[1] <= line[3] <= box[3]


def test_a_line_leads_from_a_point_to_a_name_that_is_away_only():
    alone = pl.DataFrame({"row": ["one", "two"], "x": [1.0, 1000.0], "y": [0.6, 0.7]})
    assert [chart.mark.type for chart in Plot([1.0, 1000.0], [0.6, 0.7]).named(alone, "x", "y")] == ["text"]
    close = pl.DataFrame({"row": [f"row_{i}" for i in range(12)], "x": [10.0] * 12, "y": [0.6] * 12})
    lines, names = Plot([10.0], [0.6]).named(close, "x", "y")
    assert (lines.mark.type, names.mark.type) == ("rule", "text")
    assert all((line["x"], line["y"]) == pytest.approx((10.0, 0.6)) for line in lines.data.values)


def test_names_keep_off_the_bars_of_errors():
    rows = [(10.0, 0.6, "left"), (10.6, 0.6, "right"), (100.0, 0.7, "far")]
    plot = Plot([10.0, 100.0], [0.5, 0.7])
    bar = plot._pixels(10.6, 0.65)[0]
    free, kept = plot.places(rows), plot.places(rows, [(10.6, 0.5, 0.65)])
    assert not any(place.box[0] < bar < place.box[2] for place in kept)
    assert free[1].box[0] > bar or free != kept


def test_one_point_is_a_plot(world):
    lacking = ["single", "multi", "language", "small"]
    for name in ("cost", "scale_up"):
        assert svg.draw(FIGURES[name].draw(world("main", seeds=[0], lacking=lacking)), ".svg")


def test_maps_may_have_any_number_of_points(world, monkeypatch):
    many = pl.DataFrame({"x": np.arange(6000.0)}).select(
        pl.lit("language").alias("row"), pl.lit("h_0").alias("name"), pl.lit("trained").alias("state"),
        pl.lit("fashion").alias("domain"), "x", pl.col("x").alias("y"),
    )  # fmt: skip
    monkeypatch.setattr("ctrbench.report.figures.maps.tsne", lambda found: many)
    lines, _ = data_of(FIGURES["map"].draw(world("map")))
    assert len(lines) == 6000


def test_printed_colours_can_be_read_on_white_and_pages_define_every_series():
    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in svg.PRINTED)
    style = (Path(svg.__file__).parent / "templates" / "page.css").read_text("utf-8")
    light, dark = (re.findall(r"--series-\d: (#\w{6})", part) for part in style.split("prefers-color-scheme: dark"))
    assert len(light) == len(dark) == len(svg.SERIES) == len(svg.PRINTED)
    paper, ink = luminance("#f6f8fa"), luminance("#1d2127")
    assert all((paper + 0.05) / (luminance(colour) + 0.05) >= 3 for colour in light)
    assert all((luminance(colour) + 0.05) / (ink + 0.05) >= 3 for colour in dark)
