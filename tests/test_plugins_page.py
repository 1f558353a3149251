"""docs/plugins.md: its package as it stands on the page, through the kits, the registry and the page's own commands."""

from __future__ import annotations

import atexit
import json
import re
import shlex
import shutil
import sys
from configparser import ConfigParser
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ctrbench import registry
from ctrbench._version import API_VERSION, __version__
from ctrbench.bench import catalog
from ctrbench.cli import VERBS, _parser, main
from tests.backbones.saved import save
from tests.fresh import Environment
from tests.stranger import as_installed

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text("utf-8")
FILES = dict(re.findall(r"`(my-fm/[\w./-]+)`[^`]*?\n\n```\w+\n(.*?)```", PAGE, flags=re.DOTALL))
SH = [line for text in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in text.splitlines()]
INLINE = re.findall(r"`(ctrbench [a-z-]+ [^`]+)`", PAGE)
NEW, INSTALL, TABLE3, PYTEST, _, PREPARE, ON_CLICKS, ON_BERT, WIDTH, *_ = SH
UNTRAINED = ("ctrbench check", "ctrbench results")
"""Commands of the page that ask no model."""
QUICK = ("--limit", "60", "--set", "my_fm.train.epochs=1")


def write_project(folder: Path) -> Path:
    """The page's package; later parts of its `setup.cfg` add to the first."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    config = ConfigParser(delimiters=("=",))
    config.optionxform = str  # type: ignore[assignment,method-assign]
    for text in re.findall(r"```ini\n(.*?)```", PAGE, flags=re.DOTALL):
        if "[tool:pytest]" not in text:
            config.read_string(text)
    config["options"]["py_modules"] = "my_fm, my_clicks, my_bert"  # "it is added to `py_modules`"
    with (folder / "my-fm" / "setup.cfg").open("w", encoding="utf-8") as file:
        config.write(file)
    return folder / "my-fm"


PROJECT = write_project(Path(mkdtemp()))
atexit.register(shutil.rmtree, PROJECT.parent, ignore_errors=True)
sys.path.insert(0, str(PROJECT))
for _path in [path for path in FILES if "/test_" in path]:  # TestMyFM and its like become tests of this module
    exec(compile(FILES[_path], _path, "exec", dont_inherit=True), globals())
sys.path.remove(str(PROJECT))


@pytest.fixture(autouse=True, scope="module")
def _installed():
    save("tiny-bert", PROJECT / "my-bert")
    with as_installed(PROJECT):
        yield


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(command: str, *more: str) -> list[str]:
    return [*shlex.split(command)[1:], *more]


def test_the_page_has_a_test_of_each_kind_and_the_model_is_short():
    assert {"TestMyFM", "TestMyClicks", "TestMyBert", "TestMyTables"} <= set(globals())
    assert len(FILES["my-fm/my_fm.py"].splitlines()) <= 70


@pytest.mark.parametrize(
    ("kind", "name"),
    [("models", "my_fm"), ("datasets", "my_clicks"), ("backbones", "my-bert"), ("tables", "my_tables")],
)
def test_each_plugin_is_registered_and_states_its_api(kind, name):
    plugin = registry.find(kind, name)
    assert plugin.origin == "my-fm 0.1.0"
    assert plugin.stated_api(plugin.load()) == API_VERSION


def test_plugins_and_their_tests_import_what_is_promised_only():
    for path, text in FILES.items():
        promised = "ctrbench.testing" if "/test_" in path else "ctrbench.api"
        assert set(re.findall(r"^(?:from|import) (ctrbench\S*)", text, flags=re.MULTILINE)) <= {promised}


@pytest.mark.parametrize("command", [one for one in [*SH, *INLINE] if one.startswith("ctrbench ")])
def test_every_command_has_these_options(command):
    verb = words(command)[0]
    assert verb in VERBS
    _, unknown = _parser(verb).parse_known_args(words(command))
    assert not unknown


def test_the_new_package_is_written(here, capsys):
    assert main(words(NEW)) == 0
    assert (here / "my-first" / "setup.cfg").is_file()


def test_the_sentence_for_another_api_is_the_one_that_is_said(tmp_path):
    sentence = next(line for line in PAGE.splitlines() if line.startswith("the model plugin 'my_fm'"))
    with pytest.raises(Exception, match=f"^{re.escape(sentence)}$"):
        registry.find("models", "my_fm").check_api(API_VERSION + 1)


def test_what_every_record_says_is_what_is_on_the_page():
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    told = json.loads(text)
    assert told["plugin"] == registry.find("models", "my_fm").facts
    assert told["dataset"] == {"name": "demo", **registry.find("datasets", "demo").facts}
    assert told["table"] == catalog.brought_by(catalog.locate("table3"))
    assert told["dataset"]["version"] == __version__


@pytest.mark.slow
def test_installed_it_is_in_table_iii_and_its_record_says_whose_it_is(tmp_path):
    environment = Environment.make(tmp_path / "environment")
    environment.pip_install(shutil.copytree(PROJECT, tmp_path / "my-fm"))
    cache = {"CTRBENCH_CACHE": str(tmp_path / "cache")}
    ran = environment.python(
        "-m", *shlex.split(TABLE3), *QUICK, "--set", "deepfm.train.epochs=1", cwd=tmp_path, **cache
    )
    assert ran.returncode == 0, ran.stderr
    assert {"my_fm", "deepfm"} <= {line.split()[0] for line in ran.stdout.splitlines() if line}
    (file,) = (tmp_path / "results").glob("demo/my_fm/*/record.json")
    found = json.loads(file.read_text("utf-8"))["provenance"]
    (told,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert {key: found[key] for key in json.loads(told)} == json.loads(told)


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in INLINE if "my_fm" in one and not one.startswith(UNTRAINED)])
def test_the_model_answers_to_the_tables_that_the_page_names(command, here, capsys):
    assert main(words(command, *QUICK)) == 0
    assert "my_fm" in capsys.readouterr().out


@pytest.mark.slow
def test_the_dataset_is_prepared_and_trained_on(here, capsys):
    (here / "exports").mkdir()
    globals()["TestMyClicks"]().raw_files(here / "exports")
    assert main(words(PREPARE)) == 0
    assert main(words(ON_CLICKS)) == 0
    assert "Dataset my_clicks (" in capsys.readouterr().out


@pytest.mark.slow
def test_the_backbone_is_trained_on(here, capsys):
    assert main(words(ON_BERT, "--limit", "20", "--set", "uni_ctr.train.epochs=1")) == 0
    capsys.readouterr()
    (file,) = here.glob("results/demo/uni_ctr/*/record.json")
    assert json.loads(file.read_text("utf-8"))["provenance"]["backbones"]["my-bert"]["distribution"] == "my-fm"


@pytest.mark.slow
def test_the_table_is_run_with_its_claim(here, capsys):
    assert main(words(WIDTH, *QUICK, "--set", "deepfm.train.epochs=1")) == 0
    told = capsys.readouterr().out
    assert "MyFM, wider" in told
    assert "Width helps." in told
