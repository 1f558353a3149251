"""Tests of what plugins promise, for their authors to subclass: `from ctrbench.testing import ModelTests`.

Needs pytest, which `ctrbench` itself does not. A kit is imported when first used, so that the tests of a dataset load
no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrbench.testing.backbones import BackboneTests as BackboneTests
    from ctrbench.testing.models import ModelTests as ModelTests
    from ctrbench.testing.sources import SourceTests as SourceTests
    from ctrbench.testing.tables import TableTests as TableTests

_WHERE = {
    "BackboneTests": "ctrbench.testing.backbones",
    "ModelTests": "ctrbench.testing.models",
    "SourceTests": "ctrbench.testing.sources",
    "TableTests": "ctrbench.testing.tables",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"ctrbench.testing has no {name!r}")
    kit = getattr(import_module(_WHERE[name]), name)
    globals()[name] = kit
    return kit
