"""Whether a model's code is still what stored runs were made with. Nothing here imports torch.

Comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrbench.bench.facts import ModelFacts
    from ctrbench.bench.records import Record


@cache
def code_of(model: type) -> str | None:
    """A hash of the module that has the class, and of what it imports from its own folder; None without a source."""
    try:
        file = Path(inspect.getsourcefile(model) or "")
        trees = _with_imported(file, model.__module__.rpartition(".")[0])
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return hashlib.sha256("\n".join(f"{name}: {_told(trees[name])}" for name in sorted(trees)).encode()).hexdigest()


def changed(models: Iterable[ModelFacts], records: Iterable[Record | None]) -> list[str]:
    """The sentence for models whose code is not that of their stored runs; records that do not tell theirs are fine."""
    now = {facts.model: facts.code for facts in models}
    other = {
        record.spec.model
        for record in records
        if record is not None and record.status == "done" and _differ(record.provenance.get("code"), now, record)
    }
    if not other:
        return []
    names = [name for name in now if name in other]
    its, has, it = ("their", "versions have", "them") if len(names) > 1 else ("its", "version has", "it")
    remove = "`, `… ".join(f"--model {name}" for name in names)
    return [
        f"The code of {', '.join(names)} has changed since {its} stored runs were made, and {its} {has} not: raise "
        f"`version` in the class to train {it} anew, or remove these runs (`ctrbench results rm {remove}`)."
    ]


def _differ(then: Any, now: dict[str, str | None], record: Record) -> bool:
    here = now.get(record.spec.model)
    return then is not None and here is not None and then != here


def _with_imported(file: Path, package: str) -> dict[str, ast.Module]:
    """A module and, over all steps, those that it imports from its package, by path below the package's folder."""
    trees: dict[str, ast.Module] = {}
    waiting = [file]
    while waiting:
        this = waiting.pop()
        name = this.relative_to(file.parent).as_posix()
        if name not in trees:
            trees[name] = ast.parse(this.read_bytes())
            inside = ".".join([package, *Path(name).parts[:-1]])
            waiting += _files(trees[name], file.parent, package, inside) if package else []
    return trees


def _files(tree: ast.Module, folder: Path, package: str, inside: str) -> Iterator[Path]:
    """The files of a package's modules that a module, which lies `inside` of it, imports."""
    for name in _imported(tree, inside):
        if name.startswith(f"{package}."):
            place = folder.joinpath(*name.removeprefix(f"{package}.").split("."))
            yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file())


def _imported(tree: ast.Module, inside: str) -> Iterator[str]:
    """Full names of all that may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = inside.split(".")[: len(inside.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _told(node: Any) -> str:
    """As `ast.dump`, alike in all versions of Python: without what is empty, nor texts that are statements."""
    if isinstance(node, ast.AST):
        fields = (f"{key}={_told(value)}" for key, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_told(each) for each in node if not _is_text(each))}]"
    return repr(node)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
