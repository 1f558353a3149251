"""What plugins may import."""

import ast
import inspect

import pytest

from ctrbench import api
from ctrbench.deprecations import DEPRECATIONS


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert inspect.getdoc(getattr(api, name))


def test_type_checkers_see_the_same_names():
    tree = ast.parse(inspect.getsource(api))
    block = next(n for n in tree.body if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")
    seen = {alias.asname or alias.name for node in block.body for alias in node.names}
    assert seen == {*api.__all__, *(name for name, told in DEPRECATIONS.items() if told.where)}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Modle"):
        api.Modle  # noqa: B018
