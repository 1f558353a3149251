"""A run leaves one record and its predictions; it is trained once, however often it is asked for something new."""

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import torch
from filelock import FileLock
from safetensors.torch import save_file

from ctrbench import registry
from ctrbench.bench import execute as module, records
from ctrbench.bench.build import check
from ctrbench.bench.estimate import Estimate, estimate
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.plan import PlannedRun
from ctrbench.bench.records import Target
from ctrbench.bench.spec import RunSpec
from ctrbench.data.store import rows_hash
from ctrbench.errors import CtrbenchError, OutputError
from ctrbench.evaluation.metrics import auc
from ctrbench.training.checkpoint import load_tensors, save_tensors
from ctrbench.training.config import TrainConfig
from tests.toys import DOMAINS, TINY

OWN = tuple(Target(split, domain, "own") for domain in DOMAINS for split in ("valid", "test"))


def planned(data, name="mmoe", targets=OWN, domains=DOMAINS, **changes) -> PlannedRun:
    kind = registry.load("models", name)
    train = TrainConfig(**{"epochs": 2, "batch_size": 64, "lr": 1e-2, **changes.pop("train", {})})
    facts = {
        "model": name,
        "model_version": kind.version,
        "config": kind.Config(**{**TINY[name], **changes.pop("config", {})}).model_dump(mode="json"),
        "train": train.model_dump(mode="json"),
        "domains": domains,
        "seed": 0,
        "dataset": data.fingerprint,
    }
    return PlannedRun(RunSpec(**{**facts, **changes}), tuple(targets))


@pytest.fixture
def trainings(monkeypatch):
    """How often a model was trained."""
    calls = []
    fit = module.fit
    monkeypatch.setattr(module, "fit", lambda *args, **options: calls.append(1) or fit(*args, **options))
    return calls


@pytest.mark.parametrize("name", ["deepfm", "mmoe", "uni_ctr"])
def test_a_record_says_what_was_run_and_what_came_of_it(toy, tmp_path, name):
    record = execute(planned(toy, name), toy, tmp_path)
    assert record.status == "done", record.error
    assert record == records.load(tmp_path, "toy", planned(toy, name).spec)
    assert record.rows.train == 300
    assert record.cost.parameters >= record.cost.parameters_trained > 0
    assert record.cost.steps == record.cost.epochs_run * 5
    assert len(record.history) == record.cost.epochs_run
    assert record.provenance["plugin"]["distribution"] == "ctrbench"
    assert all(record.metric(target) is not None for target in OWN)
    assert not RunFolder.of(tmp_path, "toy", planned(toy, name).spec).checkpoint.exists()


def test_metrics_can_be_had_again_from_the_predictions(toy, tmp_path):
    record = execute(planned(toy), toy, tmp_path)
    scored = pl.read_parquet(RunFolder.of(tmp_path, "toy", record.spec).predictions)
    for target in OWN:
        part = scored.filter(split=target.split, domain=target.domain, head=target.head)
        assert record.metric(target).auc == pytest.approx(auc(part["label"].to_numpy(), part["logit"].to_numpy()))
        assert record.metric(target).rows == len(toy.rows(target.split, (target.domain,)))


def test_the_oracle_is_the_auc_of_the_true_probabilities(toy, tmp_path):
    record = execute(planned(toy), toy, tmp_path)
    rows = toy.rows("test", ("games",))
    expected = auc(rows["label"].to_numpy(), rows["true_probability"].to_numpy())
    assert record.metric(Target("test", "games", "oracle")).auc == pytest.approx(expected)


def test_every_model_records_the_hash_of_the_same_test_rows(toy, tmp_path):
    hashes = [execute(planned(toy, name), toy, tmp_path).rows.test_hash for name in ("deepfm", "mmoe", "uni_ctr")]
    assert hashes[0] == {domain: rows_hash(toy.rows("test", (domain,))) for domain in DOMAINS}
    assert hashes[0] == hashes[1] == hashes[2]


def test_asked_again_nothing_is_trained(toy, tmp_path, trainings):
    first = execute(planned(toy), toy, tmp_path)
    assert execute(planned(toy), toy, tmp_path) == first
    assert len(trainings) == 1


@pytest.mark.parametrize("name", ["deepfm", "mmoe", "uni_ctr"])
def test_a_new_target_is_scored_without_training_again(toy, tmp_path, trainings, name):
    domains = ("books", "games")
    own = tuple(target for target in OWN if target.domain in domains)
    head = {"deepfm": "books", "mmoe": "mean", "uni_ctr": "general"}[name]
    new = Target("test", "tools", head)
    execute(planned(toy, name, own, domains), toy, tmp_path)
    later = execute(planned(toy, name, (*own, new), domains), toy, tmp_path)
    assert len(trainings) == 1
    at_once = execute(planned(toy, name, (*own, new), domains), toy, tmp_path / "other")
    assert later.metrics == at_once.metrics
    assert later.rows == at_once.rows


def test_a_limit_keeps_the_latest_rows_of_each_domain(toy, tmp_path):
    record = execute(planned(toy, "deepfm", limit=10), toy, tmp_path)
    assert record.rows.train == 30
    assert record.rows.test_hash["books"] == rows_hash(toy.rows("test", ("books",)).tail(10))


def test_a_failure_becomes_a_record_and_is_tried_again(toy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", lambda *args, **options: 1 / 0)
        record = execute(planned(toy), toy, tmp_path)
    assert record.status == "failed"
    assert record.error.startswith("the model plugin 'mmoe' of ctrbench ")
    assert "failed (ZeroDivisionError: division by zero)" in record.error
    assert records.load(tmp_path, "toy", record.spec) == record
    assert execute(planned(toy), toy, tmp_path).status == "done"


def test_a_later_failure_of_scoring_leaves_the_record_as_it_was(toy, tmp_path):
    good = execute(planned(toy), toy, tmp_path)
    bad = execute(planned(toy, targets=(*OWN, Target("test", "books", "general"))), toy, tmp_path)
    assert bad.status == "failed"
    assert records.load(tmp_path, "toy", good.spec) == good


@pytest.mark.parametrize(("name", "head"), [("deepfm", "books"), ("mmoe", "mean"), ("uni_ctr", "general")])
def test_a_target_without_rows_is_scored_once(tmp_path, name, head):
    from tests.toys import write_toy

    data = write_toy(tmp_path / "data", domains={"books": "Books", "games": "Games", "tools": "Tools", "none": "None"})
    targets = (Target("test", "none", head), Target("test", "books", "own"))
    record = execute(planned(data, name, targets), data, tmp_path)
    assert record.metric(targets[0]).rows == 0
    assert records.complete(record, targets)


def test_a_model_that_cannot_be_built_without_data_is_left_to_its_run(toy, tmp_path, monkeypatch):
    kind = registry.load("models", "mmoe")

    class Picky(kind):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.size = next(self.parameters()).norm().item()  # no value on the meta device

    monkeypatch.setattr("ctrbench.bench.build.registry.load", lambda group, name: Picky)
    check(planned(toy).spec, toy)
    assert estimate(planned(toy), toy) == Estimate(steps=10)
    assert execute(planned(toy), toy, tmp_path).status == "done"


def test_a_setting_that_does_not_change_the_result_may_change_on_resuming(toy, tmp_path):
    def watch(progress):
        if progress.stage == "train" and progress.done > 100:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(planned(toy), toy, tmp_path, watch)
    assert execute(planned(toy, train={"score_batch_size": 7}), toy, tmp_path).status == "done"


def test_settings_that_do_not_fit_are_found_without_training(toy):
    for name, changes in (
        ("uni_ctr", {"config": {"ladders": 7}}),
        ("uni_ctr", {"config": {"prompt": "nosuch"}}),
        ("uni_ctr", {"config": {"backbone": "nosuch"}}),
        ("deepfm", {"train": {"lr_groups": {"lroa": 1e-3}}}),
    ):
        with pytest.raises(CtrbenchError):
            check(planned(toy, name, **changes).spec, toy)
    check(planned(toy, "uni_ctr").spec, toy)


def test_what_does_not_change_the_result_does_not_change_the_id(toy):
    one, two = (planned(toy, train={"checkpoint_seconds": seconds}).spec for seconds in (1, 100))
    assert one.id == two.id
    assert one.id != planned(toy, train={"epochs": 9}).spec.id


def test_a_domain_without_a_head_fails_with_a_sentence_never_with_a_constant(toy, tmp_path):
    targets = (Target("test", "tools", "own"),)
    record = execute(planned(toy, "mmoe", targets, ("books", "games")), toy, tmp_path)
    assert record.status == "failed"
    assert "tools" in record.error


def test_ctrl_c_leaves_a_state_that_the_same_call_goes_on_from(toy, tmp_path):
    whole = execute(planned(toy), toy, tmp_path / "whole")
    seen = []

    def watch(progress):
        seen.append(progress)
        if sum(p.stage == "train" for p in seen) == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(planned(toy), toy, tmp_path / "cut", watch)
    folder = RunFolder.of(tmp_path / "cut", "toy", whole.spec)
    assert folder.checkpoint.exists()
    assert not folder.record.exists()
    resumed = execute(planned(toy), toy, tmp_path / "cut")
    assert resumed.metrics == whole.metrics
    assert resumed.cost.steps == whole.cost.steps


@pytest.fixture
def interrupted(toy, tmp_path):
    """A run that was stopped in its second epoch, and its folder."""

    def watch(progress):
        if progress.stage == "train" and progress.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    run = planned(toy, "deepfm")
    with pytest.raises(KeyboardInterrupt):
        execute(run, toy, tmp_path, watch)
    return run, RunFolder.of(tmp_path, "toy", run.spec)


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def forget_state(file):
    save_file({"model/a": torch.zeros(1)}, file, metadata={"state": "{}"})


@pytest.mark.parametrize("damage", [cut, forget_state, lambda file: file.write_bytes(b"")])
def test_a_damaged_checkpoint_is_set_aside_and_the_training_begins_anew(toy, tmp_path, interrupted, damage, caplog):
    run, folder = interrupted
    damage(folder.checkpoint)
    assert execute(run, toy, tmp_path).metrics == execute(run, toy, tmp_path / "whole").metrics
    assert (folder.path / "checkpoint.safetensors.bad-1").exists()
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(f"{folder.checkpoint} is damaged (")
    assert said.endswith("it is kept as checkpoint.safetensors.bad-1, and the training begins anew")


def test_the_checkpoint_of_another_configuration_is_left_as_it_is(toy, tmp_path, interrupted):
    run, folder = interrupted
    tensors, state = load_tensors(folder.checkpoint)
    save_tensors(folder.checkpoint, tensors, {**state, "config": {}})
    with pytest.raises(OutputError, match="is of another configuration"):
        execute(run, toy, tmp_path)
    assert folder.checkpoint.exists()


def test_a_second_process_waits_for_the_first_and_takes_its_record(toy, tmp_path, trainings):
    run = planned(toy, "deepfm")
    folder = RunFolder.of(tmp_path, "toy", run.spec)
    first = execute(run, toy, tmp_path / "elsewhere")
    folder.path.mkdir(parents=True)
    with ThreadPoolExecutor() as pool, FileLock(folder.lock) as lock:
        second = pool.submit(execute, run, toy, tmp_path)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        shutil.copytree(tmp_path / "elsewhere", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lock"))
        lock.release()
        assert second.result(timeout=30) == first
    assert len(trainings) == 1


def test_the_featurizers_state_travels_with_the_weights(toy, tmp_path):
    record = execute(planned(toy), toy, tmp_path)
    folder = RunFolder.of(tmp_path, "toy", record.spec)
    assert "vocabularies" in json.loads(folder.features.read_text())
    assert folder.model.stat().st_size > 0


def test_random_weights_are_noted(toy, tmp_path):
    assert execute(planned(toy, "uni_ctr"), toy, tmp_path).notes == ["backbone tiny-bert has random weights"]
