"""Public names as a reader of the source sees them: signatures, fields and a digest of each docstring, line by line.

Read from the source, so that they are the same under every version of Python, pydantic and torch.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from ctrbench import api, testing

Function = ast.FunctionDef | ast.AsyncFunctionDef


def promised() -> dict[str, list[str]]:
    """Every public name, and what is promised of it."""
    return {f"{facade.__name__}.{name}": lines(facade, name) for facade in (api, testing) for name in facade.__all__}


def lines(facade: ModuleType, name: str) -> list[str]:
    """One name's definition, then its fields, in their order, and its methods by name.

    Also those that it inherits, but for what another public name promises.
    """
    value = getattr(facade, name)
    if not inspect.isclass(value):
        module, _, attribute = vars(facade)["_WHERE"][name].partition(":")
        return [_line(*_found(_body(module), attribute))]
    fields, methods = dict[str, str](), dict[str, str]()
    for kind in value.__mro__:
        if kind is value or (kind.__module__.partition(".")[0] == "ctrbench" and kind.__name__ not in facade.__all__):
            node, _ = _found(_body(kind.__module__), kind.__name__)
            for one, line, is_field in _members(node.body):
                (fields if is_field else methods).setdefault(one, line)
    head = _line(*_found(_body(value.__module__), value.__name__))
    return [head, *fields.values(), *(methods[one] for one in sorted(methods))]


@cache
def _body(module: str) -> list[ast.stmt]:
    return ast.parse(Path(str(sys.modules[module].__file__)).read_text("utf-8")).body


def _found(body: list[ast.stmt], name: str) -> tuple[ast.stmt, str | None]:
    """A definition, with the text that stands below it, which documents it where it is a value."""
    return next((node, text) for node, text in _with_texts(body) if _name(node) == name)


def _with_texts(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str | None]]:
    for node, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        below = following.value if isinstance(following, ast.Expr) else None
        yield node, str(below.value) if isinstance(below, ast.Constant) else None


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, Function | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else None


def _members(body: list[ast.stmt], prefix: str = "    ") -> Iterator[tuple[str, str, bool]]:
    """Name, line, and whether it is a field, of what a class has that is public."""
    for node, text in _with_texts(body):
        name = _name(node)
        if name == "__init__":
            yield from ((one, f"{prefix}{one} = …", True) for one in _set(node))
        if name is None or (name.startswith("_") and not name.endswith("__")):
            continue
        yield name, prefix + _line(node, text), not isinstance(node, Function)
        if isinstance(node, ast.ClassDef):
            yield from ((f"{name}.{one}", line, True) for one, line, _ in _members(node.body, prefix + "    "))


def _set(init: ast.stmt) -> list[str]:
    """Public attributes that a constructor sets."""
    every = (node for node in ast.walk(init) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    names = (node.attr for node in every if ast.unparse(node.value) == "self")
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _line(node: ast.stmt, text: str | None) -> str:
    """The definition without its body, and a digest of its documentation."""
    if isinstance(node, Function | ast.ClassDef):
        text = ast.get_docstring(node)
        head = ast.unparse(_bare(node)).removesuffix("...").rstrip().removesuffix(":")
    else:
        head = ast.unparse(node)
    digest = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8] if text else ""
    return " ".join(head.split()) + (f"  # {digest}" if digest else "")


def _bare(node: Function | ast.ClassDef) -> ast.stmt:
    """Without its body, and without what its decorators say in words, as those of the kits' tests do."""
    kept = {**dict(ast.iter_fields(node)), "body": [ast.Expr(ast.Constant(...))]}
    kept["decorator_list"] = [
        ast.Call(one.func, [], one.keywords) if isinstance(one, ast.Call) else one for one in node.decorator_list
    ]
    return ast.copy_location(type(node)(**kept), node)
