"""A distribution as pip leaves it: modules, and a dist-info folder with entry points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(site: Path, modules: Mapping[str, str], entries: Mapping[str, str], name: str = "acme-ctr") -> None:
    """Write it into a folder on `sys.path`. `modules`: sources by name; `entries`: `group name` to its value."""
    site.mkdir(parents=True, exist_ok=True)
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n\n")
    groups: dict[str, list[str]] = {}
    for where, value in entries.items():
        group, entry = where.split(" ")
        groups.setdefault(group, []).append(f"{entry} = {value}")
    lines = [f"[ctrbench.{group}]\n" + "\n".join(every) + "\n" for group, every in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
