"""What is so of all kits."""

import ast
from pathlib import Path

import pytest

import ctrbench.testing
from ctrbench.testing.promises import Kit

FRAMEWORK = Path(ctrbench.testing.__file__).parents[1]
KITS = [getattr(ctrbench.testing, name) for name in ctrbench.testing.__all__]


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.__name__)
def test_a_kit_is_made_of_promises(kit):
    """So each failure says which promise it was, in the test's docstring, and how to mend it."""
    tests = [getattr(kit, name) for name in dir(kit) if name.startswith("test_")]
    assert issubclass(kit, Kit)
    assert len(tests) >= 8
    for test in tests:
        assert test.__wrapped__.__doc__.endswith("."), test
        mend = next(cell.cell_contents for cell in test.__closure__ if isinstance(cell.cell_contents, str))
        assert mend.endswith("."), test


def test_only_kits_need_pytest():
    files = [file for file in FRAMEWORK.rglob("*.py") if "testing" not in file.relative_to(FRAMEWORK).parts]
    assert len(files) > 100
    assert [str(file) for file in files if "pytest" in imported(file)] == []


def imported(file):
    """The packages that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_a_name_that_is_no_kit_is_an_error():
    with pytest.raises(AttributeError, match=r"ctrbench\.testing has no 'TaskTests'"):
        ctrbench.testing.TaskTests  # noqa: B018 - asking is enough
