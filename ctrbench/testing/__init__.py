"""Tests of what plugins promise, for their authors to subclass: `from ctrbench.testing import ModelTests`.

Needs pytest, which `ctrbench` itself does not.
"""

from ctrbench.testing.models import ModelTests

__all__ = ["ModelTests"]
