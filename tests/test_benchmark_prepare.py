"""The benchmark of preparation: its pandas twin prepares the same rows, and every side is measured."""

import gzip
import json

import polars as pl
import pytest

from ctrbench.benchmarks import prepare_twin
from ctrbench.benchmarks.speed import prepare
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset
from ctrbench.features.prompt import render


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw files of the paper's shape, and a user whose history is full."""
    root = prepare.write(tmp_path_factory.mktemp("raw"), 600)
    path = root / "Digital_Music.json.gz"
    line = json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])
    with gzip.open(path, "at") as lines:
        for day in range(9):
            print(json.dumps({**line, "reviewerID": "A", "overall": 1 + day % 5, "unixReviewTime": day}), file=lines)
    return root


@pytest.fixture(scope="module")
def ours(raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("ours") / "out"
    prepare.prepare(raw, out, **prepare.PUBLISHED)
    return PreparedDataset.open(out)


@pytest.fixture(scope="module", params=prepare_twin.HISTORIES)
def theirs(raw, tmp_path_factory, request):
    out = tmp_path_factory.mktemp("twin")
    counts = prepare_twin.prepare(raw, out, request.param)
    frames = {split: pl.read_csv(out / f"{split}.csv") for split in SPLITS}
    assert counts == {split: frame.height for split, frame in frames.items()}
    return frames


@pytest.mark.parametrize("split", SPLITS)
def test_the_twins_splits_hold_as_many_rows_and_labels_as_ours(ours, theirs, split):
    mine, others = ours.rows(split), theirs[split]
    assert mine.height == others.height > 30
    assert mine["label"].sum() == others["label"].sum()


def test_the_twins_prompts_and_so_its_histories_are_ours(ours, theirs):
    prompt = ours.manifest.prompts["default"]
    rows = pl.concat(ours.rows(split) for split in SPLITS)
    rows = rows.with_columns(render(rows, ours.items, prompt, ours.manifest.domains).alias("ours"))
    rows = rows.filter(pl.struct("user", "time").is_unique().all().over("user"))  # the twin orders ties anyhow
    keys = ["reviewerID", "asin", "unixReviewTime"]
    both = rows.join(pl.concat(theirs.values()), left_on=["user", "item", "time"], right_on=keys)
    assert both.height == rows.height > 300
    assert both["prompt"].str.count_matches("product '").max() == 5
    without_ids = pl.col("ours", "prompt").str.replace_all(r"(user|product)_\d+", "")
    # Where there is no plain price the twin gives the mean over reviews, and ours that over products.
    is_mean = (pl.col("price") - pl.col("price").mean()).abs() < 1e-9
    unpriced = pl.col("item").is_in(ours.items.filter(is_mean)["item"].implode())
    without_means = pl.when(unpriced).then(without_ids.str.replace(r"[\d.]+\$\.$", "")).otherwise(without_ids)
    different = both.select(without_means.name.keep()).filter(pl.col("ours") != pl.col("prompt"))
    assert 0 < both.select(unpriced.sum()).item() < 0.5 * both.height
    assert different.is_empty(), different.row(0)


@pytest.mark.parametrize("name", prepare.SIDES)
def test_every_side_of_a_preparation_is_measured_and_leaves_nothing(raw, name):
    before = sorted(raw.parent.iterdir())
    found = prepare.run_side(name, raw)
    assert found["seconds"] > 0
    assert found["memory"] > 0.01
    assert sorted(raw.parent.iterdir()) == before


@pytest.mark.slow
def test_the_benchmark_of_preparation_runs(tmp_path, capsys):
    options = ["--rows", "300,600", "--twin-rows", "300", "--raw", str(tmp_path), "--turns", "1"]
    prepare.main(options)
    lines = capsys.readouterr().out.splitlines()
    rates = [line.split()[-2] for line in lines[2:9]]
    assert all(float(rate.replace(",", "")) > 0 for rate in rates)
    assert lines[9].startswith("twin / published at 300 rows: ")
    assert lines[10].startswith("seconds per row at 600 / at 300 rows: ")
