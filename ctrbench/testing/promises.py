"""A promise of a plugin, as a test whose failure is a sentence; and what all kits have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from ctrbench._version import API_VERSION
from ctrbench.errors import PluginError
from ctrbench.registry import Plugin, load
from ctrbench.validation import explain


def promise(mend: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """A test whose failure, whatever it is, says which promise was broken (its docstring) and how to mend it."""

    def decorate(test: Callable[[Any], None]) -> Callable[[Any], None]:
        @wraps(test)
        def kept(self: Any) -> None:
            __tracebackhide__ = True
            self._load()  # what cannot be imported or configured says so itself: nothing is known of its promises
            try:
                test(self)
            except (Exception, SystemExit) as fault:
                broken, told = (" ".join(str(text).split()) for text in (test.__doc__, fault))
                found = told if isinstance(fault, AssertionError) else f"{type(fault).__name__}: {told}"
                raise AssertionError(
                    f"{self._called()} breaks a promise: {broken}\nTo mend it: {mend}\nWhat happened: {found}"
                ) from fault

        return kept

    return decorate


class Kit(ABC):
    """What is tested; the subject of each kit derives from it."""

    _group: ClassVar[str]
    """Which plugins these are, as the registry calls them, e.g. `models`."""
    _names_it: ClassVar[str]
    """The attribute in which an author names the plugin, e.g. `model`."""
    _example: ClassVar[str]
    """What it may be set to."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__name__.startswith("Test") and not hasattr(cls, cls._names_it):
            raise PluginError(
                f"{cls.__name__} names no {cls._names_it}: give it a line such as `{cls._names_it} = {cls._example}`"
            )

    @classmethod
    @abstractmethod
    def _load(cls) -> object:
        """Import and configure the plugin; `PluginError` where that cannot be done, so that nothing is known of it."""

    @classmethod
    def _target(cls) -> Any:
        """What its entry point leads to: a class, a function or a module."""
        named = getattr(cls, cls._names_it)
        return load(cls._group, named) if isinstance(named, str) else named

    @classmethod
    def _called(cls) -> str:
        """The plugin's name, for messages: as it is registered, else its own."""
        named = getattr(cls, cls._names_it)
        return named if isinstance(named, str) else str(getattr(named, "__name__", named))

    @promise(f"write for this version, and set `api_version = {API_VERSION}` on the class, or in the module.")
    def test_it_is_built_for_this_api(self) -> None:
        """The `api_version` that a plugin states, where it states one, is one that this ctrbench speaks."""
        target = self._target()
        module = getattr(target, "__module__", getattr(target, "__name__", ""))
        plugin = Plugin(self._group, self._called(), module, "your package", "")
        plugin.check_api(plugin.stated_api(target))


def configured(kind: type[BaseModel], values: Mapping[str, Any], where: str) -> Any:
    """Settings of this kind; `PluginError` where `values` are none."""
    try:
        return kind(**values)
    except ValidationError as fault:
        raise PluginError(explain(fault, kind, where)) from fault
