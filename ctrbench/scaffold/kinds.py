"""The kinds of plugins that can be begun with, and what each consists of. Nothing here imports anything heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of plugin."""

    name: str
    what: str
    """In words, for `a …`."""
    registered: str
    """One of `registry.GROUPS`."""
    module: str = ""
    """The module that holds it; tables stand in a file of their own."""
    function: str = ""
    """What an entry point names in that module; a class, where it is no function."""
    suffix: str = ""
    """How the name of that class ends."""
    needs: tuple[str, ...] = ()
    """The distributions that its code imports, beside ctrbench."""

    def file(self, package: str) -> str:
        """The file that holds it, in its package."""
        return f"{self.module}.py" if self.module else f"{package}.toml"

    def entry_point(self, package: str, class_name: str) -> str:
        """What its entry point refers to."""
        return f"{package}.{self.module}:{self.function or class_name}" if self.module else package


KINDS = {
    kind.name: kind
    for kind in (
        Kind("model", "model on ids", "models", "model", suffix="Model", needs=("torch",)),
        Kind("text-model", "model on a language model", "models", "model", suffix="Model", needs=("torch",)),
        Kind("dataset", "dataset", "datasets", "dataset", suffix="Dataset", needs=("polars",)),
        Kind("backbone", "backbone", "backbones", "backbone", "resolve", needs=("torch", "transformers")),
        Kind("tables", "table", "tables"),
    )
}
