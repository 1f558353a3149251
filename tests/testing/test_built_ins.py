"""Every registered source, backbone and package of tables keeps every promise, found through its entry point.

One that is registered tomorrow is tested without a new line here, but for small raw files of a source that makes none.
For models see `tests.models.test_conformance`.
"""

import pytest

from ctrbench import registry
from ctrbench.testing import BackboneTests, SourceTests, TableTests
from tests.testing.raw import WRITERS

SMALL = {"demo": {"scale": 0.2}}
"""Options that keep the tests of a source quick."""
LARGE = {"smollm2"}
"""Backbones whose tests take more than some seconds."""


class OfSource(SourceTests):
    """The kit, with raw files by the source's name."""

    source = ""

    def raw_files(self, folder):
        if self.source in WRITERS:
            WRITERS[self.source](folder)
        else:
            super().raw_files(folder)

    def test_no_feature_is_the_label(self):
        not_skipped(super().test_no_feature_is_the_label)

    def test_nothing_shows_what_came_later(self):
        not_skipped(super().test_nothing_shows_what_came_later)


def not_skipped(test):
    """The raw files of these tests are such that leaks would show."""
    try:
        test()
    except pytest.skip.Exception as reason:
        pytest.fail(str(reason))


def _add(kit, plugin, **attributes):
    name = "Test_" + "".join(letter if letter.isalnum() else "_" for letter in f"{plugin.kind}_{plugin.name}")
    made = type(name, (kit,), {"__module__": __name__, **attributes})
    globals()[name] = pytest.mark.slow(made) if plugin.name in LARGE else made


for _plugin in registry.plugins("datasets"):
    _add(OfSource, _plugin, source=_plugin.name, options=SMALL.get(_plugin.name, {}))
for _plugin in registry.plugins("backbones"):
    _add(BackboneTests, _plugin, backbone=_plugin.name)
for _plugin in registry.plugins("tables"):
    _add(TableTests, _plugin, tables=_plugin.value)
