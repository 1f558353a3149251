from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings, strategies as st

from ctrbench.data.history import POSITIVE, find_histories

Event = tuple[int, str, str, int, int]  # user, domain, item, time, label

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from("ab"),
        st.sampled_from(["i1", "i2", "i3", "i4", "i5"]),
        st.integers(0, 4),
        st.integers(0, 1),
    ),
    max_size=40,
)


def frame(events: Sequence[Event]) -> pl.DataFrame:
    schema = {
        "user_index": pl.Int64,
        "domain": pl.String,
        "item": pl.String,
        "time": pl.Int64,
        "label": pl.Int8,
    }
    return (
        pl.DataFrame(events, schema=schema, orient="row")
        .with_row_index("row_id")
        .with_columns(pl.col("item").rank("dense").alias("item_index"))
    )


def histories(
    rows: pl.DataFrame, window: int, keys: tuple[str, ...] = ("user_index",), shown: pl.Expr = POSITIVE
) -> Any:
    """Each row's history as a list of ids."""
    numbered = rows.with_columns((pl.col("item_index") - 1).cast(pl.UInt32))
    ids = numbered.select("item", "item_index").unique().sort("item_index")["item"].implode()
    every = np.arange(rows.height, dtype=np.uint32)
    return find_histories(numbered, window, keys, shown).of(every, ids).to_list()


def plain_loop(
    events: Sequence[Event], window: int, own_domain: bool = False, shown: Sequence[bool] | None = None
) -> list[list[str]]:
    """The definition: distinct (time, item) of positive events strictly before the row, the last `window`."""
    histories = []
    for user, domain, _, time, _ in events:
        before = {
            (t, item)
            for place, (u, d, item, t, label) in enumerate(events)
            if u == user and label == 1 and t < time and (d == domain or not own_domain)
            if shown is None or shown[place]
        }
        histories.append([item for _, item in sorted(before)][len(before) - min(window, len(before)) :])
    return histories


@settings(deadline=None, max_examples=150)
@given(EVENTS, st.integers(0, 4), st.booleans())
def test_history_is_the_plain_loop(events: list[Event], window: int, own_domain: bool) -> None:
    keys = ("user_index", "domain") if own_domain else ("user_index",)
    assert histories(frame(events), window, keys) == plain_loop(events, window, own_domain)


@settings(deadline=None, max_examples=150)
@given(EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.lists(st.booleans(), min_size=40, max_size=40))))
def test_histories_are_made_of_the_rows_that_may_be_shown(drawn: tuple[list[Event], list[bool]]) -> None:
    events, shown = drawn[0], drawn[1][: len(drawn[0])]
    rows = frame(events).with_columns(pl.Series("train", shown, dtype=pl.Boolean))
    assert histories(rows, 3, shown=POSITIVE & pl.col("train")) == plain_loop(events, 3, shown=shown)


def test_ties_duplicates_negatives_and_the_target_stay_out() -> None:
    events: list[Event] = [
        (0, "a", "early", 1, 1),
        (0, "b", "elsewhere", 2, 1),
        (0, "a", "disliked", 3, 0),
        (0, "a", "twice", 4, 1),
        (0, "b", "twice", 4, 1),
        (0, "a", "tie", 9, 1),
        (0, "a", "target", 9, 1),
        (0, "a", "target", 9, 1),
        (0, "a", "later", 10, 1),
        (1, "a", "somebody else's", 1, 1),
    ]
    history = histories(frame(events), 5)
    assert history[6] == history[7] == ["early", "elsewhere", "twice"]
    assert history[8] == ["early", "elsewhere", "twice", "target", "tie"]
    assert history[0] == history[9] == []


def test_a_few_rows_have_the_histories_that_they_have_among_all() -> None:
    events: list[Event] = [(n % 3, "a", f"i{n % 5}", n, 1) for n in range(30)]
    rows = frame(events).with_columns((pl.col("item_index") - 1).cast(pl.UInt32))
    ids = pl.Series([f"i{n}" for n in range(5)]).implode()
    found = find_histories(rows, 4)
    some = np.array([29, 3, 17], dtype=np.uint32)
    assert found.of(some, ids).to_list() == [plain_loop(events, 4)[n] for n in some]
    assert found.of(some[:0], ids).dtype == pl.List(pl.String)


def test_one_user_with_many_rows_is_as_many_users() -> None:
    """A history is a slice of the past, however long that is: memory is a few bytes a row."""
    rows, window = 200_000, 1000
    index = np.arange(rows)
    one = pl.DataFrame(
        {
            "user_index": np.zeros(rows, dtype=np.uint32),
            "item_index": (index % 1000).astype(np.uint32),
            "time": index // 3,
            "label": np.ones(rows, dtype=np.int8),
        }
    )
    found = find_histories(one, window)
    assert found.length[-1] == window
    assert found.start.nbytes + found.length.nbytes + found.items.estimated_size() < 11 * rows
