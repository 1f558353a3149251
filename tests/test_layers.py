"""Who may import whom (DESIGN.md), read from the source: imports inside functions count, too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("data",),
    ("features",),
    ("models",),
    ("backbones",),
    ("training", "evaluation"),
    ("bench",),
    ("report", "scaffold"),
    ("doctor",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FOR_ALL = {
    "_version",
    "compatibility",
    "conduct",
    "deprecations",
    "errors",
    "files",
    "installed",
    "registry",
    "spelling",
    "validation",
}
TOP = {"__init__", "__main__", "api", "benchmarks", "testing"}
"""Facades: they gather what lies below, and no layer imports them."""


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def name_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file):
    """Every module that a file imports, as a full name, with its line; also below TYPE_CHECKING."""
    package = name_of(file).split(".")
    if file.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source, node.lineno
            yield from ((f"{source}.{alias.name}", node.lineno) for alias in node.names)


def type_checking_lines(file):
    """Imports for annotations only: they load nothing at run time."""
    lines = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines |= {inner.lineno for inner in ast.walk(node) if hasattr(inner, "lineno")}
    return lines


def part(name):
    """`ctrbench.data.store` -> `data`; None for anything that is not ours."""
    words = name.split(".")
    if words[0] != "ctrbench":
        return None
    return words[1] if len(words) > 1 else "__init__"


def upward(file):
    """Imports from a higher layer, or from a facade."""
    here = part(name_of(file))
    for name, line in imported(file):
        there = part(name)
        if there in FOR_ALL | {None, here, "__init__"}:
            continue
        if there not in LEVEL or here not in LEVEL or LEVEL[there] > LEVEL[here]:
            yield f"{file.relative_to(ROOT)}:{line} imports {name}"


def test_every_part_of_the_framework_has_a_layer():
    parts = {part(name_of(file)) for file in modules("ctrbench")}
    assert parts <= set(LEVEL) | FOR_ALL | TOP


@pytest.mark.parametrize("layer", LEVEL)
def test_a_layer_imports_only_what_is_below_it(layer):
    faults = [fault for file in modules(f"ctrbench/{layer}") for fault in upward(file)]
    assert faults == []


@pytest.mark.parametrize("name", sorted(FOR_ALL))
def test_what_all_may_import_imports_only_its_like(name):
    place = ROOT / "ctrbench" / name
    files = modules(place) if place.is_dir() else [place.with_suffix(".py")]
    found = {part(target) for file in files for target, _ in imported(file)}
    assert found <= FOR_ALL | {None}


def test_the_framework_names_no_plugin():
    faults = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in modules("ctrbench")
        for name, line in imported(file)
        if name.split(".")[0] == "ctrbench_plugins"
    ]
    assert faults == []


def test_plugins_import_the_api_and_their_siblings_only():
    faults = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in modules("ctrbench_plugins")
        for name, line in imported(file)
        if part(name) not in (None, "api") and name != "ctrbench"
    ]
    assert faults == []


@pytest.mark.parametrize("name", ["registry", "bench/spec", "bench/records", "report/tables"])
def test_light_modules_never_import_torch_wherever_their_imports_lead(name):
    """Follows imports at module level; functions that import on demand are run, not loaded."""
    chain = heavy_chain(ROOT / "ctrbench" / f"{name}.py", ("torch", "transformers", "polars"))
    assert chain is None


def heavy_chain(start, heavy):
    """How a module comes to import something heavy when it is loaded, or None."""
    waiting, seen = [(start, (name_of(start),))], {start}
    while waiting:
        file, chain = waiting.pop()
        for name in loaded(file):
            if name.split(".")[0] in heavy:
                return (*chain, name)
            for target in files_of(name):
                if target not in seen:
                    seen.add(target)
                    waiting.append((target, (*chain, name)))
    return None


def loaded(file):
    """What a file imports when it is imported: neither in functions nor for annotations."""
    tree = ast.parse(file.read_text("utf-8"))
    deferred = {
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    skipped = deferred | type_checking_lines(file)
    return [name for name, line in imported(file) if line not in skipped]


def files_of(name):
    """The file of one of our modules, and the packages above it, which are loaded with it."""
    words = name.split(".")
    if words[0] != "ctrbench":
        return []
    every = [ROOT.joinpath(*words[:end]) for end in range(1, len(words) + 1)]
    candidates = [path / "__init__.py" for path in every] + [ROOT.joinpath(*words).with_suffix(".py")]
    return [path for path in candidates if path.is_file()]
