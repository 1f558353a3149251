"""Latency of a trained run: what is timed, and what is written."""

from itertools import islice

import pytest
import torch

from ctrbench.bench import latency
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.needs import read_latency
from ctrbench.bench.plan import PlannedRun
from ctrbench.bench.records import Target
from ctrbench.errors import OutputError
from ctrbench.features.view import view
from tests.bench.test_execute import OWN, planned
from tests.toys import DOMAINS, build


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(latency, "LEAST", 2)
    monkeypatch.setattr(latency, "MOST", 4)


def timed(data, name, **changes) -> PlannedRun:
    return PlannedRun(planned(data, name, **changes).spec, OWN, needs=frozenset({"latency"}))


def measure(data, results, name, **changes):
    run = timed(data, name, **changes)
    record = execute(run, data, results)
    assert record.status == "done", record.error
    return record, read_latency(RunFolder.of(results, "toy", run.spec))


def test_a_model_of_text_is_timed_on_its_prompts_and_on_full_ones_in_both_precisions(toy, tmp_path):
    record, found = measure(toy, tmp_path, "uni_ctr")
    kinds = {(t.precision, t.length) for t in found.timings}
    assert kinds == {(p, length) for p in ("fp32", "bf16") for length in (None, 96)}
    assert all(0 < t.p50_ms <= t.p95_ms and t.batches == 4 for t in found.timings)
    assert found.auc["fp32"] == {d: record.metric(Target("test", d, "own")).auc for d in DOMAINS}
    assert set(found.auc["bf16"]) == set(DOMAINS)
    assert found.weights == {"float32": record.cost.parameters}
    assert found.processor
    assert found.batch_size == 32


def test_a_model_of_ids_is_timed_as_it_is(toy, tmp_path):
    _, found = measure(toy, tmp_path, "deepfm")
    assert [(t.precision, t.length) for t in found.timings] == [("fp32", None), ("bf16", None)]


@pytest.mark.parametrize(("trained", "scored"), [("fp32", ["bf16"] * 3), ("bf16", ["fp32"] * 3)])
def test_rows_are_scored_anew_in_the_other_precision_alone(toy, tmp_path, monkeypatch, trained, scored):
    seen, score = [], latency.score
    monkeypatch.setattr(
        latency, "score", lambda *a, **options: seen.append(options["precision"]) or score(*a, **options)
    )
    record, found = measure(toy, tmp_path, "mmoe", train={"precision": trained})
    assert seen == scored
    assert found.auc[trained] == {d: record.metric(Target("test", d, "own")).auc for d in DOMAINS}
    assert all(auc is not None for auc in found.auc[scored[0]].values())


def test_no_more_than_the_least_are_timed_once_it_takes_long(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "ENOUGH", 0.0)
    _, found = measure(toy, tmp_path, "deepfm")
    assert {t.batches for t in found.timings} == {2}


def test_percentiles_are_those_of_the_timed_batches_without_the_warm_up(monkeypatch):
    model, _ = build("deepfm")
    seconds = iter([*[9.0] * latency.WARM_UP, 0.001, 0.002, 0.003, 0.010])
    monkeypatch.setattr(latency, "_seconds", lambda *arguments: next(seconds))
    found = latency.timing(model, iter(range(100)), "fp32", None)
    assert (found.batches, found.p50_ms) == (4, 2.5)
    assert found.p95_ms == pytest.approx(8.95)
    assert model.training


def test_batches_have_32_rows_however_few_there_are(toy):
    _, featurizer = build("deepfm")
    rows = view(toy, featurizer, "test", DOMAINS)
    some = list(islice(latency.drawn(rows, 0), 3))
    assert [len(batch) for batch in some] == [32, 32, 32]
    assert len(torch.cat([batch.row_id for batch in some]).unique()) == len(rows) == 90
    few = view(toy, featurizer, "test", ("games",), 5)
    assert len(next(latency.drawn(few, 0)).row_id.unique()) == 5


def test_a_full_prompt_is_the_rows_tokens_over_and_over(toy):
    _, featurizer = build("uni_ctr")
    rows = view(toy, featurizer, "test", DOMAINS)
    batch = rows.batch(torch.arange(6))
    full = latency.lengthened(batch, rows, 200)
    assert full.x["attention_mask"].shape == (6, 200)
    assert full.x["attention_mask"].all()
    for row in range(6):
        tokens = batch.x["input_ids"][row][batch.x["attention_mask"][row]].tolist()
        assert full.x["input_ids"][row].tolist() == (tokens * 200)[:200]


def test_weights_that_processes_share_cannot_be_timed(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "is_sharded", lambda model: True)
    record = execute(timed(toy, "deepfm"), toy, tmp_path)
    assert "without a launcher" in record.error


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 2}'])
def test_a_broken_file_is_one_sentence(toy, tmp_path, content):
    folder = RunFolder.of(tmp_path, "toy", planned(toy).spec)
    folder.path.mkdir(parents=True)
    folder.latency.write_text(content)
    with pytest.raises(OutputError, match="delete it"):
        read_latency(folder)
