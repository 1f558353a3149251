"""Every registered model keeps every promise; one that is registered tomorrow is tested without a new line here."""

from ctrbench import registry
from ctrbench.testing import ModelTests
from tests.toys import TINY

for _name in registry.names("models"):  # a class each; a plugin is imported by its own tests, so one may be broken
    _class = f"Test_{_name.replace('-', '_')}"
    globals()[_class] = type(_class, (ModelTests,), {"model": _name, "config": TINY.get(_name, {})})
