"""What the documents show is what the code has: the figure, names, settings, taps, commands and snippets."""

import re
import runpy
import shlex
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from torch import nn

from ctrbench import registry
from ctrbench.api import FeatureInfo
from ctrbench.cli import VERBS, _parser
from ctrbench.data.options import PrepareOptions
from ctrbench.training.config import TrainConfig
from ctrbench.validation import parse_value
from ctrbench_plugins.datasets.amazon2018 import Amazon2018
from ctrbench_plugins.models.uni_ctr import UniCTR, layers, model
from ctrbench_plugins.models.uni_ctr.config import tap_layers

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
TEXT = (ROOT / "docs" / "uni_ctr.md").read_text("utf-8")
LINKS = [(doc, *link) for doc in DOCS for link in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", doc.read_text("utf-8"))]
NAMES = [(doc, label[1:-1], to) for doc, label, to in LINKS if to.endswith(".py") and re.fullmatch(r"`[\w.]+`", label)]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
SETTINGS = {"config.": (UniCTR.Config,), "train.": (TrainConfig,), "-o ": (PrepareOptions, Amazon2018.Options)}
TOLD = sorted(set(re.findall(r"`(config\.|train\.|-o )(\w+)(?:=([^`]+))?`", TEXT)))


def settings(values: dict[str, str], kind: type[BaseModel]) -> BaseModel:
    return kind.model_validate({key: parse_value(value) for key, value in values.items()})


@cache
def drawing() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "draw.py"))


# The figure.
def test_the_figure_is_that_of_the_modules():
    draw = drawing()
    figure = draw["figure"](draw["paper_model"]())
    assert draw["document"](TEXT, figure) == TEXT, "run `python docs/draw.py`"


def test_a_figure_shows_the_model_that_is_there():
    """Another backbone, other taps and another gate are another figure; every edge joins nodes that are drawn."""
    config = UniCTR.Config(backbone="tiny-bert", taps=(1, 3), gate="feature", tower=(16,), general="code")
    figure = drawing()["figure"](UniCTR(config, FeatureInfo(), ("books", "games", "tools")))
    assert '"DSN of tools: DomainNetwork' in figure
    assert figure.count("over J × 2d") == 4
    assert 'state1 -- "h_1" --> dsn2_ladder1' in figure
    assert 'state4 -- "h_4" --> general_gate' in figure
    assert "64-16-1" in figure
    assert "LayerNorm" not in figure, "a BERT's taps pass no norm of their own"
    drawn = set(re.findall(r"^ *(?:subgraph )?(\w+)[\[(]", figure, flags=re.MULTILINE))
    edges = [line.split() for line in figure.splitlines() if "-->" in line]
    joined = {word for edge in edges for word in edge if re.fullmatch(r"[a-z]\w*", word)}
    assert joined <= drawn
    assert all(line.count('"') in (0, 2) for line in figure.splitlines())


def test_writing_the_figure_leaves_the_rest_of_the_document_alone(tmp_path, monkeypatch):
    draw, copy = drawing(), tmp_path / "uni_ctr.md"
    copy.write_text(draw["document"](TEXT, "flowchart TB"), "utf-8")
    assert copy.read_text("utf-8") != TEXT
    monkeypatch.setitem(draw["main"].__globals__, "DOCUMENT", copy)
    draw["main"]()
    assert copy.read_text("utf-8") == TEXT


# Names and links.
@pytest.mark.parametrize(("doc", "label", "to"), LINKS, ids=lambda value: getattr(value, "name", value))
def test_every_link_leads_somewhere(doc, label, to):
    assert to.startswith("https://") or (doc.parent / to.partition("#")[0]).is_file()


@pytest.mark.parametrize(("doc", "name", "to"), NAMES, ids=lambda value: getattr(value, "name", value))
def test_every_name_is_in_the_file_that_it_links_to(doc, name, to):
    path = (doc.parent / to).resolve().relative_to(ROOT)
    module = import_module(".".join(path.with_suffix("").parts))
    found = reduce(getattr, name.split("."), module)
    assert getattr(found, "__module__", module.__name__) == module.__name__, "defined elsewhere"


def test_uni_ctrs_modules_are_all_named():
    named = {name.partition(".")[0] for _, name, _ in NAMES}
    for part in (layers, model):
        kinds = [value for value in vars(part).values() if isinstance(value, type) and issubclass(value, nn.Module)]
        assert {kind.__name__ for kind in kinds if kind.__module__ == part.__name__} <= named


# Settings.
@pytest.mark.parametrize(("place", "key", "value"), TOLD)
def test_every_setting_exists_and_takes_that_value(place, key, value):
    kinds = [kind for kind in SETTINGS[place] if key in kind.model_fields]
    assert kinds, f"no setting {key}"
    if value:
        settings({key: value}, kinds[0])


def test_every_setting_of_uni_ctr_is_told():
    told = {key for place, key, _ in TOLD if place == "config."}
    assert told | {"backbone"} >= set(UniCTR.Config.model_fields)


def test_every_option_of_a_choice_is_told():
    for key in ("block", "gate", "general", "tuning"):
        choices = UniCTR.Config.model_json_schema()["properties"][key]["enum"]
        default = UniCTR.Config.model_fields[key].default
        assert {value for _, name, value in TOLD if name == key} >= set(choices) - {default}


def test_the_taps_that_the_table_shows_are_those_of_the_code():
    _, table = TEXT.split("| setting | L = 4 |")
    head, _, *lines = table.split("\n\n")[0].splitlines()
    counts = [4, *map(int, re.findall(r"L = (\d+)", head))]
    assert len(lines) == 6
    for line in lines:
        setting, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        config = settings(dict(re.findall(r"`config\.(\w+)=([^`]+)`", setting)), UniCTR.Config)
        shown = [tuple(map(int, cell.split(","))) for cell in cells]
        assert shown == [tap_layers(count, config) for count in counts], setting


def test_the_backbones_and_extras_that_are_named_are_those_there_are():
    _, table = TEXT.split("| name | model |")
    rows = table.split("\n\n")[0].splitlines()[2:]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert named == set(registry.names("backbones"))
    extras = set(
        re.findall(r"^(\w+) =$", (ROOT / "setup.cfg").read_text().partition("[options.extras_require]")[2], re.M)
    )
    assert set(re.findall(r"ctrbench\[(\w+)\]", TEXT)) <= extras


# Commands and snippets.
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_these_options(command):
    words = shlex.split(command)[1:]
    assert words[0] in VERBS
    _, unknown = _parser(words[0]).parse_known_args(words)
    assert not unknown


@pytest.mark.slow
def test_the_snippet_adds_and_removes_a_domain(tmp_path, monkeypatch, capsys):
    (code,) = [text for language, text in BLOCKS if language == "python"]
    for there, here in (('"minilm"', '"tiny-bert", tower=(16,)'), ("limit=200", "limit=20")):
        assert there in code
        code = code.replace(there, here)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert capsys.readouterr().out.startswith("zero-shot: {'gift_cards': ")
    assert names["again"].domains == ("musical_instruments", "gift_cards")
    assert names["model"].domains == ("fashion", "musical_instruments", "gift_cards")
    new = names["load_tensors"](Path("gift_cards.safetensors"))[0]
    assert new
    assert all("gift_cards" in name for name in new)


# Tables.
def test_the_table_of_ones_own_is_a_table(tmp_path):
    from ctrbench.bench.spec import TableSpec

    ((_, text),) = [
        block
        for block in re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "tables.md").read_text("utf-8"), re.DOTALL)
        if block[0] == "toml"
    ]
    file = tmp_path / "mine.toml"
    file.write_text(text)
    spec = TableSpec.read(file)
    assert [spec.model_of(row) for row in spec.models] == ["deepfm"] * 3 + ["mmoe", "shared_bottom"]


def test_every_metric_and_kind_of_claim_is_told():
    from typing import get_args

    from ctrbench.bench.claims import Claim
    from ctrbench.report.measures import METRICS

    told = (ROOT / "docs" / "tables.md").read_text("utf-8")
    kinds = [get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Claim)[0])]
    assert all(f"`{name}`" in told or f"--metric {name}" in told for name in METRICS)
    assert all(f"`{kind}`" in told for kind in kinds)
