"""From Python: load, fit, score, read."""

import pytest

import ctrbench
from ctrbench.errors import ConfigError, CtrbenchError, DataError, PluginError

QUICK = {"epochs": 1, "batch_size": 64}


def test_fit_score_and_record(toy, tmp_path):
    run = ctrbench.fit("deepfm", toy, domains=["books"], train=QUICK, results=tmp_path)
    assert run.score("books").auc == run.record.metrics["test"]["books"]["own"].auc
    assert run.score("games", head="books").rows == len(toy.rows("test", ("games",)))
    assert run.record.spec.domains == ("books",)


def test_domains_are_trained_in_the_datasets_order(toy, tmp_path):
    run = ctrbench.fit("mmoe", toy, domains=["tools", "books"], train=QUICK, results=tmp_path)
    assert run.record.spec.domains == ("books", "tools")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "deepfn"}, PluginError, "deepfm"),
        ({"config": {"hiden": [1]}}, ConfigError, "hidden"),
        ({"train": {"epoch": 1}}, ConfigError, "epochs"),
        ({"domains": ["boks"]}, DataError, "books, games, tools"),
    ],
)
def test_mistakes_are_named(toy, tmp_path, options, error, words):
    arguments = {"model": "deepfm", "train": QUICK, **options}
    with pytest.raises(error, match=words):
        ctrbench.fit(arguments.pop("model"), toy, results=tmp_path, **arguments)


def test_a_failed_training_is_an_error_here(toy, tmp_path):
    with pytest.raises(CtrbenchError, match="learning rate"):
        ctrbench.fit("mmoe", toy, train={**QUICK, "lr": 1e30, "batch_size": 8}, results=tmp_path)


def test_an_unknown_head_is_an_error(toy, tmp_path):
    run = ctrbench.fit("deepfm", toy, domains=["books"], train=QUICK, results=tmp_path)
    before = run.record
    with pytest.raises(CtrbenchError, match="no head 'games'"):
        run.score("books", head="games")
    assert run.record == before


def test_an_unseen_domain_without_a_named_head_is_an_error(toy, tmp_path):
    run = ctrbench.fit("deepfm", toy, domains=["books"], train=QUICK, results=tmp_path)
    with pytest.raises(CtrbenchError, match="games"):
        run.score("games")
