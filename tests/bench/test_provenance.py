"""Every record says who brought each plugin that had a part in the run; no run's id depends on it."""

from dataclasses import replace
from pathlib import Path

import pytest

from ctrbench.bench.execute import execute
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from tests.bench.test_execute import planned
from tests.fakes import entry, register
from tests.toys import write_toy

UNI_CTR, TINY = "ctrbench_plugins.models.uni_ctr:UniCTR", "ctrbench_plugins.backbones.tiny:resolve"
OF_MODEL = {"distribution": "model-dist", "version": "1.0", "entry_point": UNI_CTR}
OF_DATA = {"distribution": "data-dist", "version": "0.3", "entry_point": "theirs:Data"}
SPEC = """
schema = 1
title = "Theirs"
kind = "main"
domains = ["books", "games"]
models = ["uni_ctr"]
[settings.uni_ctr]
config = { backbone = "tiny-bert", tower = [16, 8], max_length = 64 }
train = { epochs = 1, batch_size = 64 }
"""


@pytest.fixture
def strangers(monkeypatch, tmp_path):
    """Model, backbone and table of three distributions; the table's file."""
    package = tmp_path / "their_tables"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "theirs.toml").write_text(SPEC)
    monkeypatch.syspath_prepend(str(tmp_path))
    register(
        monkeypatch,
        entry("ctrbench.models", "uni_ctr", UNI_CTR, "model-dist"),
        entry("ctrbench.backbones", "tiny-bert", TINY, "backbone-dist"),
        entry("ctrbench.tables", "tables", "their_tables", "table-dist"),
    )
    return package / "theirs.toml"


def test_a_record_names_the_plugins_of_model_dataset_backbone_and_table(strangers, tmp_path):
    data = write_toy(tmp_path / "prepared", plugin="their_data", brought_by=OF_DATA)
    (run,) = plan(TableSpec.find("theirs"), data, limit=20).runs
    found = execute(run, data, tmp_path / "results").provenance
    assert found["plugin"] == OF_MODEL
    assert found["dataset"] == {"name": "their_data", **OF_DATA}
    assert found["backbones"] == {"tiny-bert": {"distribution": "backbone-dist", "version": "1.0", "entry_point": TINY}}
    assert found["table"] == {
        "name": "theirs",
        "distribution": "table-dist",
        "version": "1.0",
        "entry_point": "their_tables",
    }


def test_a_failed_run_names_them_too(strangers, tmp_path):
    data = write_toy(tmp_path / "prepared", brought_by=OF_DATA)
    (run,) = plan(TableSpec.find("theirs"), data, limit=20).runs
    broken = run.spec.model_copy(update={"train": {**run.spec.train, "lr_groups": {"no_such_group": 1.0}}})
    record = execute(replace(run, spec=broken), data, tmp_path / "results")
    assert record.status == "failed"
    assert record.provenance["plugin"] == OF_MODEL
    assert record.provenance["dataset"]["version"] == "0.3"
    assert set(record.provenance["backbones"]) == {"tiny-bert"}
    assert record.provenance["table"]["name"] == "theirs"


def test_a_table_of_ones_own_file_has_a_name_alone(strangers, tmp_path, toy):
    file = tmp_path / "elsewhere" / "theirs.toml"
    file.parent.mkdir()
    file.write_text(SPEC)
    (run,) = plan(TableSpec.read(file), toy, limit=20).runs
    assert execute(run, toy, tmp_path / "results").provenance["table"] == {"name": "theirs"}


def test_a_run_without_a_table_and_a_backbone_says_so(toy, tmp_path):
    found = execute(planned(toy, "deepfm", domains=("books",), limit=20), toy, tmp_path).provenance
    assert (found["table"], found["backbones"]) == (None, {})
    assert found["dataset"] == {"name": "toy"}


def test_who_brings_a_plugin_is_no_part_of_a_runs_id(strangers, monkeypatch, tmp_path, toy):
    theirs = write_toy(tmp_path / "prepared", brought_by=OF_DATA)
    (run,) = plan(TableSpec.find("theirs"), theirs, limit=20).runs
    register(
        monkeypatch,
        entry("ctrbench.models", "uni_ctr", UNI_CTR, "another-dist"),
        entry("ctrbench.backbones", "tiny-bert", TINY, "another-dist"),
    )
    (other,) = plan(TableSpec.read(Path(strangers)), toy, limit=20).runs
    assert run.spec.id == other.spec.id
