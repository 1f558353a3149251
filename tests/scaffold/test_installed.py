"""Each kind of new plugin, installed as its README says: its tests pass, it is listed, and it is gone afterwards."""

import pytest

from ctrbench.scaffold.kinds import KINDS
from ctrbench.scaffold.write import write
from tests.fresh import Environment

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_pass_at_once_and_it_is_listed(kind, tmp_path):
    environment = Environment.make(tmp_path / "environment")
    folder = write("their-first", kind, tmp_path / "their-first").folder
    environment.pip_install(folder)
    cache = {"CTRBENCH_CACHE": str(tmp_path / "cache")}
    tested = environment.python("-m", "pytest", "-p", "no:cacheprovider", str(folder), **cache)
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout
    listed = environment.python("-m", "ctrbench", "list", KINDS[kind].registered).stdout
    assert any(line.split()[0] == "their_first" for line in listed.splitlines()), listed
    environment.pip_uninstall("their-first")
    assert "their_first" not in environment.python("-m", "ctrbench", "list").stdout
