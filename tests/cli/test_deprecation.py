"""Users of a plugin that asks for what goes are told, whatever else is kept quiet."""

from pathlib import Path

import pytest

from ctrbench import deprecations, registry
from ctrbench.cli import main
from ctrbench.deprecations import CtrbenchDeprecation, Deprecation
from tests.fakes import entry, register

ASKS = """
import warnings
from ctrbench.api import propose
warnings.warn("chatter", FutureWarning)
class Model: pass
"""


@pytest.mark.parametrize(("options", "told"), [([], True), (["-q"], False)])
def test_a_command_tells_users_of_plugins_that_ask_for_what_goes(monkeypatch, tmp_path, recwarn, options, told):
    going = Deprecation("0.2.0", "0.3.0", "use `suggest`", "ctrbench.spelling:suggest")
    monkeypatch.setattr(deprecations, "DEPRECATIONS", {"propose": going})
    module = f"acme_asks_{told}".lower()
    (tmp_path / f"{module}.py").write_text(ASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    register(monkeypatch, entry("ctrbench.models", "acme", f"{module}:Model"))
    monkeypatch.setattr("ctrbench.cli.list.run", lambda args: registry.load("models", "acme") is None)
    assert main(["list", *options]) == 0
    warnings = [(one.category, Path(one.filename).name, one.lineno) for one in recwarn]
    assert warnings == ([(CtrbenchDeprecation, f"{module}.py", 3)] if told else [])
