from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import polars as pl
from hypothesis import given, settings, strategies as st

from ctrbench.data.history import POSITIVE, add_history

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
    found = add_history(frame(events), window, keys)
    assert found["history"].to_list() == plain_loop(events, window, own_domain)
    assert found["row_id"].to_list() == list(range(len(events)))


@settings(deadline=None, max_examples=150)
@given(EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.lists(st.booleans(), min_size=40, max_size=40))))
def test_histories_are_made_of_the_rows_that_may_be_shown(drawn: tuple[list[Event], list[bool]]) -> None:
    events, shown = drawn[0], drawn[1][: len(drawn[0])]
    rows = frame(events).with_columns(pl.Series("train", shown, dtype=pl.Boolean))
    found = add_history(rows, 3, shown=POSITIVE & pl.col("train"))
    assert found["history"].to_list() == plain_loop(events, 3, shown=shown)


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
    history = add_history(frame(events), 5)["history"].to_list()
    assert history[6] == history[7] == ["early", "elsewhere", "twice"]
    assert history[8] == ["early", "elsewhere", "twice", "target", "tie"]
    assert history[0] == history[9] == []


def test_one_user_with_many_rows_costs_no_more_than_many_users() -> None:
    rows = 200_000
    index = np.arange(rows)
    events = {
        "item": [f"i{n % 1000}" for n in range(rows)],
        "item_index": index % 1000,
        "time": index // 3,
        "label": np.ones(rows, dtype=np.int8),
    }
    one = pl.DataFrame({"user_index": np.zeros(rows, dtype=np.int64), **events})
    start = perf_counter()
    history = add_history(one, 5)["history"]
    assert perf_counter() - start < 5
    assert history.list.len()[-1] == 5
