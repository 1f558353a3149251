"""A project as if it were installed, without installing it: its code on the path, and what an installer would note."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_installed(project: Path) -> Iterator[None]:
    """Within, the registry finds the plugins of a project with a `setup.cfg`; nothing of it stays imported."""
    config = ConfigParser(delimiters=("=",))
    config.optionxform = str  # type: ignore[assignment,method-assign]  # names as they stand
    config.read(project / "setup.cfg", "utf-8")
    code = project / config.get("options", "package_dir", fallback="").strip(" =\n")
    name, version = config["metadata"]["name"], config["metadata"]["version"]
    noted = code / f"{name.replace('-', '_')}-{version}.dist-info"
    noted.mkdir(exist_ok=True)
    (noted / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = config["options.entry_points"].items()
    (noted / "entry_points.txt").write_text("".join(f"[{group}]{entries}\n" for group, entries in groups))
    before = set(sys.modules)
    sys.path.insert(0, str(code))
    try:
        yield
    finally:
        sys.path.remove(str(code))
        for module in set(sys.modules) - before:
            if str(getattr(sys.modules[module], "__file__", None) or "").startswith(str(code)):
                del sys.modules[module]
