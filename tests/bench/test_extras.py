"""What a run leaves beside its scores: made for a trained run without training it again."""

import pytest
import torch

from ctrbench import registry
from ctrbench.bench import extras, records
from ctrbench.bench.build import build
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.needs import Representations, lacking
from ctrbench.bench.plan import PlannedRun
from ctrbench.errors import OutputError
from ctrbench.features.view import view
from ctrbench.training.checkpoint import load_tensors, load_trained
from tests.bench.test_execute import OWN, planned, trainings
from tests.toys import DOMAINS

__all__ = ["trainings"]


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(extras, "ROWS", 8)


def mapped(data, name="mmoe", **changes) -> PlannedRun:
    return PlannedRun(planned(data, name, **changes).spec, OWN, needs=frozenset({"representations"}))


def folder_of(results, run):
    return RunFolder.of(results, "toy", run.spec)


def stored(results, run):
    return Representations.of(folder_of(results, run))


@pytest.mark.parametrize("name", ["uni_ctr", "mmoe"])
def test_they_are_those_of_the_trained_model_and_of_the_one_that_training_began_with(toy, tmp_path, name):
    run = mapped(toy, name)
    assert execute(run, toy, tmp_path).status == "done"
    found = stored(tmp_path, run)
    rows = load_tensors(folder_of(tmp_path, run).representations)[0]["row_id"]
    for state in ("trained", "untrained"):
        model, featurizer = build(run.spec, toy, None)
        if state == "trained":
            load_trained(model, load_tensors(folder_of(tmp_path, run).model)[0])
        every = view(toy, featurizer, "test", DOMAINS)
        places = torch.cat([(every.row_id == row).nonzero()[0] for row in rows])
        with torch.no_grad():
            expected = model.eval().representations(every.batch(places))
        for space, values in expected.items():
            torch.testing.assert_close(torch.from_numpy(found.values(state, space)), values, atol=1e-5, rtol=1e-4)


def test_a_language_model_keeps_the_embeddings_every_tap_and_the_tower(toy, tmp_path):
    run = mapped(toy, "uni_ctr")
    execute(run, toy, tmp_path)
    found = stored(tmp_path, run)
    assert found.names == ("h_0", "h_1", "h_2", "h_3", "h_4", "tower", "tower (one network)")
    assert found.values("trained", "h_0").shape == (24, 32)
    assert found.values("trained", "tower").shape == (24, 8)


def test_in_the_tower_of_one_network_all_rows_pass_that_of_the_first_domain(toy, tmp_path):
    run = mapped(toy)
    execute(run, toy, tmp_path)
    found = stored(tmp_path, run)
    own, one = found.values("trained", "tower"), found.values("trained", "tower (one network)")
    books = found.domain == DOMAINS.index("books")
    assert abs(own[books] - one[books]).max() < 1e-5
    assert abs(own[~books] - one[~books]).max() > 1e-3


def test_rows_are_test_rows_that_the_seed_draws_from_every_domain(toy, tmp_path):
    ids = {}
    for seed in (0, 1):
        run = mapped(toy, seed=seed)
        execute(run, toy, tmp_path)
        ids[seed] = load_tensors(folder_of(tmp_path, run).representations)[0]["row_id"].reshape(3, 8)
        for domain, some in zip(DOMAINS, ids[seed].tolist(), strict=True):
            assert set(some) < set(toy.rows("test", (domain,))["row_id"])
    assert not torch.equal(ids[0], ids[1])


def test_a_domain_with_fewer_rows_gives_all_it_has(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "ROWS", 1_000)
    run = mapped(toy)
    execute(run, toy, tmp_path)
    assert len(stored(tmp_path, run).domain) == toy.count("test")


def test_a_trained_run_gets_what_it_lacks_without_being_trained_again(toy, tmp_path, trainings):
    before = execute(planned(toy), toy, tmp_path)
    run = mapped(toy)
    assert lacking(folder_of(tmp_path, run), run.needs) == ["representations"]
    assert execute(run, toy, tmp_path) == before
    assert lacking(folder_of(tmp_path, run), run.needs) == []
    assert len(trainings) == 1
    at_once = mapped(toy)
    execute(at_once, toy, tmp_path / "other")
    names = stored(tmp_path, run).names
    assert all(
        (stored(tmp_path, run).values(state, name) == stored(tmp_path / "other", run).values(state, name)).all()
        for state in ("trained", "untrained")
        for name in names
    )


def test_what_is_there_is_not_made_again(toy, tmp_path, monkeypatch):
    run = mapped(toy)
    execute(run, toy, tmp_path)
    monkeypatch.setattr("ctrbench.bench.execute.keep_representations", lambda trained: 1 / 0)
    assert execute(run, toy, tmp_path).status == "done"


def test_a_model_without_representations_has_met_the_need_too(toy, tmp_path):
    run = mapped(toy, "star")
    assert execute(run, toy, tmp_path).status == "done"
    assert stored(tmp_path, run).names == ()
    assert lacking(folder_of(tmp_path, run), run.needs) == []


@pytest.mark.parametrize(
    ("made", "words"), [(lambda n: torch.zeros(n), "shape"), (lambda n: torch.full((n, 2), torch.nan), "finite")]
)
def test_a_failure_is_told_and_the_trained_run_stays(toy, tmp_path, monkeypatch, made, words):
    kind = registry.load("models", "mmoe")
    monkeypatch.setattr(kind, "representations", lambda self, batch: {"tower": made(len(batch))})
    run = mapped(toy)
    record = execute(run, toy, tmp_path)
    assert record.status == "failed"
    assert "'tower'" in record.error
    assert words in record.error
    assert records.load(tmp_path, "toy", run.spec).status == "done"
    assert not folder_of(tmp_path, run).representations.exists()


def test_training_anew_forgets_what_the_former_model_left(toy, tmp_path):
    run = mapped(toy)
    execute(run, toy, tmp_path)
    folder = folder_of(tmp_path, run)
    folder.maps.mkdir()
    (folder.maps / "purity.json").write_text("{}")
    folder.record.unlink()
    execute(planned(toy), toy, tmp_path)
    assert not folder.representations.exists()
    assert not list(folder.maps.iterdir())


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\0" * 100])
def test_a_broken_file_is_one_sentence(toy, tmp_path, content):
    folder = folder_of(tmp_path, planned(toy))
    folder.path.mkdir(parents=True)
    folder.representations.write_bytes(content)
    with pytest.raises(OutputError, match="delete it"):
        Representations.of(folder)
