"""Tests of what plugins promise, for their authors to subclass: `from ctrbench.testing import ModelTests`.

Needs pytest, which `ctrbench` itself does not.
"""

import pytest

pytest.register_assert_rewrite("ctrbench.testing.models")

from ctrbench.testing.models import ModelTests  # noqa: E402 - its asserts are rewritten when it is imported

__all__ = ["ModelTests"]
