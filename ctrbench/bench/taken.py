"""Whether a class that a plugin calls a model says of itself what ctrbench asks. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ctrbench.bench.settings import resolve
from ctrbench.bench.verdicts import CATEGORIES
from ctrbench.conduct.blame import Suspect, accused, blaming
from ctrbench.errors import ConfigError
from ctrbench.registry import Plugin
from ctrbench.spelling import suggest
from ctrbench.training.config import TrainConfig

_CTR_MODEL = ("ctrbench.models.contract", "CTRModel")
_NEEDED = ("__mro__", "Config", "version", "train_defaults", "has_general_head")
_FLAGS = ("has_general_head", "adds_domains", "needs_history")


def check_model(plugin: Plugin, model: Any) -> None:
    """A class that is no model, or says of itself what cannot be, is its plugin's fault; `PluginError` says so."""
    with blaming(Suspect(plugin.kind, plugin.name), "when its class was looked at"):
        fault = model_fault(model)
    if fault:
        raise accused(plugin, fault)


def model_fault(model: Any) -> str:
    """The first thing that is wrong with a model's class, as what follows its name in a sentence; or nothing."""
    return next(_faults(model), "")


def config_fault(model: Any) -> str:
    """What is wrong with a model's `Config` alone; or nothing."""
    return next(_faults_of_config(getattr(model, "Config", None), _base(model)), "")


def _faults(model: Any) -> Iterator[str]:
    if not all(hasattr(model, name) for name in _NEEDED):
        yield f"is no CTRModel: {model!r} is not derived from it"
        return
    category, base = getattr(model, "category", None), _base(model)
    if category is None:
        yield f"has no `category`: it is one of {', '.join(map(repr, CATEGORIES))}"
    elif category not in CATEGORIES:
        yield f"has category = {category!r}, which there is not.{suggest(str(category), CATEGORIES)}"
    if not (isinstance(model.version, str) and model.version):
        yield f"has version = {model.version!r}, which is to be a text such as '1'"
    for name in _FLAGS:
        if not isinstance(flag := getattr(model, name, False), bool):
            yield f"has {name} = {flag!r}, which is to be True or False"
    yield from _faults_of_config(model.Config, base)
    if model.has_general_head and base and model.forward_general is base.forward_general:
        yield "has has_general_head = True, and no `forward_general` of its own"
    yield from _faults_of_defaults(model.train_defaults)


def _faults_of_config(config: Any, base: Any) -> Iterator[str]:
    if not (isinstance(config, type) and issubclass(config, base.Config if base else BaseModel)):
        yield f"has Config = {config!r}, which is not derived from CTRModel.Config"
        return
    if required := [repr(name) for name, field in config.model_fields.items() if field.is_required()]:
        yield f"has a `Config` without a default for {', '.join(required)}"
        return
    try:
        config()
    except ValidationError as fault:
        yield f"has a `Config` whose defaults do not fit it: {fault.errors()[0]['msg']}"


def _faults_of_defaults(defaults: Any) -> Iterator[str]:
    if not isinstance(defaults, Mapping):
        yield f"has train_defaults = {defaults!r}, which is to be a mapping such as {{'lr': 0.001}}"
        return
    try:
        resolve(TrainConfig, [("its train_defaults", defaults)])
    except ConfigError as fault:
        yield f"has settings that do not fit: {fault}"


def _base(model: Any) -> Any:
    """`CTRModel`, where the class is derived from it: asked by name, as an import would load torch."""
    bases = getattr(model, "__mro__", ())
    return next((base for base in bases if (base.__module__, base.__name__) == _CTR_MODEL), None)
