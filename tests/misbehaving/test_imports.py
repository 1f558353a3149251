"""What a plugin does while it is imported: it is told, put right, and harms nobody."""

import logging
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from ctrbench import registry
from ctrbench.conduct import watch
from tests.misbehaving.site import install

PLUGIN = "the model plugin 'mine' of acme-ctr 1.2"


@pytest.fixture
def imported(tmp_path, monkeypatch, caplog):
    """Imports a plugin with this source; what was logged meanwhile."""

    def load(source):
        install(tmp_path / "site", {"acme_import": f"{source}\nModel = 1\n"}, {"models mine": "acme_import:Model"})
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        assert registry.load("models", "mine") == 1
        return [text for text in caplog.messages if text.startswith(PLUGIN)]

    yield load
    sys.modules.pop("acme_import", None)


def test_a_good_plugin_is_not_mentioned(imported, capsys):
    assert imported("import json") == []
    assert capsys.readouterr() == ("", "")


def test_what_it_prints_goes_to_stderr(imported, capsys):
    imported("print('hello')\nprint('world')")
    said = f"ctrbench: {PLUGIN}, which is being imported, prints to stdout, which is for results; here it is:\n"
    assert capsys.readouterr() == ("", f"{said}hello\nworld\n")


def test_a_slow_one_is_named_while_it_works(imported, monkeypatch):
    monkeypatch.setattr(watch, "SLOW", 0.05)
    assert imported("import time; time.sleep(0.5)") == [
        f"{PLUGIN} has been importing for 0.05 s, and goes on; "
        "Ctrl-C stops it, and `ctrbench doctor` tells what is wrong with it"
    ]


def test_the_seconds_of_torch_are_not_the_plugins(tmp_path):
    install(
        tmp_path, {"acme_import": "import sys\nModel = 'torch' in sys.modules"}, {"models mine": "acme_import:Model"}
    )
    program = "from ctrbench import registry; raise SystemExit(not registry.load('models', 'mine'))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "what", "state"),
    [
        ("import random; random.seed(1)", "Python's random numbers", random.getstate),
        ("import numpy; numpy.random.rand()", "numpy's random numbers", lambda: np.random.get_state()[1].tolist()),
        ("import torch; torch.manual_seed(1)", "torch's random numbers", lambda: torch.get_rng_state().tolist()),
        (
            "import torch; torch.set_default_dtype(torch.float64)",
            "torch's default type of numbers",
            torch.get_default_dtype,
        ),
        ("import torch; torch.set_num_threads(2)", "torch's number of threads", torch.get_num_threads),
        ("import torch; torch.set_grad_enabled(False)", "whether torch keeps gradients", torch.is_grad_enabled),
        ("import warnings; warnings.simplefilter('error')", "the filters of warnings", lambda: list(warnings.filters)),
        (
            "import logging; logging.basicConfig(force=True, level=10)",
            "the root logger",
            lambda: (logging.root.level, list(logging.root.handlers)),
        ),
        ("import logging; logging.disable(50)", "the root logger", lambda: logging.root.manager.disable),
        ("import os; os.chdir('/')", "the working folder", lambda: __import__("os").getcwd()),
    ],
)
def test_shared_state_is_put_back(imported, source, what, state):
    before = state()
    assert imported(source) == [
        f"{PLUGIN} changed {what} when it was imported; it is put back, and other runs are as without it"
    ]
    assert state() == before


@pytest.mark.parametrize("kind", ["models", "datasets", "backbones"])
def test_registered_plugins_change_nothing(kind, caplog, capsys):
    for plugin in registry.plugins(kind):
        plugin.load()
    assert [text for text in caplog.messages if "plugin" in text] == []
    assert capsys.readouterr().out == ""
