"""Prompts for a user's own data: the TOML's, or one that is made of the features."""

from __future__ import annotations

import polars as pl

from ctrbench.api import ConfigError, Prompt, check_prompt
from ctrbench_plugins.datasets.table_file.spec import HISTORY, Owner, Placed, Spec
from ctrbench_plugins.datasets.table_file.tables import Opened

_ROWS = ("row_id", "domain", "user", "user_index", "item", "item_index", "time", "label", HISTORY)


def prompts_of(opened: Opened) -> dict[str, Prompt]:
    """All prompts, `default` among them. Raises `ConfigError` for one that names what there is not."""
    spec = opened.spec
    prompts = {"default": default_prompt(spec), **spec.prompts}
    of_items = ["item", "item_index", *(f.name for f in spec.placed if f.of == "item")]
    of_rows = [*_ROWS, *(f.name for f in spec.placed if f.of != "item" and f.kind != "history")]
    types = {name: pl.List(pl.String) if name == HISTORY else pl.String() for name in of_rows}
    rows, items = pl.DataFrame(schema=types), pl.DataFrame(schema=dict.fromkeys(of_items, pl.String()))
    for name, prompt in prompts.items():
        try:
            check_prompt(prompt, rows, items, name)
        except ConfigError as fault:
            raise ConfigError(f"{opened.toml}: {fault}") from None
    return prompts


def default_prompt(spec: Spec) -> Prompt:
    """A sentence with all features, in the words of the paper's prompt; items are shown by their first text."""
    texts = [f for f in spec.placed if f.of == "item" and f.kind == "text"]
    sentences = [
        "{domain_title}: The user ID is user_{user_index}, "
        + "".join(f"{part}, " for part in _parts(spec, "user"))
        + "who clicked {history} recently.",
        ", ".join(["The ID of the current item is item_{item_index}", *_the(_parts(spec, "item"))]) + ".",
    ]
    context = _the(_parts(spec, "context"))
    if context:
        told = ", ".join(context)
        sentences.append(f"{told[0].upper()}{told[1:]}.")
    shown = f"item '{{{texts[0].name}}}'" if texts else "item_{item_index}"
    return Prompt(template=" ".join(sentences), history_item=shown, history_join=" & ")


def _parts(spec: Spec, of: Owner) -> list[str]:
    return [_part(feature) for feature in spec.placed if feature.of == of and feature.kind != "history"]


def _part(feature: Placed) -> str:
    value = f"'{{{feature.name}}}'" if feature.kind == "text" else f"{{{feature.name}}}"
    verb = "" if feature.of == "user" else "is "
    return f"{feature.name.replace('_', ' ')} {verb}{value}"


def _the(parts: list[str]) -> list[str]:
    return [f"the {part}" for part in parts]
