"""What several processes' exit codes amount to, and who speaks for them."""

import signal

import pytest

from ctrbench import cli
from ctrbench.cli import launch
from ctrbench.errors import ConfigError, DataError, LostProcess
from ctrbench.training.launched import LOST


@pytest.mark.parametrize(
    ("codes", "code", "said"),
    [
        ([0, 0], 0, ""),
        ([1, 1], 1, ""),
        ([2, LOST], 2, ""),
        ([LOST, 2], 2, ""),
        ([141, 0], 141, ""),
        ([LOST, -signal.SIGKILL], 1, "process 1 of 2 was killed (SIGKILL, often"),
        ([-signal.SIGSEGV, LOST], 1, "process 0 of 2 was killed (SIGSEGV)"),
        ([LOST, LOST], 1, "the processes lost contact"),
    ],
)
def test_the_exit_code_is_that_of_the_process_that_failed(codes, code, said):
    found, sentence = launch._verdict(codes)
    assert found == code
    assert sentence.startswith(said)
    assert bool(sentence) == bool(said)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    launch._check_devices(2)
    with pytest.raises(
        ConfigError, match="--processes 3: each process needs a GPU of its own, and this machine shows 2"
    ):
        launch._check_devices(3)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    launch._check_devices(3)


def test_threads_are_shared_out_unless_the_user_did(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert launch._environment(4)["OMP_NUM_THREADS"] == "4"
    assert launch._environment(64)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert launch._environment(4)["OMP_NUM_THREADS"] == "3"


def failing(monkeypatch, error):
    def run(args):
        raise error

    monkeypatch.setattr("ctrbench.cli.list.run", run)


def test_a_sentence_that_another_process_says_is_not_repeated(monkeypatch, capsys):
    error = DataError("process 1 failed: rows are missing")
    error.elsewhere = True
    failing(monkeypatch, error)
    assert cli.main(["list"]) == 2
    assert capsys.readouterr().err == ""


def test_a_lost_process_is_told_by_who_started_it_or_else_by_the_others(monkeypatch, capsys):
    error = LostProcess("lost contact with another process")
    error.elsewhere = True
    failing(monkeypatch, error)
    assert cli.main(["list"]) == 2
    assert "lost contact" in capsys.readouterr().err
    monkeypatch.setattr("ctrbench.training.launched.by_ctrbench", lambda: True)
    monkeypatch.setattr("ctrbench.cli.launch.follow", lambda: None)
    assert cli.main(["list"]) == LOST
    assert capsys.readouterr().err == ""


def test_of_several_processes_only_the_main_one_says_that_it_was_interrupted(monkeypatch, capsys):
    failing(monkeypatch, KeyboardInterrupt())
    monkeypatch.setenv("RANK", "1")
    assert cli.main(["list"]) == 130
    assert capsys.readouterr().err == ""
