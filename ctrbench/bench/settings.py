"""Settings in layers: merge them, and validate them.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ctrbench.errors import ConfigError
from ctrbench.validation import explain, parse_value

M = TypeVar("M", bound=BaseModel)

Layer = tuple[str, Mapping[str, Any]]
"""Where a mapping of settings comes from (for error messages), and the mapping."""


class Differences(BaseModel):
    """How one model's settings differ from its class's own: the model's `config`, its `train`ing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: dict[str, Any] = {}
    train: dict[str, Any] = {}


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win; nested mappings are merged key by key."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                value = merge(old, value)
            merged[key] = value
    return merged


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names, as `--set` takes them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def resolve(model: type[M], layers: Sequence[Layer]) -> M:
    """The validated settings of all layers; `ConfigError` names the key and the layer that brought it."""
    try:
        return model.model_validate(merge(*(mapping for _, mapping in layers)))
    except ValidationError as error:
        key = tuple(error.errors()[0]["loc"])
        raise ConfigError(explain(error, model, _where(key, layers))) from None


def parse_overrides(settings: Sequence[str]) -> dict[str, Differences]:
    """`MODEL.config.KEY=VALUE`, `MODEL.train.KEY=VALUE`, by model. For values see `parse_value`."""
    found: dict[str, dict[str, Any]] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        model, _, rest = path.strip().partition(".")
        part, _, key = rest.partition(".")
        if not (equals and key and part in Differences.model_fields):
            raise ConfigError(
                f"--set {text}: write MODEL.config.KEY=VALUE or MODEL.train.KEY=VALUE, "
                "for example --set MODEL.train.epochs=3"
            )
        try:
            nested: Any = parse_value(value)
        except ValueError as fault:
            raise ConfigError(f"--set {text}: {fault}") from None
        for name in reversed([part, *key.split(".")]):
            nested = {name: nested}
        found[model] = merge(found.get(model, {}), nested)
    return {model: Differences(**parts) for model, parts in found.items()}


def _where(location: tuple[int | str, ...], layers: Sequence[Layer]) -> str:
    """The last layer that sets the key (or its nearest parent that is set); for no key, the last that sets any."""
    for where, mapping in reversed(layers):
        if mapping and (not location or location[0] in mapping):
            return where
    return layers[-1][0] if layers else "the settings"
