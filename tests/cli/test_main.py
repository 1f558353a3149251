import os
import subprocess
import sys

import pytest

from ctrbench import cli
from ctrbench.cli import main
from ctrbench.errors import DataError


@pytest.fixture
def verb(monkeypatch):
    """`ctrbench list` does what the test says."""

    def install(behaviour):
        monkeypatch.setattr("ctrbench.cli.list.run", behaviour)

    return install


def raising(error):
    def run(args):
        raise error

    return run


def test_without_arguments_it_helps(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert verb in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("rnu table3", "unknown command 'rnu'. Did you mean 'run'?"),
        ("zero_shto", "unknown command 'zero_shto'. Did you mean 'zero-shot'?"),
        ("run table3 --modles a", "ctrbench run has no option '--modles'. Did you mean '--models'?"),
        ("data check x.csv --wrte y.toml", "ctrbench data check has no option '--wrte'. Did you mean '--write'?"),
        ("run table3 --modles=a", "ctrbench run has no option '--modles'. Did you mean '--models'?"),
        ("run table3 --model a", "ctrbench run has no option '--model'. Did you mean '--models'?"),
        ("run tabel3", "unknown table 'tabel3'. Did you mean 'table3'?"),
        ("run table3 --models deepfn", "unknown model 'deepfn'. Did you mean 'deepfm' or"),
        ("run table3 --profile papr", "--profile: unknown value 'papr'. Did you mean 'paper'?"),
        ("run table3 --format xml", "--format: unknown value 'xml'."),
        ("run table3 --limit x", "--limit: 'x' is no number from 1"),
        ("run table3 --limit 0", "--limit: '0' is no number from 1"),
        ("run table3 all", "`all` stands for every table; leave it out to have table3 alone"),
        ("run table3 --seeds a,b", "--seeds: 'a,b' is neither seeds (0,1,2) nor how many (3)"),
        ("run table3 --set deepfm.x=1", "write MODEL.config.KEY=VALUE"),
        ("run table3 --profile small", "profile 'small' of table3 names no dataset; give --dataset"),
        ("run", "the following arguments are required: TABLE"),
        ("list modles", "unknown value 'modles'. Did you mean 'models'?"),
        ("check none.toml", "there is no file none.toml"),
        ("zero-shot more", "there is one word too many: 'more'"),
    ],
)
def test_a_mistake_is_one_sentence_on_stderr_and_exit_code_2(command, message, capsys):
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ctrbench: ")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_the_traceback_and_the_sentence(verb, capsys):
    verb(raising(DataError("rows are missing")))
    assert main(["list", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("ctrbench: rows are missing\n")


def test_an_interruption_exits_with_130_and_says_how_to_go_on(verb, capsys):
    verb(raising(KeyboardInterrupt()))
    assert main(["list"]) == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(verb, capsys):
    verb(raising(OSError(28, "No space left on device", "/data/x")))
    assert main(["list"]) == 2
    assert capsys.readouterr().err.startswith("ctrbench: No space left on device (/data/x)")


def test_options_for_all_verbs_stand_before_or_after_the_verb(verb):
    seen = []
    verb(lambda args: seen.append((args.quiet, args.debug)) or 0)
    main(["-q", "list"])
    main(["list", "-q"])
    main(["list"])
    assert seen == [(True, False), (True, False), (False, False)]


def test_warnings_of_libraries_are_silent_in_the_command_only(verb, recwarn):
    import warnings

    verb(lambda args: warnings.warn("noise", UserWarning, stacklevel=1) or 0)
    main(["list"])
    assert not recwarn.list
    main(["list", "-v"])
    assert len(recwarn.list) == 1


def test_a_reader_who_leaves_early_causes_no_noise():
    program = (
        "import sys; from ctrbench import cli; import ctrbench.cli.list as verb\n"
        "verb.run = lambda args: [print('x' * 1000) for _ in range(1000)] and 0\n"
        "sys.exit(cli.main(['list']))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.parametrize("words", [["list"], ["show", "table3", "--format", "md"]])
def test_a_closed_pipe_is_no_failure_of_a_run(words):
    code = "import sys; from ctrbench.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=120) in (0, 141)
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


def test_a_warning_is_told_without_the_name_of_a_module():
    program = (
        "import logging, sys; from ctrbench.cli import main; main(sys.argv[1:]); "
        "logging.getLogger('ctrbench.training.states').warning('hidden states'); "
        "logging.getLogger('other.part').warning('odd')"
    )
    for words, said in (([], "ctrbench: hidden states"), (["--debug"], "ctrbench.training.states: hidden states")):
        done = subprocess.run([sys.executable, "-c", program, "list", *words], capture_output=True, text=True)
        assert done.stderr.splitlines()[-2:] == [said, "other.part: odd"]
