"""What ctrbench keeps on disk, and how much room is left there. Nothing is written for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ctrbench.data.resolve import cache_dir

PARTS = {
    "datasets": "prepared datasets",
    "raw": "raw files of datasets that get them by themselves",
    "rows": "features of rows",
    "tokens": "tokens of prompts",
    "states": "hidden states of frozen backbones",
    "widths": "widths of models as large as others",
    "benchmarks": "raw files of benchmarks",
}


def caches() -> list[dict[str, Any]]:
    """Each cache that is there, as JSON: `name`, `about`, `path`, `moved_by` (environment variables), and its size.

    `bytes` and `files` count what can be read; `unread` are folders that cannot.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    ours = cache_dir()
    found = sorted(path for path in ours.iterdir() if path.is_dir()) if ours.is_dir() else []
    places = [(path.name, PARTS.get(path.name, ""), path, "CTRBENCH_CACHE") for path in found]
    places += [("huggingface", "downloaded backbones", Path(HF_HUB_CACHE), "HF_HUB_CACHE or HF_HOME")]
    return [
        {"name": name, "about": about, "path": str(path), "moved_by": moved_by, **_size(path)}
        for name, about, path, moved_by in places
    ]


def disks() -> list[dict[str, Any]]:
    """Room where caches and results go, as JSON: `path`, `use`, `total_bytes`, `free_bytes` and `writable`."""
    return [
        {"use": "cache", "moved_by": "CTRBENCH_CACHE", **_room(cache_dir())},
        {"use": "results", "moved_by": "--results", **_room(Path("results").resolve())},
    ]


def _size(folder: Path) -> dict[str, int]:
    """Links count as what they are, not as what they point to: a hub's cache links to its own files."""
    unread: list[OSError] = []
    sizes = [
        size
        for place, _, names in os.walk(folder, onerror=unread.append)
        for name in names
        for size in _bytes(os.path.join(place, name))
    ]
    missing = not folder.exists()
    return {"bytes": sum(sizes), "files": len(sizes), "unread": 0 if missing else len(unread)}


def _bytes(file: str) -> Iterator[int]:
    """Nothing for a file that another process removed meanwhile."""
    try:
        yield os.lstat(file).st_size
    except OSError:
        return


def _room(folder: Path) -> dict[str, Any]:
    """Of the disk that a folder is on, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    usage = shutil.disk_usage(there)
    return {
        "path": str(folder),
        "total_bytes": usage.total,
        "free_bytes": usage.free,
        "writable": there.is_dir() and os.access(there, os.W_OK | os.X_OK),
    }
