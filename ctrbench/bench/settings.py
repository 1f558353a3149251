"""Settings in layers: merge them, validate them, and say in one sentence what is wrong with them.

Nothing here imports torch.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ctrbench.errors import ConfigError
from ctrbench.registry import suggest

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


def resolve(model: type[M], layers: Sequence[Layer]) -> M:
    """The validated settings of all layers; `ConfigError` names the key and the layer that brought it."""
    try:
        return model.model_validate(merge(*(mapping for _, mapping in layers)))
    except ValidationError as error:
        key = tuple(error.errors()[0]["loc"])
        raise ConfigError(explain(error, model, _where(key, layers))) from None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """A validation error as one sentence: the first fault, where it is, and the nearest known key."""
    fault = error.errors()[0]
    location = tuple(fault["loc"])
    key = ".".join(str(part) for part in location if part != "[key]")
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        return f"unknown key {key!r} in {where}.{suggest(str(location[-1]), known)}"
    if fault["type"] == "missing":
        return f"the key {key!r} is missing in {where}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{key + ': ' if key else ''}{message} (in {where})"
    return f"{key} in {where}: {message[0].lower()}{message[1:]}, not {fault['input']!r}"


def parse_overrides(settings: Sequence[str]) -> dict[str, Differences]:
    """`MODEL.config.KEY=VALUE`, `MODEL.train.KEY=VALUE`, by model. Values are TOML; bare words are text."""
    found: dict[str, dict[str, Any]] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        model, _, rest = path.strip().partition(".")
        part, _, key = rest.partition(".")
        if not (equals and key and part in Differences.model_fields):
            raise ConfigError(
                f"--set {text}: write MODEL.config.KEY=VALUE or MODEL.train.KEY=VALUE, "
                "as in --set uni_ctr.train.epochs=3"
            )
        nested: Any = _parse_value(value.strip(), text)
        for name in reversed([part, *key.split(".")]):
            nested = {name: nested}
        found[model] = merge(found.get(model, {}), nested)
    return {model: Differences(**parts) for model, parts in found.items()}


def _parse_value(value: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        if re.fullmatch(r"[\w./:@~-]+", value):
            return value
        raise ConfigError(
            f"--set {text}: {value!r} is not a TOML value; put text in quotes, as in 'key=\"some text\"'"
        ) from None


def _where(location: tuple[int | str, ...], layers: Sequence[Layer]) -> str:
    """The last layer that sets the key (or its nearest parent that is set)."""
    for where, mapping in reversed(layers):
        if location and location[0] in mapping:
            return where
    return layers[-1][0] if layers else "the settings"


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed at a location inside a model."""
    current: Any = model
    for part in location:
        models = _models_in(current)
        fields = models[0].model_fields if models else {}
        current = fields[str(part)].annotation if str(part) in fields else current
    found = _models_in(current)
    return [field.alias or name for name, field in found[0].model_fields.items()] if found else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models an annotation mentions: `dict[str, M] | None` -> `[M]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
