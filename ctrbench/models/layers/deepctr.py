"""The modules of deepctr-torch, without the web request that importing its package makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_PACKAGE = "deepctr_torch"


def deepctr_module(name: str) -> ModuleType:
    """`deepctr_torch.<name>`, e.g. `layers.interaction`.

    `deepctr_torch/__init__.py` starts a thread that asks a web address for the latest version. It is stepped over
    here: the module is imported below a bare package, which is taken away again. Raises `ImportError` where there is
    no such module.
    """
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.{name}")
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("deepctr-torch is not installed")
    package = ModuleType(_PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = package
    try:
        return importlib.import_module(f"{_PACKAGE}.{name}")
    finally:
        del sys.modules[_PACKAGE]
