"""Plugins that misbehave at import: each is named, and none takes the others, or ctrbench, down."""

from functools import partial

import pytest

from ctrbench import registry
from ctrbench.doctor import apart, plugins as of_plugins
from ctrbench.doctor.plugins import examine
from tests.fakes import entry, register

MODEL = """
from pydantic import BaseModel

class Model:
    "A model."
    class Config(BaseModel): pass
    category, version, train_defaults, has_general_head = "single_domain", "1", {}, False
"""
MODULES = {
    "raises": "raise RuntimeError('boom\\nand more')",
    "leaves": "raise SystemExit(3)",
    "interrupts": "raise KeyboardInterrupt",
    "asks": "input()",
    "ends": "import os; os._exit(3)",
    "pretends": "import os; os._exit(0)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "hangs": "import time\nwhile True: time.sleep(1)",
    "slow": "import time; time.sleep(0.7)" + MODEL,
    "prints": "import os; os.write(1, b'from C\\n'); print('hello')" + MODEL,
    "shifts": "import random; random.random()" + MODEL,
    "closes": "import sys; sys.stdout = sys.stderr = None" + MODEL,
    "panics": "class Panic(BaseException): pass\nraise Panic('in Rust')",
    "keeps": "import threading\nthreading.Thread(target=threading.Event().wait).start()" + MODEL,
    "z_bad": "import sys; sys.modules['pydantic'] = None; raise ImportError('poison')",
    "later": MODEL + "    api_version = 99",
    "other": "class Model: pass",
    "required": MODEL + "    class Config(BaseModel): hidden: int",
    "numbered": MODEL + "    version = 1",
    "z_good": MODEL,
}
FAULTS = {
    "raises": "(RuntimeError: boom)",
    "leaves": "(SystemExit: 3)",
    "interrupts": "KeyboardInterrupt",
    "asks": "(EOFError",
    "panics": "(Panic: in Rust)",
    "ends": "(it ends Python with exit code 3)",
    "pretends": "(it ends Python with exit code 0)",
    "dies": "(Python dies of it: SIGSEGV)",
    "hangs": " s; --timeout gives it more)",
    "z_bad": "poison",
    "later": "is built for version 99",
    "other": "is no CTRModel",
    "required": "has a `Config` without a default for 'hidden'",
    "numbered": "has version = 1, which is to be a text",
}


@pytest.fixture
def strangers(monkeypatch, tmp_path):
    """Registers some of them; the good one comes last."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(of_plugins, "SLOW", 0.5)
    monkeypatch.setattr(of_plugins, "answers", partial(apart.answers, preload=False))  # none of them needs torch

    def make(*names):
        for name in names:
            (tmp_path / f"stranger_{name}.py").write_text(MODULES[name])
        register(monkeypatch, *(entry("ctrbench.models", n, f"stranger_{n}:Model", f"{n}-dist") for n in names))
        return registry.plugins("models")

    return make


def check(found, plugins):
    assert [health.plugin for health in found] == plugins
    for health in found:
        name = health.plugin.name
        if name not in FAULTS:
            assert (health.state, health.faults, health.about) == ("ok", (), "A model.")
            continue
        (fault,) = health.faults
        assert FAULTS[name] in fault
        assert f"the model plugin {name!r} of {name}-dist 1.0" in fault
        assert "\n" not in fault


@pytest.mark.skipif(not apart.FORK, reason="only where forks are safe")
def test_each_fault_is_one_sentence_with_plugin_distribution_and_fault_and_hides_nothing(strangers):
    plugins, told = strangers(*MODULES), []
    found = examine(plugins, timeout=4, tell=told.append)
    check(found, plugins)
    of = {health.plugin.name: health for health in found}
    assert of["later"].state == "other_api"
    assert of["other"].state == of["ends"].state == "broken"
    assert "'slow' of slow-dist 1.0 takes 0." in of["slow"].notes[0]
    assert "'prints' of prints-dist 1.0 prints at import ('from C')" in of["prints"].notes[0]
    assert "'shifts' of shifts-dist 1.0 changes Python's random numbers at import" in of["shifts"].notes[0]
    told_of = {health.plugin.name for health in found for note in health.notes if " s to import" not in note}
    assert told_of == {"prints", "shifts"}
    assert told[-1] == f"plugin {len(plugins)} of {len(plugins)}: z_good of z_good-dist"


def test_without_forks_they_share_a_process_that_is_started_again_when_one_ends_it(strangers, monkeypatch):
    monkeypatch.setattr(apart, "FORK", False)
    plugins = strangers("raises", "closes", "ends", "hangs", "prints", "z_good")
    found = examine(plugins, timeout=2)
    check(found, plugins)
    assert ["prints at import" in str(health.notes) for health in found] == [p.name == "prints" for p in plugins]


def test_without_room_for_what_they_print_they_are_examined_all_the_same(strangers, monkeypatch, tmp_path):
    monkeypatch.setattr(apart, "FORK", False)
    (full,) = strangers("prints")
    program = "import tempfile; tempfile.tempdir = '/no/such/folder'; "
    monkeypatch.setattr(apart, "_PROGRAM", apart._PROGRAM.replace("from ctrbench", f"{program}from ctrbench"))
    (found,) = examine([full])
    assert (found.state, found.notes) == ("ok", ())


def test_what_is_not_of_its_kind_is_a_sentence(strangers, monkeypatch, tmp_path):
    strangers()
    (tmp_path / "kinds.py").write_text(
        "from ctrbench.data.source import DatasetSource\n"
        "class Half(DatasetSource):\n    def items(self, root): ...\n    def inputs(self, root): ...\n"
        "class Whole(Half):\n    fields, prompts = (), {}\n    def interactions(self, root): ...\n"
        "def resolve(name): ...\n"
        "number = 3\n"
    )
    (tmp_path / "tables_of_kinds").mkdir()
    (tmp_path / "tables_of_kinds" / "half.toml").write_text('title = "Half"')
    register(
        monkeypatch,
        *(entry("ctrbench.datasets", name, f"kinds:{name}", "acme") for name in ("Half", "Whole", "number")),
        *(entry("ctrbench.backbones", name, f"kinds:{name}", "acme") for name in ("resolve", "number")),
        entry("ctrbench.tables", "good", "ctrbench.benchmarks.tables"),
        entry("ctrbench.tables", "half", "tables_of_kinds", "acme"),
    )
    found = examine([plugin for kind in ("datasets", "backbones", "tables") for plugin in registry.plugins(kind)])
    assert [health.faults for health in found if health.plugin.name in ("Whole", "resolve", "good")] == [()] * 3
    faults = [fault for health in found for fault in health.faults]
    for fault, told in zip(
        faults,
        (
            "dataset plugin 'Half' of acme 1.0 has no interactions, as a DatasetSource must; run ctrbench.testing.",
            "dataset plugin 'number' of acme 1.0 is no DatasetSource: 3 is not derived from it; run ctrbench.testing.",
            "backbone plugin 'number' of acme 1.0 is no function; repair, update or uninstall acme",
        ),
        strict=False,
    ):
        assert fault.startswith(f"the {told}")
    assert faults[3].startswith(
        "the table 'half' of acme 1.0 cannot be used (the key 'schema' is missing in half.toml)"
    )
    assert len(faults) == 4
