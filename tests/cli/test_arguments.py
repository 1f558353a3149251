from argparse import ArgumentTypeError

import pytest

from ctrbench.cli.arguments import key_value, one_of, seeds, words


@pytest.mark.parametrize(
    ("text", "found"), [("0,1,2", [0, 1, 2]), ("3", [0, 1, 2]), ("7,", [7]), ("1", [0]), ("5, 3", [5, 3])]
)
def test_seeds_are_listed_or_counted(text, found):
    assert seeds(text) == found


@pytest.mark.parametrize("text", ["", "0", "-1", "1,1", "a", "1,b", "-1,2", ","])
def test_anything_else_is_no_seeds(text):
    with pytest.raises(ArgumentTypeError):
        seeds(text)


def test_words_are_separated_by_commas():
    assert words("a, b,c,") == ["a", "b", "c"]
    with pytest.raises(ArgumentTypeError):
        words(" , ")


def test_one_of_suggests_the_nearest():
    assert one_of(["demo", "paper"])("demo") == "demo"
    with pytest.raises(ArgumentTypeError, match="Did you mean 'paper'"):
        one_of(["demo", "paper"])("papr")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *[("a=3", 3), ("a=true", True), ('a=["x", "y"]', ["x", "y"]), ("a='1'", "1"), ("a=b=c", "b=c")],
        *[("a=Gift_Cards, All_Beauty", "Gift_Cards, All_Beauty"), ("a= 3 ", 3)],
    ],
)
def test_a_value_is_toml_or_text(text, found):
    assert key_value(text) == ("a", found)


@pytest.mark.parametrize("text", ["a", "a=", "a=[1, 2", 'a="b'])
def test_half_a_value_is_none(text):
    with pytest.raises(ArgumentTypeError):
        key_value(text)
