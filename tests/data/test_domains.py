from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel

from ctrbench.data.checks import is_legal
from ctrbench.data.domains import DerivedDomains, derive_domains, identifier, is_general
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.resolve import sort_options
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError

from .conftest import FrameSource, Prepare, Row, all_rows

ROWS: list[Row] = [("ab"[n % 2], f"u{min(n % 7, 3)}", f"i{n % 9}", 1000 + n // 2, float(n % 5 + 1)) for n in range(100)]


def derived(rows: Sequence[Row], by: str, items: dict[str, Any] | None = None, **extra: Any) -> DerivedDomains:
    """Domains of rows as the preparation has them by then."""
    columns = ("domain", "user", "item", "time", "label")
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(**extra)
    names = frame["item"].unique().sort()
    table = pl.DataFrame({"item": names, **(items or {})})
    index = [pl.col(name).rank("dense").cast(pl.UInt32).alias(f"{name}_index") - 1 for name in ("user", "item")]
    options = {"new_user_rows": 2, "train": 0.8, "groups": 3}
    return derive_domains(frame.with_columns(index).drop("user", "item"), table, by, **options)  # type: ignore[arg-type]


EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("uvw"), st.just("i"), st.integers(0, 9), st.just(1.0)),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_new_users_are_those_with_few_rows_strictly_before(rows: list[Row]) -> None:
    before = [sum(u == user and t < time for _, u, _, t, _ in rows) for _, user, _, time, _ in rows]
    expected = ["new_users" if count < 2 else "returning_users" for count in before]
    if len(set(expected)) < 2:
        with pytest.raises(DataError, match="tells nothing apart"):
            derived(rows, "new_user")
    else:
        found = derived(rows, "new_user")
        assert found.rows["domain"].to_list() == expected
        assert found.rows["source_domain"].to_list() == [row[0] for row in rows]
        assert dict(found.titles) == {"new_users": "New users", "returning_users": "Returning users"}


def test_what_comes_later_makes_no_user_less_new() -> None:
    rows: list[Row] = [("a", "u", "i", time, 1.0) for time in range(6)]
    first = derived(rows[:4], "new_user").rows["domain"]
    assert derived(rows, "new_user").rows["domain"][:4].to_list() == first.to_list()


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_user_groups_are_made_of_the_training_period_alone(rows: list[Row]) -> None:
    cut = sorted(row[3] for row in rows)[min(int(len(rows) * 0.8), len(rows) - 1)]
    counts = Counter(user for _, user, _, time, _ in rows if time < cut)
    middle = pl.Series(list(counts.values()), dtype=pl.Int64).median()
    expected = ["heavy_users" if counts[row[1]] > (middle or 0) else "light_users" for row in rows]
    if len(set(expected)) < 2 or not counts:
        with pytest.raises(DataError, match=r"--domain-by user_group"):
            derived(rows, "user_group")
    else:
        assert derived(rows, "user_group").rows["domain"].to_list() == expected


def test_each_value_of_a_column_is_a_domain() -> None:
    genres = pl.Series(["Film-Noir", "Children's", None, "mean"] * 25)
    found = derived(ROWS, "column:genre", genre=genres)
    assert found.rows["domain"][:4].to_list() == ["film_noir", "childrens", "unknown_genre", "genre_mean"]
    assert dict(found.titles) == {
        "childrens": "Children's",
        "film_noir": "Film-Noir",
        "genre_mean": "mean",
        "unknown_genre": "Unknown genre",
    }


def test_an_items_column_counts_for_its_rows() -> None:
    found = derived(ROWS, "brand", items={"brand": ["x", "y", "z"] * 3})
    assert [row["domain"] for row in found.rows.head(4).iter_rows(named=True)] == ["x", "y", "z", "x"]


def test_numbers_are_cut_into_groups_of_about_as_many_rows() -> None:
    found = derived(ROWS, "age", age=pl.int_range(100) - 10)
    counts = found.rows.group_by("domain").len().sort("len")["len"].to_list()
    assert sum(counts) == 100
    assert min(counts) >= 32
    assert list(found.titles.values()) == ["Age up to 23", "Age above 23 to 56", "Age above 56"]
    assert all(is_legal(name) for name in found.titles)


def test_few_numbers_are_values_of_their_own() -> None:
    found = derived(ROWS, "tier", tier=pl.int_range(100) % 2 * 2 - 1)
    assert dict(found.titles) == {"tier_minus_1": "Tier -1", "tier_1": "Tier 1"}


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("label", "'label' is what models are to predict"),
        ("gnre", "'gnre' is no column. Did you mean 'genre'?"),
        ("column:gnre", "--domain-by column:gnre: 'gnre' is no column. Did you mean 'genre'?"),
        ("new_users", "Did you mean 'new_user'"),
        ("tags", "the column holds lists"),
        ("many", "would make 101 domains, and 100 are the most"),
        ("same", "tells nothing apart: all rows are in one domain, x"),
        ("blank", "tells nothing apart: all rows are in one domain, unknown_blank"),
        ("user_index", "is no column"),
    ],
)
def test_what_makes_no_domains_is_one_sentence(by: str, says: str) -> None:
    rows = [*ROWS, ROWS[0]]
    extra = {
        "genre": pl.lit("g"),
        "tags": pl.concat_list(pl.lit("t")),
        "many": pl.int_range(pl.len()).cast(pl.String),
        "same": pl.lit("x"),
        "blank": pl.lit(None, pl.Float64),
    }
    with pytest.raises(DataError) as caught:
        derived(rows, by, **extra)
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "name"), [("Film-Noir", "film_noir"), ("R & B!", "r_b"), ("Été", "été"), ("--", "")])
def test_a_value_becomes_a_legal_name(text: str, name: str) -> None:
    assert identifier(text) == name
    assert not name or is_legal(name)


@pytest.mark.parametrize("split", ["time", "global_time", "random"])
@pytest.mark.parametrize("by", ["new_user", "user_group", "item", "domain"])
def test_derived_domains_are_prepared_as_any(prepared: Prepare, split: str, by: str) -> None:
    rule = {"new_user_rows": 8} if by == "new_user" else {}
    data = prepared(ROWS, split=split, domain_by=by, **rule)
    rows = all_rows(data)
    assert rows["domain"].unique(maintain_order=True).to_list() == list(data.domains)
    assert rows["source_domain"].unique().sort().to_list() == ["a", "b"]
    assert "source_domain" not in {field.name for field in data.manifest.fields}
    steps = {step.name: step.rows for step in data.manifest.steps}
    assert steps["read"] == {"a": 50, "b": 50}
    assert sum(steps[f"domains by {by}"].values()) == 100


def test_titles_of_derived_domains_go_into_prompts(prepared: Prepare) -> None:
    data = prepared(ROWS, domain_by="new_user", new_user_rows=8)
    assert data.manifest.domains == {"new_users": "New users", "returning_users": "Returning users"}


def test_an_event_in_two_domains_is_one_in_a_derived_domain(prepared: Prepare) -> None:
    both = [("a", "u0", "i0", 2000, 5.0), ("b", "u0", "i0", 2000, 5.0)]
    data = prepared([*ROWS, *both], domain_by="new_user", new_user_rows=8)
    copies = all_rows(data).filter(user="u0", time=2000)
    assert copies["source_domain"].to_list() == ["a"]
    assert any(p.reason.startswith("row repeated") and p.domain == "returning_users" for p in data.manifest.problems)
    kept = prepared([*ROWS, *both], domain_by="new_user", new_user_rows=8, dedupe=False)
    assert all_rows(kept).filter(user="u0", time=2000).height == 2


def test_names_that_no_domain_can_have_may_be_made_legal(prepared: Prepare) -> None:
    odd = [("x/y", *row[1:]) for row in ROWS if row[0] == "a"] + [row for row in ROWS if row[0] == "b"]
    with pytest.raises(DataError, match="call it 'x_y', say"):
        prepared(odd)
    assert prepared(odd, domain_by="column:domain").manifest.domains == {"b": "b", "x_y": "x/y"}


class WithOwnRule(FrameSource):
    class Options(BaseModel):
        domain_by: Literal["age", "genre"] = "age"

    automatic: ClassVar = True


def test_a_sources_own_rule_goes_to_it_and_a_general_one_to_the_framework() -> None:
    names = WithOwnRule.Options.model_fields
    assert sort_options({"domain_by": "genre"}, names)[1] == {"domain_by": "genre"}
    for rule in ("new_user", "user_group", "column:genre"):
        assert is_general(rule)
        general, own = sort_options({"domain_by": rule}, names)
        assert (general.domain_by, own) == (rule, {})
    assert sort_options({"domain_by": "genre"}, ())[0].domain_by == "genre"


def test_a_column_that_would_be_overwritten_is_an_error(tmp_path: Path) -> None:
    class Reimported(FrameSource):
        def __init__(self) -> None:
            super().__init__(ROWS)
            self.rows = self.rows.with_columns(source_domain=pl.lit("x"))

    with pytest.raises(DataError, match="has a column 'source_domain', which --domain-by makes"):
        prepare(Reimported(), tmp_path, tmp_path / "out", PrepareOptions(domain_by="new_user"), source_name="frames")
    plain: PreparedDataset = prepare(Reimported(), tmp_path, tmp_path / "out", source_name="frames")
    assert plain.domains == ("a", "b")
