"""What users write, as values; and what is wrong with it, in one sentence. Every layer may use it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, get_args

from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails


def parse_value(text: str) -> Any:
    """TOML where it can be (`3`, `true`, `["a", "b"]`), else the text itself: `my-bert`, `a, b`.

    Raises `ValueError` where nothing is written, or where a TOML list, table or text does not end.
    """
    value = text.strip()
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        if value and value[0] not in "[{\"'":
            return value
    raise ValueError(f"{value!r} is not a TOML value; put text in quotes, as in 'key=\"some text\"'")


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """A validation error as one sentence: the first fault, where it is, and the nearest known key.

    model: what was to be validated; where: a name for it, as in `[settings.my_model] config`. The sentence has no full
    stop, unless it names a likely key. An unknown key comes before the others: misspelt, it is why another one is
    missing.
    """
    return _explained(error, model, where)


def in_brief(error: ValidationError) -> str:
    """The same without a model at hand, of which the error knows the name."""
    return _explained(error, None, error.title)


def first_fault(error: ValidationError) -> ErrorDetails:
    """The fault that is explained."""
    return min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")


def _explained(error: ValidationError, model: type[BaseModel] | None, where: str) -> str:
    fault = first_fault(error)
    location = tuple(fault["loc"])
    key = ".".join(str(part) for part in _written(model, location) if part != "[key]")
    if fault["type"] == "extra_forbidden":
        if model is None:
            return f"unknown key {key!r} in {where}"
        return f"unknown key {key!r} in {where}.{suggest(str(location[-1]), _known_keys(model, location[:-1]))}"
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(fault, key, where)
    if fault["type"] == "missing":
        return f"the key {key!r} is missing in {where}"
    value = fault["input"]
    if fault["type"] == "value_error":
        message = fault["msg"].removeprefix("Value error, ")
        told = not key or isinstance(value, dict) or repr(value) in message
        return f"{key + ': ' if key else ''}{message}{'' if told else f', not {value!r}'} (in {where})"
    return f"{key} in {where}: {_allowed(fault)}, not {value!r}"


def _wrong_tag(fault: ErrorDetails, key: str, where: str) -> str:
    """A table that says which of several kinds it is, by a key, and means none of them."""
    tag = fault["ctx"]["discriminator"].strip("'")
    if fault["type"] == "union_tag_not_found":
        return f"the key '{key}.{tag}' is missing in {where}"
    known = [name.strip("'") for name in fault["ctx"]["expected_tags"].split(", ")]
    return f"unknown {key}.{tag} {fault['ctx']['tag']!r} in {where}.{suggest(fault['ctx']['tag'], known)}"


def _allowed(fault: ErrorDetails) -> str:
    """What may stand where the fault is, in words for those who write TOML."""
    if fault["type"] in ("tuple_type", "list_type"):
        return "input should be a list, as in [16, 8]"
    if fault["type"] == "too_short":
        least = fault["ctx"]["min_length"]
        return f"the list should have at least {least} item{'s' if least > 1 else ''}"
    if fault["type"] in ("bool_parsing", "bool_type"):
        return "input should be true or false"
    return fault["msg"][0].lower() + fault["msg"][1:]


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed at a location inside a model."""
    current: Any = model
    for part in location:
        current, _ = _inside(current, part)
    found = _models_in(current)
    return [field.alias or name for name, field in found[0].model_fields.items()] if found else []


def _written(model: type[BaseModel] | None, location: tuple[int | str, ...]) -> list[int | str]:
    """A location as the file has it: without the kinds that pydantic puts between."""
    current: Any = model
    parts: list[int | str] = []
    for part in location:
        current, stands = _inside(current, part)
        parts += [part] if stands else []
    return parts


def _inside(current: Any, part: int | str) -> tuple[Any, bool]:
    """What is at one part of a location, and whether the part is written in the file."""
    models = _models_in(current)
    fields = models[0].model_fields if models else {}
    tagged = [model for model in models if any((part,) == get_args(f.annotation) for f in model.model_fields.values())]
    if str(part) in fields:
        return fields[str(part)].annotation, True
    return (tagged[0], False) if tagged else (current, True)  # of several kinds, the one that a key says it is


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models an annotation mentions: `dict[str, M] | None` -> `[M]`."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
