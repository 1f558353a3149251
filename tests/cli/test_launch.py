"""What several processes' exit codes amount to, and who speaks for them."""

import signal
import subprocess
import sys

import pytest

from ctrbench import cli
from ctrbench.cli import launch
from ctrbench.errors import ConfigError, DataError, LostProcess
from ctrbench.training import launched
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
    monkeypatch.setattr(launch, "_cores", lambda: 16)
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
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(["list"]) == 130
    assert capsys.readouterr().err == ""


def test_a_rank_that_nobody_counted_speaks_for_itself(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert cli.main(["list", "tables"]) == 0
    assert "table3" in capsys.readouterr().out
    assert launched.rank() == 0


def test_an_incomplete_environment_is_one_sentence(monkeypatch):
    from ctrbench.training.many import many_processes

    for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(
        ConfigError, match=r"2 processes were announced \(WORLD_SIZE\), but MASTER_ADDR is not set; use"
    ):
        many_processes()


class Child:
    """A process that ends with `code` at once, or runs until it is killed where that is None."""

    def __init__(self, code=None):
        self.code, self.asked = code, []

    def poll(self):
        return self.code

    def terminate(self):
        self.asked.append("end")

    def kill(self):
        self.asked.append("kill")
        self.code = -signal.SIGKILL

    def send_signal(self, number):
        self.asked.append(number)


def test_a_second_signal_ends_all_without_asking_again(monkeypatch):
    monkeypatch.setattr(launch, "_POLITE", 1000.0)
    running = Child()
    assert launch._wait([running], [signal.SIGINT] * 2) == [None]
    launch._end([running], [signal.SIGINT] * 2)
    assert running.code == -signal.SIGKILL


def test_once_one_process_ended_as_the_user_asked_the_others_have_little_time(monkeypatch):
    monkeypatch.setattr(launch, "_PATIENCE", 1000.0)
    monkeypatch.setattr(launch, "_POLITE", 1000.0)
    monkeypatch.setattr(launch, "_BRIEF", 0.0)
    assert launch._wait([Child(130), Child()], [signal.SIGINT]) == [130, None]


@pytest.mark.parametrize("code", [None, -signal.SIGINT, 130])
def test_interrupted_while_processes_start_is_interrupted(monkeypatch, code):
    """Whoever was first started may end as it likes; the signal is never lost."""
    started = []

    def start(*_, **__):
        signal.raise_signal(signal.SIGINT)
        started.append(Child(code))
        return started[-1]

    monkeypatch.setattr(launch, "_check_devices", lambda count: None)
    kind = type("Popen", (), {"__new__": start})
    monkeypatch.setattr(launch.subprocess, "Popen", kind)
    with pytest.raises(KeyboardInterrupt):
        launch.launch(["run", "table3"], 2)
    assert len(started) == 1
    assert started[0].code is not None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_inside_of_an_import_ends_with_the_same_code():
    program = (
        "import sys\n"
        "from ctrbench import cli\n"
        "import ctrbench.cli.list\n"
        "ctrbench.cli.list.run = lambda args: exec('raise KeyboardInterrupt')\n"
        "sys.exit(cli.main(['list']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr.count("interrupted") == 1
