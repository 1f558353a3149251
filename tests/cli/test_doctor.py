"""`ctrbench doctor`: everything is examined, whatever is broken; and a name that is taken takes nothing else."""

import json
import re
from pathlib import Path

import pytest

from ctrbench import registry
from ctrbench.benchmarks.speed.discovery import install
from ctrbench.cli import main
from ctrbench.doctor import checkup
from ctrbench.registry import GROUPS
from tests.fakes import FAKES, entry, fake_world, register

GPU = {"device": "cuda:0", "name": "A GPU", "memory_bytes": 2e9, "free_bytes": 1e9, "bf16": True, "fault": ""}
TORCH = {"torch": "2.9", "cuda": None, "threads": 2, "found": []}
FINE = {"faults": [], "seconds": 0.1, "said": "", "category": "single_domain", "about": "A model.", "api_version": 1}
TABLES = {**FINE, "tables": {"table3": "table3.toml"}}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text("utf-8")


@pytest.fixture
def answers(monkeypatch):
    """Two plugins that are not imported; what devices and imports would answer may be changed."""
    found = {"devices": TORCH, "one": FINE, "two": FINE}
    register(monkeypatch, *(entry("ctrbench.models", name, FAKES["single"], f"{name}-dist") for name in ("one", "two")))

    def told(jobs, timeout):
        yield from (found[fields[0]["name"] if fields else what] for what, *fields in jobs)

    monkeypatch.setattr(checkup, "answers", told)
    return found


def doctor(capsys, *words, code=0):
    assert main(["doctor", "-q", *words]) == code
    return capsys.readouterr().out


def as_json(capsys, code=0):
    return json.loads(doctor(capsys, "--json", code=code))


def test_the_built_ins_and_this_machine_are_healthy(capsys):
    found = as_json(capsys)
    assert found["faults"] == []
    assert found["healthy"]
    assert {(p["kind"], p["name"]) for p in found["plugins"]} == {
        (k, name) for k in GROUPS for name in registry.names(k)
    }
    assert {plugin["state"] for plugin in found["plugins"]} == {"ok"}
    assert {"torch", "polars", "pydantic"} <= {library["name"] for library in found["libraries"]}
    assert found["devices"]["torch"]
    assert found["environment"]["memory_bytes"] > found["environment"]["free_bytes"] > 0


def test_every_key_is_documented(answers, capsys, monkeypatch, tmp_path):
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "file").write_bytes(b"12345")
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path))
    answers["devices"] = {**TORCH, "found": [GPU]}
    found = as_json(capsys)
    documented = set(re.findall(r"`([a-z_0-9]+)`", DOCUMENT))
    parts = [found, found["environment"], found["devices"], found["devices"]["found"][0]]
    parts += [found[name][0] for name in ("libraries", "plugins", "caches", "disks")]
    for part in parts:
        assert set(part) <= documented
    (tokens,) = (cache for cache in found["caches"] if cache["name"] == "tokens")
    assert (tokens["bytes"], tokens["files"], tokens["moved_by"]) == (5, 1, "CTRBENCH_CACHE")


def test_a_broken_plugin_is_a_sentence_and_exit_code_1(answers, capsys):
    answers["one"] = {"fault": "it ends Python with exit code 3"}
    lines = doctor(capsys, code=1).splitlines()
    place = lines.index("to be mended")
    assert lines[place + 1 :] == [
        "  the model plugin 'one' of one-dist 1.0 cannot be imported from tests.fakes:Single (it ends Python with exit "
        "code 3); repair, update or uninstall one-dist"
    ]
    assert [line.split()[-1] for line in lines if line.startswith("  models")] == ["broken", "ok"]


def test_what_is_worth_knowing_is_no_fault(answers, capsys):
    answers["two"] = {**FINE, "seconds": 10.0, "said": "hello", "api_version": None}
    lines = doctor(capsys).splitlines()
    place = lines.index("worth knowing")
    assert "'two' of two-dist 1.0 takes 10.0 s to import" in lines[place + 1]
    assert "'two' of two-dist 1.0 prints at import ('hello')" in lines[place + 2]
    assert lines[place + 3] == "nothing is to be mended"
    assert "API not stated" in doctor(capsys)


@pytest.mark.parametrize("part", ["environment", "libraries", "caches", "disks"])
def test_a_part_that_fails_is_a_sentence_beside_the_others(answers, capsys, monkeypatch, part):
    def fail():
        raise RuntimeError("no such thing")

    monkeypatch.setattr(checkup, part, fail)
    found = as_json(capsys, code=1)
    assert found["faults"] == [f"the {part} cannot be examined (RuntimeError: no such thing)"]
    assert len(found["plugins"]) == 2
    assert doctor(capsys, code=1)


def test_a_torch_that_dies_is_a_sentence_and_plugins_are_examined(answers, capsys):
    answers["devices"] = {"fault": "Python dies of it: SIGSEGV"}
    found = as_json(capsys, code=1)
    assert found["faults"] == [
        "torch cannot be asked for devices (Python dies of it: SIGSEGV); mend the driver, or install torch anew"
    ]
    assert [plugin["state"] for plugin in found["plugins"]] == ["ok", "ok"]
    assert doctor(capsys, code=1)


def test_a_gpu_that_computes_nothing_is_a_fault(answers, capsys):
    answers["devices"] = {**TORCH, "found": [GPU, {**GPU, "device": "cuda:1", "fault": "RuntimeError: no driver"}]}
    lines = doctor(capsys, code=1).splitlines()
    assert any(" ".join(line.split()) == "cuda:0 A GPU 1.0 GB free of 2.0 GB bf16 ok" for line in lines)
    assert lines[-1] == "  cuda:1 (A GPU) computes nothing (RuntimeError: no driver); mend its driver"


def test_libraries_that_do_not_fit_are_faults_and_absent_extras_are_not(answers, capsys, monkeypatch):
    wanted = ["pydantic>=99", "no-such-library", "torch>=1", "other; sys_platform == 'never'", "gone; extra == 'x'"]
    wanted += ["absent; extra == 'dev'"]
    monkeypatch.setattr("ctrbench.doctor.requirements.requires", lambda name: wanted if name == "ctrbench" else [])
    monkeypatch.setattr("ctrbench.doctor.requirements.extras", lambda distribution: ["x"])
    found = as_json(capsys, code=1)
    states = {library["name"]: (library["state"], library["extra"]) for library in found["libraries"]}
    assert states == {
        "pydantic": ("unfit", ""),
        "no-such-library": ("missing", ""),
        "torch": ("ok", ""),
        "gone": ("absent", "x"),
    }
    assert len(found["faults"]) == 2
    assert "ctrbench requires pydantic>=99" in found["faults"][0]


def test_a_cache_that_cannot_be_written_is_a_fault(answers, capsys, monkeypatch):
    monkeypatch.setattr("ctrbench.doctor.caches.os.access", lambda place, mode: False)
    (fault,) = as_json(capsys, code=1)["faults"]
    assert "set CTRBENCH_CACHE" in fault


@pytest.mark.parametrize("inner", ["", "cache"])
def test_a_cache_where_a_file_lies_is_a_fault(answers, capsys, monkeypatch, tmp_path, inner):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "file" / inner))
    (fault,) = as_json(capsys, code=1)["faults"]
    assert "cannot be written; set CTRBENCH_CACHE" in fault


def test_a_time_that_is_none_is_a_sentence(capsys):
    assert main(["doctor", "--timeout", "soon"]) == 2
    assert "'soon' is no number of seconds" in capsys.readouterr().err


@pytest.fixture
def thief(monkeypatch, tmp_path):
    """A distribution that takes the names of a built-in model and of a table, and requires another ctrbench."""
    entries = {"models": {"deepfm": "thief:Model", "thief_fm": "thief:Model"}, "tables": {"thief": "thief"}}
    table = 'schema = 1\ntitle = "T"\nkind = "main"\ndomains = ["books"]\nmodels = ["thief_fm"]\n'
    files = {
        "thief/__init__.py": "from tests.fakes import Single as Model",
        "thief/table3.toml": table,
        "thief/mine.toml": table,
    }
    install(tmp_path, "thief-ctr", entries, files, version="2.0", requires=("ctrbench >= 99",))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_taken_name_is_one_line_and_everything_else_works(thief, capsys, monkeypatch, tmp_path):
    assert main(["list"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "claimed by" in line and "'deepfm'" in line] == [
        "the model 'deepfm' is claimed by ctrbench 0.1.0 (ctrbench_plugins.models.deepfm:DeepFM) and thief-ctr 2.0 "
        "(thief:Model); uninstall thief-ctr, or rename it there"
    ]
    assert sum("claimed by" in line for line in lines) == 2
    assert any(line.startswith("mmoe ") for line in lines)
    assert any(line.startswith("thief_fm ") for line in lines)
    fake_world(monkeypatch, tmp_path)
    assert main(["run", "table5", "-q"]) == 0
    assert "uni_ctr" in capsys.readouterr().out
    for table in ("mine", "table7"):
        assert main(["run", table, "-q", "--dataset", "fake", "--models", "mmoe,thief_fm"]) == 0
        out = capsys.readouterr().out
        assert "mmoe" in out
        assert "thief_fm" in out
    assert main(["run", "mine", "-q", "--dataset", "fake", "--models", "mmoe,deepfm"]) == 2
    assert "claimed by ctrbench 0.1.0" in capsys.readouterr().err


def test_the_doctor_tells_who_takes_a_name_and_who_requires_another_ctrbench(thief, capsys, monkeypatch):
    def told(jobs, timeout):
        yield TORCH
        yield from (TABLES if job[1]["kind"] == "tables" else FINE for job in jobs[1:])

    monkeypatch.setattr(checkup, "answers", told)
    found = as_json(capsys, code=1)
    states = {(p["name"], p["distribution"]): p["state"] for p in found["plugins"] if p["kind"] == "models"}
    assert states["deepfm", "ctrbench"] == states["deepfm", "thief-ctr"] == "name_taken"
    assert states["thief_fm", "thief-ctr"] == "unfit"
    assert states["mmoe", "ctrbench"] == "ok"
    assert {p["state"] for p in found["plugins"] if p["kind"] == "tables"} == {"name_taken"}
    assert len(found["faults"]) == 3
    assert "thief-ctr requires ctrbench>=99 (0.1.0 is installed)" in found["faults"][1]
