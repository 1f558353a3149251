"""Ids share one table; what train did not hold is index 1 of its field; history is made of item ids."""

import json

import polars as pl
import pytest
import torch

from ctrbench.errors import DataError
from ctrbench.features.ids import IdFeaturizer
from ctrbench.features.ragged import Ragged
from tests.toys import FIELDS, toy_items, toy_manifest, toy_rows, view


@pytest.fixture
def fitted() -> IdFeaturizer:
    return IdFeaturizer().fit(toy_rows(300).lazy(), toy_items(), toy_manifest())


def test_each_value_of_each_field_has_a_row_of_its_own(fitted):
    rows = toy_rows(300)
    ids = fitted(rows, toy_items())["ids"]
    joined = rows.join(toy_items(), on="item", how="left", maintain_order="left")
    seen: dict[int, tuple[str, str | None]] = {}
    for column, name in enumerate(fitted.info.ids):
        for index, value in zip(ids[:, column].tolist(), joined[name].to_list(), strict=True):
            assert seen.setdefault(index, (name, value)) == (name, value)
            assert index not in (0, *fitted.info.unseen)
    assert max(seen) == fitted.info.vocabulary - 1


def test_ids_are_int64_in_batches(fitted):
    batch = view(fitted, toy_rows(20)).batch(torch.arange(4))
    assert (batch.x["ids"].dtype, batch.x["history"].dtype) == (torch.int64, torch.int64)


def test_an_unseen_id_is_its_fields_unseen_row(fitted):
    rows = toy_rows(5).with_columns(user=pl.lit("nobody"))
    ids = fitted(rows, toy_items())["ids"]
    column = fitted.info.ids.index("user")
    assert set(ids[:, column].tolist()) == {fitted.info.unseen[column]}


def test_nothing_is_learned_from_rows_that_were_not_fitted_on(fitted):
    before = json.dumps(fitted.state())
    fitted(toy_rows(50, seed=9).with_columns(user=pl.lit("nobody")), toy_items())
    assert json.dumps(fitted.state()) == before


def test_numbers_are_standardised_on_train_and_missing_ones_are_the_mean(fitted):
    rows = toy_rows(300)
    numbers = fitted(rows, toy_items())["numbers"][:, 0]
    price = rows.join(toy_items(), on="item", how="left", maintain_order="left")["price"]
    present = torch.tensor(price.is_not_null().to_list())
    assert numbers[present].mean().abs() < 1e-5
    assert numbers[present].std(correction=0) == pytest.approx(1.0, abs=1e-5)
    assert (numbers[~present] == 0).all()


def test_history_uses_the_rows_of_the_item_field(fitted):
    rows = toy_rows(40, seed=3)
    features = fitted(rows, toy_items())
    history, ids = features["history"], features["ids"]
    assert isinstance(history, Ragged)
    row_of_item = dict(zip(rows["item"], ids[:, fitted.info.ids.index("item")].tolist(), strict=True))
    for n, items in enumerate(rows["history"].to_list()):
        values = history.values[history.offsets[n] : history.offsets[n + 1]].tolist()
        assert len(values) == len(items)
        assert all(row_of_item.get(item, value) == value for item, value in zip(items, values, strict=True))


def test_all_histories_empty(fitted):
    rows = toy_rows(4).with_columns(history=pl.Series([[]] * 4, dtype=pl.List(pl.String)))
    padded, mask = fitted(rows, toy_items())["history"].take(torch.arange(4))
    assert padded.shape == (4, 1)
    assert not mask.any()


def test_state_survives_json(fitted):
    again = IdFeaturizer().load_state(json.loads(json.dumps(fitted.state())))
    rows = toy_rows(30, seed=5)
    assert torch.equal(again(rows, toy_items())["ids"], fitted(rows, toy_items())["ids"])
    assert again.info == fitted.info


def test_ids_beyond_float32_stay_apart():
    big = [str(2**24), str(2**24 + 1)]
    rows = toy_rows(2).with_columns(user=pl.Series(big))
    featurizer = IdFeaturizer().fit(rows.lazy(), toy_items(), toy_manifest())
    column = featurizer.info.ids.index("user")
    assert len(set(featurizer(rows, toy_items())["ids"][:, column].tolist())) == 2


def test_a_field_without_a_column_is_named():
    manifest = toy_manifest(fields=[*FIELDS, FIELDS[0].model_copy(update={"name": "colour"})])
    with pytest.raises(DataError, match="'colour'"):
        IdFeaturizer().fit(toy_rows(5).lazy(), toy_items(), manifest)


def test_an_item_that_is_not_described_has_missing_values(fitted):
    rows, items = toy_rows(60), toy_items()
    left_out = items.filter(pl.col("item") != rows["item"][0])
    blank = items.with_columns(
        pl.when(pl.col("item") != rows["item"][0]).then(pl.col(name)).alias(name)
        for name in ("title", "brand", "price")
    )
    assert_same(fitted(rows, left_out), fitted(rows, blank))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in ("ids", "numbers"):
        assert torch.equal(one[name], other[name])
    assert torch.equal(one["history"].values, other["history"].values)


def test_another_table_of_items_is_looked_up_anew(fitted):
    rows, items = toy_rows(30), toy_items()
    before = fitted(rows, items)
    renamed = items.with_columns(title=pl.lit("thing 3"))
    title = fitted.info.ids.index("title")
    assert len(fitted(rows, renamed)["ids"][:, title].unique()) == 1
    assert_same(fitted(rows, items), before)


def test_a_field_may_be_a_column_of_rows_that_others_have_of_items():
    """As MovieLens' age, or a price that changes: the row's own value counts."""
    rows = toy_rows(40).with_columns(price=pl.int_range(40).cast(pl.Float64), brand=pl.lit("own"))
    featurizer = IdFeaturizer().fit(rows.lazy(), toy_items(), toy_manifest())
    made = featurizer(rows, toy_items())
    assert made["numbers"][:, 0].diff().min() > 0
    assert featurizer.scales["price"] == pytest.approx((19.5, rows["price"].std(ddof=0)))
    assert featurizer.vocabularies["brand"].to_list() == ["own"]
