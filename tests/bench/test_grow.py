"""A domain is added to a trained model: its network alone is trained, and nothing else moves by a bit."""

import json
import os
import shutil
import signal
import time

import polars as pl
import pytest
import torch

from ctrbench import registry
from ctrbench.bench import execute as module, grow, records
from ctrbench.bench.build import check
from ctrbench.bench.estimate import estimate
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.plan import plan
from ctrbench.bench.records import DatasetFacts, Target
from ctrbench.bench.results import stored_runs
from ctrbench.bench.run import run_table
from ctrbench.bench.spec import TableSpec
from ctrbench.bench.stored import look
from ctrbench.bench.verify import Verifier
from ctrbench.data.fingerprint import file_hash
from ctrbench.errors import ConfigError
from ctrbench.evaluation.score import score
from ctrbench.features.view import view
from ctrbench.models.parts import own_names
from ctrbench.training.checkpoint import load_tensors, save_tensors
from ctrbench.training.fit import fit
from tests.bench.test_execute import planned
from tests.toys import TINY

OLD, NEW = ("books", "games"), "tools"
JOINT = [name for name in registry.names("models") if registry.load("models", name).category != "single_domain"]


def base_run(data, name, **changes):
    return planned(data, name, [Target("test", domain, "own") for domain in OLD], OLD, **changes)


def grown_run(data, name, heads=("own",), **changes):
    base = base_run(data, name, **changes).spec
    return planned(data, name, [Target("test", NEW, head) for head in heads], (NEW,), base=base, **changes)


def folder(results, run) -> RunFolder:
    return RunFolder.of(results, "toy", run.spec)


@pytest.fixture(scope="module")
def bases(toy, tmp_path_factory):
    """Results with a trained base of MMoE."""
    results = tmp_path_factory.mktemp("bases")
    assert execute(base_run(toy, "mmoe"), toy, results).status == "done"
    return results


@pytest.fixture
def results(bases, tmp_path):
    shutil.copytree(bases, tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize("name", JOINT)
def test_only_the_new_networks_learn_and_the_base_stays_bitwise_the_same(toy, tmp_path, name):
    base, run = base_run(toy, name), grown_run(toy, name)
    execute(base, toy, tmp_path)
    record = execute(run, toy, tmp_path)
    assert record.status == "done", record.error

    before, featurizer = grow.trained(base.spec, toy, folder(tmp_path, base))
    start, _ = grow.untrained(run.spec, toy, folder(tmp_path, run))
    after, _ = grow.trained(run.spec, toy, folder(tmp_path, run))
    old, now = before.state_dict(), after.state_dict()
    assert set(now) - set(old) == own_names(after, NEW)
    assert all(torch.equal(tensor, now[key]) for key, tensor in old.items())
    assert any(not torch.equal(tensor, now[key]) for key, tensor in start.state_dict().items())

    rows = view(toy, featurizer, "test", OLD)
    heads = ["own", "books", *(["general"] if before.has_general_head else [])]
    assert score(before, rows, heads).equals(score(after, rows, heads))
    assert record.growth is not None
    assert (record.growth.base, record.growth.domains) == (base.spec.id, OLD)
    assert record.growth.rows == 2 * grow.SAMPLE
    assert record.growth.weights == sum(
        tensor.numel() for tensor in load_tensors(folder(tmp_path, base).model)[0].values()
    )


def test_the_record_states_what_was_trained_and_scored(toy, results):
    run = grown_run(toy, "mmoe")
    record = execute(run, toy, results)
    after, _ = grow.trained(run.spec, toy, folder(results, run))
    own = sum(after.get_parameter(name).numel() for name in own_names(after, NEW))
    assert record.cost.parameters_trained == own
    assert record.cost.parameters == sum(parameter.numel() for parameter in after.parameters())
    assert record.rows.train == len(toy.rows("train", (NEW,)))
    assert set(record.rows.test_hash) == {NEW}
    assert set(load_tensors(folder(results, run).model)[0]) == own_names(after, NEW)
    scored = pl.read_parquet(folder(results, run).predictions)
    assert scored["domain"].unique().to_list() == [NEW]


def test_the_new_domains_rows_are_seen_as_the_base_sees_them(toy, results):
    """The vocabulary is the base's: the new domain's own id is one that its train rows did not hold."""
    base, run = base_run(toy, "mmoe"), grown_run(toy, "mmoe")
    execute(run, toy, results)
    states = [json.loads(folder(results, one).features.read_text()) for one in (base, run)]
    assert states[0] == states[1]
    assert NEW not in states[1]["vocabularies"]["domain"]


def test_the_featurizer_is_not_fitted_again(toy, results):
    """What the base kept decides, not what a newer fit would find."""
    file = folder(results, base_run(toy, "mmoe")).features
    state = json.loads(file.read_text())
    state["scales"]["price"] = [1234.0, 5.0]
    file.write_text(json.dumps(state))
    assert grow.untrained(grown_run(toy, "mmoe").spec, toy, folder(results, grown_run(toy, "mmoe")))[1].state() == state


def test_notes_count_the_rows_that_are_trained_on_and_no_others(toy, tmp_path):
    short = {"config": {"max_length": 24}}
    execute(base_run(toy, "uni_ctr", **short), toy, tmp_path)
    record = execute(grown_run(toy, "uni_ctr", **short), toy, tmp_path)
    seen = len(toy.rows("train", (NEW,))) + len(toy.rows("valid", (NEW,)))
    assert any(note.startswith(f"Of {seen:,} training and validation prompts") for note in record.notes)


@pytest.mark.parametrize("name", ["mmoe", "uni_ctr"])
def test_a_new_target_is_scored_without_training_again(toy, tmp_path, monkeypatch, name):
    execute(base_run(toy, name), toy, tmp_path)
    first = execute(grown_run(toy, name), toy, tmp_path)
    monkeypatch.setattr(module, "fit", None)
    later = execute(grown_run(toy, name, ("own", "books")), toy, tmp_path)
    assert later.status == "done", later.error
    assert later.metric(Target("test", NEW, "own")) == first.metric(Target("test", NEW, "own"))
    assert later.metric(Target("test", NEW, "books")) is not None


@pytest.mark.parametrize("name", ["star", "uni_ctr"])
def test_ctrl_c_leaves_a_state_that_the_same_call_goes_on_from(toy, tmp_path, name):
    many_steps = {"train": {"batch_size": 32}}
    run = grown_run(toy, name, **many_steps)
    execute(base_run(toy, name, **many_steps), toy, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    whole = execute(run, toy, tmp_path / "whole")
    seen = []

    def watch(progress):
        seen.append(progress)
        if sum(p.stage == "train" for p in seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(run, toy, tmp_path / "cut", watch)
    assert folder(tmp_path / "cut", run).checkpoint.exists()
    resumed = execute(run, toy, tmp_path / "cut")
    assert (resumed.metrics, resumed.growth) == (whole.metrics, whole.growth)
    assert resumed.cost.steps == whole.cost.steps


def test_without_its_base_a_run_fails_and_says_so(toy, tmp_path):
    record = execute(grown_run(toy, "mmoe"), toy, tmp_path)
    assert record.status == "failed"
    assert "on books, games, to which the domain is to be added, is missing" in record.error


def test_with_a_failed_base_a_run_fails_with_its_error(toy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", lambda *args, **options: 1 / 0)
        execute(base_run(toy, "mmoe"), toy, tmp_path)
    record = execute(grown_run(toy, "mmoe"), toy, tmp_path)
    assert "failed: the model plugin 'mmoe' of ctrbench" in record.error
    assert "ZeroDivisionError: division by zero" in record.error


@pytest.mark.parametrize("file", ["model", "features", "record"])
def test_a_damaged_base_is_the_runs_failure_and_no_end_of_the_table(toy, results, file):
    path = getattr(folder(results, base_run(toy, "mmoe")), file)
    path.write_bytes(path.read_bytes()[:20])
    record = execute(grown_run(toy, "mmoe"), toy, results)
    assert record.status == "failed"
    assert str(path) in record.error


def train_anew(results, base, older_than=None):
    """Give the base other weights, later or (as copied files may be) before another file was written."""
    file = folder(results, base).model
    tensors, state = load_tensors(file)
    save_tensors(file, {name: tensor + 1e-3 for name, tensor in tensors.items()}, state)
    now = time.time() + 60 if older_than is None else older_than.stat().st_mtime - 60
    os.utime(file, (now, now))


def test_what_was_grown_from_a_base_that_was_trained_anew_is_done_again(toy, results, caplog):
    run, base = grown_run(toy, "mmoe"), base_run(toy, "mmoe")
    first = execute(run, toy, results)
    train_anew(results, base)
    seen = look(results, DatasetFacts.of(toy), run.spec)
    assert seen.status == "failed"
    assert "which was trained anew since" in seen.error
    again = execute(run, toy, results)
    assert again.status == "done", again.error
    assert again.growth.base_file != first.growth.base_file
    assert (folder(results, run).path / "record.json.bad-1").exists()


def test_a_base_that_came_out_the_same_again_changes_nothing(toy, results):
    run, base = grown_run(toy, "mmoe"), base_run(toy, "mmoe")
    first = execute(run, toy, results)
    shutil.rmtree(folder(results, base).path)
    assert look(results, DatasetFacts.of(toy), run.spec) == first
    execute(base, toy, results)
    later = time.time() + 60
    os.utime(folder(results, base).model, (later, later))
    assert look(results, DatasetFacts.of(toy), run.spec) == first


def test_a_checkpoint_from_before_its_base_was_trained_is_not_gone_on_with(toy, results, tmp_path):
    run, base = grown_run(toy, "mmoe", train={"batch_size": 32}), base_run(toy, "mmoe", train={"batch_size": 32})
    execute(base, toy, results)

    seen = []

    def watch(progress):
        seen.append(progress.stage)
        if seen.count("train") == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(run, toy, results, watch)
    assert folder(results, run).checkpoint.exists()
    train_anew(results, base)
    shutil.copytree(results, tmp_path / "whole")
    folder(tmp_path / "whole", run).checkpoint.unlink()
    assert execute(run, toy, results).metrics == execute(run, toy, tmp_path / "whole").metrics


def test_a_base_that_was_trained_anew_is_not_taken_for_the_old_one(toy, results):
    run, base = grown_run(toy, "mmoe"), base_run(toy, "mmoe")
    first = execute(run, toy, results)
    train_anew(results, base, older_than=folder(results, run).record)
    again = execute(grown_run(toy, "mmoe", ("own", "books")), toy, results)
    assert again.status == "failed"
    assert "was trained anew" in again.error
    assert records.load(results, "toy", run.spec) == first


def test_a_base_that_moves_is_a_fault_of_the_model_and_fails_the_run(toy, results, monkeypatch):
    def careless(model, *arguments, **options):
        found = fit(model, *arguments, **options)
        with torch.no_grad():
            for weight in model.experts.parameters():
                weight += 1e-3
        return found

    monkeypatch.setattr(module, "fit", careless)
    record = execute(grown_run(toy, "mmoe"), toy, results)
    assert record.status == "failed"
    assert "moved the predictions of 'books'" in record.error
    assert not folder(results, grown_run(toy, "mmoe")).model.exists()


def test_a_weight_that_moves_is_a_fault_even_where_no_prediction_shows_it(toy, results, monkeypatch):
    def moved(model, *arguments, **options):
        found = fit(model, *arguments, **options)
        with torch.no_grad():
            model.embedding.table.weight[model.features.unseen[0]] += 1.0  # an id that the sample does not hold
        return found

    monkeypatch.setattr(module, "fit", moved)
    record = execute(grown_run(toy, "mmoe"), toy, results)
    assert record.status == "failed"
    assert "moved the weight 'embedding.table.weight' of its base" in record.error


def test_a_domain_may_be_added_after_another(toy, tmp_path):
    base = planned(toy, "mmoe", [Target("test", "books", "own")], ("books",))
    second = planned(toy, "mmoe", [Target("test", "games", "own")], ("games",), base=base.spec)
    third = planned(toy, "mmoe", [Target("test", NEW, "own")], (NEW,), base=second.spec)
    records = [execute(run, toy, tmp_path) for run in (base, second, third)]
    assert [record.status for record in records] == ["done"] * 3
    assert records[2].growth.domains == ("books", "games")


def test_several_domains_may_be_added_at_once(toy, tmp_path):
    base = planned(toy, "mmoe", [Target("test", "books", "own")], ("books",))
    both = planned(toy, "mmoe", [], ("games", NEW), base=base.spec)
    execute(base, toy, tmp_path)
    assert execute(both, toy, tmp_path).status == "done"
    start, _ = grow.untrained(both.spec, toy, folder(tmp_path, both))
    after, _ = grow.trained(both.spec, toy, folder(tmp_path, both))
    for domain in both.spec.domains:
        names = own_names(after, domain)
        assert any(not torch.equal(start.state_dict()[name], after.state_dict()[name]) for name in names)


def test_an_estimate_is_of_what_is_trained(toy, results):
    run = grown_run(toy, "mmoe")
    guess, record = estimate(run, toy), execute(run, toy, results)
    assert guess.parameters == record.cost.parameters
    assert guess.parameters_trained == record.cost.parameters_trained
    assert guess.steps == record.cost.steps
    whole = estimate(base_run(toy, "mmoe"), toy).flops / len(toy.rows("train", OLD))
    assert 0 < guess.flops / record.rows.train < 0.6 * whole  # below the new networks, nothing goes back


def test_rates_of_groups_that_are_frozen_now_are_no_mistake(toy, tmp_path):
    rates = {"train": {"lr_groups": {"sparse": 1e-4}}}
    execute(base_run(toy, "mmoe", **rates), toy, tmp_path)
    run = grown_run(toy, "mmoe", **rates)
    check(run.spec, toy)
    assert execute(run, toy, tmp_path).status == "done"


def test_a_model_without_networks_per_domain_is_found_before_anything_is_spent(toy):
    with pytest.raises(ConfigError, match="has no network per domain, so none can be added for 'tools'"):
        check(grown_run(toy, "deepfm").spec, toy)


def test_a_table_trains_the_base_first_and_the_others_go_on_when_one_fails(toy, tmp_path, monkeypatch):
    raw = {"schema": 1, "title": "T", "kind": "new_domain", "domains": OLD, "targets": [NEW], "models": ["mmoe", "ple"]}
    settings = {name: {"config": TINY[name], "train": {"epochs": 1}} for name in ("mmoe", "ple")}
    made = plan(TableSpec.model_validate({**raw, "settings": settings}), toy)
    failing = iter([True])

    def once(*arguments, **options):
        return 1 / 0 if next(failing, False) else fit(*arguments, **options)

    monkeypatch.setattr(module, "fit", once)
    assert [record.status for record in run_table(made, toy, tmp_path)] == ["failed", "failed", "done", "done"]
    assert [record.status for record in run_table(made, toy, tmp_path)] == ["done"] * 4


def test_a_base_that_another_command_trains_anew_meanwhile_is_no_fault_of_the_model(
    toy, results, tmp_path, monkeypatch
):
    """What was trained on top of the old one is not kept, and the next call begins on the new one."""
    run, base = grown_run(toy, "mmoe"), base_run(toy, "mmoe")

    def meanwhile(model, *arguments, **options):
        found = fit(model, *arguments, **options)
        train_anew(results, base, older_than=folder(results, base).record)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", meanwhile)
        record = execute(run, toy, results)
    assert record.status == "failed"
    assert "was trained anew by another command while a domain was added to it" in record.error
    assert "PerDomain" not in record.error
    assert not folder(results, run).model.exists()
    shutil.copytree(results, tmp_path / "whole")
    folder(tmp_path / "whole", run).checkpoint.unlink()  # it is no older than the base, and was begun on another
    again = execute(run, toy, results)
    assert again.status == "done", again.error
    assert again.metrics == execute(run, toy, tmp_path / "whole").metrics
    assert again.growth.base_file == file_hash(folder(results, base).model)
    assert not folder(results, run).begun_on.exists()


def test_a_base_that_is_removed_meanwhile_is_told(toy, results, monkeypatch):
    run, base = grown_run(toy, "mmoe", train={"epochs": 1}), base_run(toy, "mmoe", train={"epochs": 1})
    execute(base, toy, results)

    def meanwhile(model, *arguments, **options):
        shutil.rmtree(folder(results, base).path)
        return fit(model, *arguments, **options)

    monkeypatch.setattr(module, "fit", meanwhile)
    assert "was removed by another command" in execute(run, toy, results).error


def test_verify_finds_another_base_whatever_the_times_of_the_files(toy, results):
    run, base = grown_run(toy, "mmoe"), base_run(toy, "mmoe")
    execute(run, toy, results)

    def faults():
        verifier = Verifier()
        return [f.text for one in stored_runs(results) for f in verifier.run(one) if f.level == "fault"]

    assert faults() == []
    train_anew(results, base, older_than=folder(results, run).record)
    assert faults() == [f"was made on top of {folder(results, base).path}, which was trained anew since"]
