"""Claims as predicates, on numbers that are made up."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from ctrbench.bench.claims import Claim
from ctrbench.bench.spec import TableSpec
from ctrbench.bench.verdicts import Finding, Numbers
from ctrbench.errors import ConfigError

ROWS = {"one": "single_domain", "two": "single_domain", "many": "multi_domain", "text": "language_model"}
AUC = {
    "one": {"a": 0.70, "b": 0.60},
    "two": {"a": 0.65, "b": 0.62},
    "many": {"a": 0.69, "b": 0.66},
    "text": {"a": 0.75, "b": 0.67},
}


def numbers(auc: dict[str, dict[str, float]] | None = None, **others: dict[str, dict[str, float]]) -> Numbers:
    def value(row: str, domain: str, key: str | None) -> float | None:
        return (others[key] if key else auc or AUC).get(row, {}).get(domain)

    return Numbers(ROWS, ("a", "b"), value)


def outcome(data: Numbers | None = None, **claim: Any) -> Finding:
    parsed: Any = TypeAdapter(Claim).validate_python({"text": "so it is", **claim})
    found: Finding = parsed.test(data or numbers())
    return found


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ({"rows": ["text"], "than": ["others"]}, True),
        ({"rows": ["many"], "than": ["others"]}, False),
        ({"rows": ["text"], "than": ["many"], "by": 0.0099}, True),
        ({"rows": ["text"], "than": ["many"], "by": 0.02}, False),
        ({"rows": ["text"], "than": ["many"], "by": 0.02, "on": "any"}, True),
        ({"rows": ["text"], "than": ["many"], "by": 0.02, "domains": ["a"]}, True),
        ({"rows": ["many"], "than": ["single_domain"]}, False),
        ({"rows": ["many"], "than": ["single_domain"], "domains": ["b"]}, True),
        ({"rows": ["single_domain"], "than": ["many"], "domains": ["a"], "pick": "best"}, True),
        ({"rows": ["single_domain"], "than": ["many"], "domains": ["a"]}, False),
    ],
)
def test_above(claim, holds):
    found = outcome(kind="above", **claim)
    assert found.verdict == ("holds" if holds else "does not hold")


def test_a_row_is_not_above_one_that_is_as_high():
    same = {**AUC, "text": AUC["many"]}
    assert outcome(numbers(same), kind="above", rows=["text"], than=["many"]).verdict == "does not hold"


def test_the_pair_that_decides_is_told_with_its_numbers():
    found = outcome(kind="above", rows=["text"], than=["others"])
    assert found.why == "a: text 0.7500, one 0.7000 (+0.0500); b: text 0.6700, many 0.6600 (+0.0100)"
    assert found.numbers["one"] == {"a": 0.70, "b": 0.60}


def test_one_number_above_another_of_the_same_row():
    both = numbers(after={"one": {"a": 0.9, "b": 0.8}}, before={"one": {"a": 0.5, "b": 0.9}})
    claim = {"kind": "above", "rows": ["one"], "than": ["one"], "value": "after", "over": "before"}
    assert outcome(both, **claim, domains=["a"]).verdict == "holds"
    assert outcome(both, **claim).verdict == "does not hold"
    assert "one after 0.9000, one before 0.5000" in outcome(both, **claim).why


def test_rising():
    assert outcome(kind="rising", rows=["two", "many", "text"]).verdict == "holds"
    assert outcome(kind="rising", rows=["one", "two", "many"]).verdict == "does not hold"


def test_rising_needs_every_row_unless_those_that_there_are_fall():
    found = outcome(kind="rising", rows=["two", "larger", "text"])
    assert found.verdict == "cannot be tested"
    assert found.why.startswith(
        "it rises as far as can be seen, but there is no number of larger (two → text; a: 0.6500"
    )
    assert outcome(kind="rising", rows=["text", "larger", "two"]).verdict == "does not hold"
    assert outcome(kind="rising", rows=["larger", "text"]).why == "there is no number of larger"
    assert outcome(kind="rising", rows=["multi_domain"]).why == "one row alone cannot rise"


def test_bound():
    assert outcome(kind="bound", rows=["single_domain"], most=0.7).verdict == "holds"
    assert outcome(kind="bound", rows=["single_domain"], most=0.69).verdict == "does not hold"
    assert outcome(kind="bound", rows=["single_domain"], least=0.61, domains=["a"]).verdict == "holds"
    assert (
        outcome(kind="bound", rows=["single_domain"], least=0.61).why
        == "a: 0.6500 (two) to 0.7000 (one); b: 0.6000 (one) to 0.6200 (two)"
    )


def test_drops_are_relative():
    assert outcome(kind="drop", base="text", rows=["one"], percent=6.6, domains=["a"]).verdict == "holds"
    assert outcome(kind="drop", base="text", rows=["one"], percent=6.7, domains=["a"]).verdict == "does not hold"
    assert outcome(kind="largest_drop", base="text", rows=["one"], on="b").verdict == "holds"
    assert outcome(kind="largest_drop", base="text", rows=["one", "many"], on="b").verdict == "does not hold"
    assert outcome(kind="largest_drop", base="text", rows=["one"], on="b").why == "one: a -6.67 %, b -10.45 %"


@pytest.mark.parametrize("before", [0.0, -0.1])
def test_nothing_falls_relatively_from_zero_or_below(before):
    gains = numbers({**AUC, "text": {"a": before, "b": 0.67}})
    for claim in ({"kind": "drop", "percent": 1}, {"kind": "largest_drop", "on": "b"}):
        found = outcome(gains, base="text", rows=["one"], **claim)
        assert (found.verdict, found.numbers) == ("cannot be tested", {})
        assert found.why == f"nothing falls relatively from text: {before:.4f} on a"


def test_rows_are_told_by_their_titles():
    titled = Numbers(ROWS, ("a",), numbers().value, {"text": "Text model", "one": "Model One", "gone": "Gone"})
    claims = {
        "above": {"rows": ["text"], "than": ["one"]},
        "rising": {"rows": ["one", "text"]},
        "bound": {"rows": ["text"], "most": 1},
        "drop": {"base": "one", "rows": ["text"], "percent": 1},
        "largest_drop": {"base": "one", "rows": ["text"], "on": "a"},
    }
    for kind, claim in claims.items():
        assert "Text model" in outcome(titled, kind=kind, **claim).why
    assert outcome(titled, kind="bound", rows=["gone"], most=1).why == "there is no row Gone"
    assert "text" in outcome(titled, kind="bound", rows=["text"], most=1).numbers


@pytest.mark.parametrize(
    "claim",
    [
        {"kind": "above", "rows": ["text"], "than": ["others"]},
        {"kind": "above", "rows": ["text"], "than": ["one"]},
        {"kind": "rising", "rows": ["one", "text"]},
        {"kind": "bound", "rows": ["one"], "most": 1},
        {"kind": "drop", "base": "text", "rows": ["one"], "percent": 1},
        {"kind": "largest_drop", "base": "text", "rows": ["one"], "on": "a"},
    ],
)
def test_without_a_number_a_claim_cannot_be_tested(claim):
    holes = {**AUC, "one": {"a": 0.7}}
    found = outcome(numbers(holes), **claim)
    assert found.verdict == "cannot be tested"
    assert found.why.startswith("there is no number of one")


def test_the_number_that_is_missing_is_named_where_it_is_not_the_tables_main_one():
    claim = {"kind": "above", "rows": ["text"], "than": ["one"], "value": "acu"}
    some = Numbers({"one": "", "text": ""}, ("a",), lambda row, domain, key: 0.5 if key is None else None)
    assert outcome(some, **claim).why == "there is no acu of text on a"
    assert outcome(replace(some, printed=True), **claim).why == "the paper prints no number of text on a"


def test_a_domain_that_the_data_has_not_cannot_be_tested():
    found = outcome(kind="above", rows=["text"], than=["one"], domains=["c"])
    assert (found.verdict, found.why) == ("cannot be tested", "there is no c here")


def test_a_category_without_rows_cannot_be_tested():
    some = Numbers({"text": "language_model"}, ("a",), lambda row, domain, key: 0.5)
    found = outcome(some, kind="above", rows=["text"], than=["multi_domain"])
    assert (found.verdict, found.why) == ("cannot be tested", "there is no row of multi_domain")


TABLE = """
schema = 1
title = "A table"
kind = "main"
domains = ["a", "b"]
models = ["one", "two"]
[[claims]]
text = "so it is"
"""


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('kind = "abov"', "unknown claims.0.kind 'abov' in mine.toml. Did you mean 'above'?"),
        ('rows = ["one"]', "the key 'claims.0.kind' is missing in mine.toml"),
        (
            'kind = "bound"\nrows = ["one"]\nmots = 1',
            "unknown key 'claims.0.mots' in mine.toml. Did you mean 'most'?",
        ),
        (
            'kind = "bound"\nrows = ["onee"]\nmost = 1',
            "claims.0 names 'onee', which is no row. Did you mean 'one'? (in mine.toml)",
        ),
        (
            'kind = "largest_drop"\nbase = "one"\nrows = ["two"]\non = "c"',
            "claims.0 names 'c', which is no domain. Known: a, b. (in mine.toml)",
        ),
    ],
)
def test_a_faulty_claim_is_one_sentence_that_names_file_and_key(tmp_path, lines, sentence):
    file = tmp_path / "mine.toml"
    file.write_text(TABLE + lines)
    with pytest.raises(ConfigError) as caught:
        TableSpec.read(file)
    assert str(caught.value) == sentence
