"""A stand-in counts as the data that it stands for, and says so; nothing but estimates takes one."""

import pytest

from ctrbench import registry
from ctrbench.data.resolve import open_dataset
from ctrbench.data.split import SPLITS
from ctrbench.data.stand_in import StandInDataset, open_or_stand_in
from ctrbench.errors import DataError
from ctrbench_plugins.datasets.amazon_published import PAPER_COUNTS


@pytest.fixture(scope="module")
def paper():
    return open_or_stand_in("amazon2018")


def test_its_rows_are_as_many_as_published(paper):
    assert isinstance(paper, StandInDataset)
    for domain, counts in PAPER_COUNTS.items():
        assert sum(paper.count(split, (domain,)) for split in SPLITS) == pytest.approx(counts.rows, abs=2)
    everything = sum(paper.count(split) for split in SPLITS)
    assert everything == pytest.approx(sum(counts.rows for counts in PAPER_COUNTS.values()), abs=10)


def test_a_limit_holds_per_domain(paper):
    assert paper.count("train", ("fashion", "gift_cards"), 150_000) == 150_000 + paper.count("train", ("gift_cards",))


def test_the_rows_themselves_are_few(paper):
    assert paper.rows("train", ("gift_cards",)).height < 2000


def test_counts_of_several_domains_are_added(paper):
    both = paper.published(("fashion", "gift_cards"))
    assert both.users == PAPER_COUNTS["fashion"].users + PAPER_COUNTS["gift_cards"].users
    assert both.items == PAPER_COUNTS["fashion"].items + PAPER_COUNTS["gift_cards"].items


def test_domains_made_of_users_share_what_is_published():
    data = open_or_stand_in("amazon2018", options={"domain_by": "user_group"})
    assert set(data.domains).isdisjoint(PAPER_COUNTS)
    total = data.published(data.domains)
    assert total.rows == pytest.approx(sum(counts.rows for counts in PAPER_COUNTS.values()), rel=1e-5)


def test_it_is_known_as_what_it_stands_for_and_is_no_run_of_the_demo(paper):
    assert paper.manifest.source == "amazon2018"
    stand_in = registry.load("datasets", "amazon2018").stand_in
    assert paper.fingerprint != open_dataset(stand_in.dataset, options=stand_in.options).fingerprint


def test_a_prepared_folder_and_an_automatic_dataset_are_themselves(toy):
    assert not isinstance(open_or_stand_in(toy.path), StandInDataset)
    assert not isinstance(open_or_stand_in("demo"), StandInDataset)


def test_a_dataset_without_a_stand_in_needs_its_files():
    with pytest.raises(DataError, match="needs its files"):
        open_or_stand_in("movielens")
    with pytest.raises(DataError, match="needs its files"):
        open_or_stand_in("amazon2023")
