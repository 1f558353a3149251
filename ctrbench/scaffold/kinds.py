"""The kinds of plugins that can be begun with, and what each consists of. Nothing here imports anything heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of plugin."""

    name: str
    what: str
    """In a sentence: a ..."""
    registered: str
    """One of `registry.GROUPS`."""
    module: str
    """The file that holds it, in the package; `{package}` is the package's name."""
    points_to: str
    """What its entry point names, within the package."""
    needs: tuple[str, ...] = ()
    """The distributions that its code imports, beside ctrbench."""
    suffix: str = ""
    """How the name of its class ends, if it has one."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("model", "model on ids", "models", "model.py", ".model:{class_name}", ("torch",), "Model"),
        Kind("text-model", "model on a language model", "models", "model.py", ".model:{class_name}", ("torch",), "Model"),
        Kind("dataset", "dataset", "datasets", "dataset.py", ".dataset:{class_name}", ("polars",), "Dataset"),
        Kind("backbone", "backbone", "backbones", "backbone.py", ".backbone:resolve", ("torch", "transformers")),
        Kind("tables", "table", "tables", "{package}.toml", ""),
    )
}
