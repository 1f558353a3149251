"""What the README shows is what works."""

import re
import shlex
from pathlib import Path

import pytest

from ctrbench.cli import VERBS, _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [
    line.partition("#")[0].strip()
    for language, text in BLOCKS
    if language == "sh"
    for line in text.splitlines()
    if line.startswith("ctrbench ")
]


def test_the_two_commands_are_the_ones_that_are_tested():
    commands = [text.strip() for language, text in BLOCKS if language == "sh"]
    assert "python -m pip install -c constraints.txt -e '.[demo]' && ctrbench run table3" in commands
    assert "python -m pip install tox && tox" in commands
    assert "python -m pip install tox && tox\n" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_these_options(command):
    words = shlex.split(command)[1:]
    assert words[0] in VERBS
    parser = _parser(words[0])
    _, unknown = parser.parse_known_args(words)
    assert not unknown


def test_the_five_lines_of_python_run(tmp_path, monkeypatch, capsys):
    (code,) = [text for text in PYTHON if "load_dataset" in text]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "auc" in capsys.readouterr().out
    assert len([line for line in code.splitlines() if line.strip()]) == 5


def test_the_registered_models_are_all_named():
    from ctrbench import registry

    assert all(f"`{name}`" in README for name in registry.names("models"))
