"""What is installed is all that there is: every package, and every file beside its modules."""

from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = ConfigParser()
CONFIG.read(ROOT / "setup.cfg", "utf-8")
PACKAGES = CONFIG["options"]["packages"].split()
DATA = {package: patterns.split() for package, patterns in CONFIG["options.package_data"].items()}
FOLDERS = {ROOT.joinpath(*package.split(".")): package for package in PACKAGES}
FILES = [path for top in ("ctrbench", "ctrbench_plugins") for path in (ROOT / top).rglob("*") if path.is_file()]


def test_every_package_is_named():
    found = {path.parent for path in FILES if path.name == "__init__.py"}
    assert found == {folder for folder in FOLDERS if "benchmarks" not in folder.parts}
    assert sorted(PACKAGES) == PACKAGES


def test_every_file_that_is_no_module_is_named():
    others = [path for path in FILES if path.suffix not in (".py", ".pyc")]
    assert {".jinja", ".css"} <= {path.suffix for path in others}
    assert [str(path) for path in others if not named(path)] == []


def named(path: Path) -> bool:
    """Whether a pattern of its package takes a file; `*` is for one folder or name, as in setuptools."""
    folder = next(folder for folder in path.parents if folder in FOLDERS)
    parts = path.relative_to(folder).parts
    patterns = (pattern.split("/") for pattern in DATA.get(FOLDERS[folder], []))
    return any(len(pattern) == len(parts) and all(map(fnmatch, parts, pattern)) for pattern in patterns)
