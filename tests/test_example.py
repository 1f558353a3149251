"""The example of a plugin package as a stranger has it: installed in a fresh environment, tested, run, and removed."""

import ast
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ctrbench.bench.records import Record
from ctrbench.cli import _parser
from tests.fresh import Environment

EXAMPLE = Path(__file__).parents[1] / "examples" / "acme-ctr"
PLUGINS = ("acme_fm", "acme_text", "acme_toy", "acme_backbone", "acme_table")
TABLE3 = ("table3", "--models", "deepfm,acme_fm")


def imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("file", sorted(EXAMPLE.rglob("*.py")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_imports_what_is_promised_only(file):
    promised = "ctrbench.testing" if file.parent.name == "tests" else "ctrbench.api"
    assert {name for name in imported(file) if name.partition(".")[0].startswith("ctrbench")} <= {promised}


@pytest.mark.parametrize("name", ["fm", "text"])
def test_a_model_is_short(name):
    assert len((EXAMPLE / "acme_ctr" / f"{name}.py").read_text("utf-8").splitlines()) < 70


def test_its_readme_names_each_plugin_and_commands_that_there_are():
    text = (EXAMPLE / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(PLUGINS)
    commands = [shlex.split(line.partition("#")[0])[1:] for line in text.splitlines() if line.startswith("ctrbench ")]
    assert ["run", *TABLE3, "--dataset", "acme_toy"] in commands
    for words in commands:
        assert not _parser(words[0]).parse_known_args(words)[1]


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    out: str
    err: str
    code: int


class Stranger:
    """Somebody's environment, their copy of the example, and the folder that they work in."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = Environment.make(folder / "environment")
        self.untouched = self.environment.files
        built = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
        self.project = shutil.copytree(EXAMPLE, folder / "acme-ctr", ignore=built)
        self.environment.pip_install(self.project)

    def ctrbench(self, *words: str) -> Said:
        return self.python("-m", "ctrbench", *words)

    def python(self, *words: str) -> Said:
        done = self.environment.python(*words, cwd=self.work, CTRBENCH_CACHE=str(self.work / "cache"))
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.stdout, done.stderr, done.returncode)

    def records(self, model: str) -> list[Record]:
        files = self.work.glob(f"results/acme_toy/{model}/*/record.json")
        return [Record.model_validate_json(file.read_text("utf-8")) for file in files]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Stranger(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def ran(stranger):
    return stranger.ctrbench("run", *TABLE3, "--dataset", "acme_toy")


@pytest.fixture(scope="module")
def removed(stranger, ran):
    """The package is gone, and what it made is still there."""
    stranger.environment.pip_uninstall("acme-ctr")
    return stranger


# The tests below are in the order of a stranger's steps; each fixture does the steps that it needs.
@pytest.mark.slow
def test_list_names_each_plugin_with_its_distribution_and_version(stranger):
    listed = stranger.ctrbench("list").out
    for name in PLUGINS:
        assert re.search(rf"^ *{name} .*acme-ctr 0\.1\.0", listed, re.MULTILINE), listed


@pytest.mark.slow
def test_its_own_tests_pass_on_what_is_installed(stranger):
    said = stranger.python("-m", "pytest", "-p", "no:cacheprovider", "-rs", str(stranger.project))
    assert said.code == 0, said.out
    where = stranger.python("-c", "import acme_ctr; print(acme_ctr.__file__)").out.strip()
    assert Path(where).is_relative_to(stranger.environment.packages)


@pytest.mark.slow
def test_its_model_is_in_table_3_beside_a_built_in_one_on_its_dataset(ran):
    assert ran.code == 0, ran.err
    assert re.search(r"^deepfm .*^acme_fm ", ran.out, re.MULTILINE | re.DOTALL), ran.out
    for shop in ("Anvils", "Magnets", "Rockets"):
        assert shop in ran.out
    assert "synthetic: says nothing about real accuracy" in ran.out


@pytest.mark.slow
def test_its_model_has_learned_what_there_is_to_learn(stranger, ran):
    (record,) = stranger.records("acme_fm")
    for heads in record.metrics["test"].values():
        assert heads["own"].auc > 0.6


@pytest.mark.slow
def test_its_own_table_runs(stranger):
    said = stranger.ctrbench("run", "acme_table", "--limit", "100", "--set", "acme_text.train.epochs=1", "--claims")
    assert said.code == 0, said.err
    assert re.search(r"^acme_text ", said.out, re.MULTILINE), said.out
    assert "backbone acme_backbone has random weights" in said.out


@pytest.mark.slow
def test_every_record_says_whose_model_it_is(stranger, ran):
    for model, distribution, version in (("acme_fm", "acme-ctr", "0.1.0"), ("deepfm", "ctrbench", None)):
        for record in stranger.records(model):
            plugin = record.provenance["plugin"]
            assert plugin["distribution"] == distribution
            assert version in (None, plugin["version"])


@pytest.mark.slow
def test_uninstalled_it_is_gone_without_a_trace(removed):
    assert removed.environment.files == removed.untouched
    assert "acme" not in removed.ctrbench("list").out
    assert removed.python("-c", "import importlib.util as i; print(i.find_spec('acme_ctr'))").out.strip() == "None"


@pytest.mark.slow
def test_what_it_left_is_told_in_a_sentence_and_the_others_are_shown(removed):
    lost = removed.ctrbench("show", *TABLE3, "--dataset", "acme_toy")
    assert lost.code == 2
    (folder,) = re.findall(r"\S*/acme_toy-\w+", lost.err)
    said = removed.ctrbench("show", *TABLE3, "--dataset", folder)
    assert said.code == 2
    assert re.search(r"^deepfm +\S*0\.\d{4}", said.out, re.MULTILINE), said.out
    (sentence,) = said.err.strip().splitlines()
    assert "'acme_fm'" in sentence
    assert "acme-ctr 0.1.0" in sentence
