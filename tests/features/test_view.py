"""Rows kept on disk are bitwise those in memory, for every kind of featurizer; each entry is what was asked for."""

import json

import pytest
import torch

from ctrbench import registry
from ctrbench.features import mapped, view as module
from ctrbench.features.ids import IdFeaturizer
from ctrbench.features.loader import Rows
from ctrbench.features.mapped import MappedRows
from ctrbench.features.ragged import Ragged
from ctrbench.features.view import view
from tests.toys import DOMAINS, TINY


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def on_disk(cache, monkeypatch):
    """Every view is stored, in slices of 20 rows."""
    monkeypatch.setattr(module, "IN_MEMORY", -1)
    monkeypatch.setattr(module, "SLICE", 20)
    monkeypatch.setattr(mapped, "_AT_ONCE", 16)
    return cache


def fitted(data, name="deepfm"):
    kind = registry.load("models", name)
    return kind.featurizer(kind.Config(**TINY[name])).fit(data.scan("train"), data.items, data.manifest)


def in_memory(data, featurizer, split="train", domains=DOMAINS, limit=None) -> Rows:
    return Rows.build(data.rows(split, domains, limit), data.items, featurizer, domains)


def assert_same_batches(one: Rows, other: Rows) -> None:
    assert (len(one), one.domains) == (len(other), other.domains)
    every = torch.arange(len(one))
    for indices in (every, every.flip(0), every[::3], every[:1], every[:0]):
        left, right = one.batch(indices), other.batch(indices)
        assert left.x.keys() == right.x.keys()
        for a, b in ((left.x[name], right.x[name]) for name in left.x):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)
        for name in ("domain", "label", "row_id"):
            assert torch.equal(getattr(left, name), getattr(right, name))


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize(("domains", "limit"), [(DOMAINS, None), (("tools",), None), (("tools", "books"), 30)])
@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("name", ["deepfm", "uni_ctr"])
def test_kept_rows_are_bitwise_those_in_memory(toy, name, split, domains, limit):
    featurizer = fitted(toy, name)
    kept = view(toy, featurizer, split, domains, limit)
    assert isinstance(kept, MappedRows)
    assert_same_batches(kept, in_memory(toy, featurizer, split, domains, limit))
    assert_same_batches(view(toy, featurizer, split, domains, limit), kept)


def test_few_rows_stay_in_memory(toy, cache):
    assert not isinstance(view(toy, fitted(toy), "train", DOMAINS), MappedRows)
    assert not list(cache.iterdir())


@pytest.mark.usefixtures("on_disk")
def test_prepared_rows_are_the_same(toy):
    featurizer = fitted(toy)
    plain, kept = in_memory(toy, featurizer), view(toy, featurizer, "train", DOMAINS)
    some = torch.cat([torch.arange(3, 40), torch.tensor([41, 77]), torch.arange(100, 151), torch.tensor([299])])
    kept.prepare(some)
    for indices in (some, some[torch.randperm(len(some))], torch.tensor([40]), torch.tensor([3, 2]), torch.arange(300)):
        one, other = kept.batch(indices), plain.batch(indices)
        assert all(torch.equal(one.x[name], other.x[name]) for name in other.x)
        assert torch.equal(one.row_id, other.row_id)
        assert torch.equal(kept.domain_of(indices), plain.domain_of(indices))


@pytest.mark.usefixtures("on_disk")
def test_of_prepared_rows_nothing_is_read_from_the_file(toy):
    kept = view(toy, fitted(toy), "train", DOMAINS)
    some = torch.arange(50, 120)
    kept.prepare(some)
    before = kept.batch(some[::2])
    for tensor in (kept.features["ids"], kept.label, kept.row_id, kept.domain, kept.features["history"].values):
        tensor.fill_(77)
    after = kept.batch(some[::2])
    assert all(torch.equal(before.x[name], after.x[name]) for name in before.x)
    assert torch.equal(before.label, after.label)
    assert (kept.batch(torch.arange(3)).row_id == 77).all()


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("name", ["deepfm", "uni_ctr"])
def test_features_are_made_once(toy, name, monkeypatch):
    featurizer = fitted(toy, name)
    view(toy, featurizer, "train", DOMAINS)
    monkeypatch.setattr(type(toy), "slices", lambda *args, **options: pytest.fail("made again"))
    view(toy, featurizer, "train", DOMAINS)
    view(toy, fitted(toy, name), "train", DOMAINS)


def entries(cache) -> int:
    return len([path for path in (cache / "rows").iterdir() if path.is_dir()])


def test_other_rows_domains_or_states_are_other_entries(toy, on_disk):
    featurizer = fitted(toy)
    asked = [("train", DOMAINS, None), ("valid", DOMAINS, None), ("train", DOMAINS[::-1], None), ("train", DOMAINS, 9)]
    for count, (split, domains, limit) in enumerate(asked, 1):
        view(toy, featurizer, split, domains, limit)
        assert entries(on_disk) == count
    fewer = IdFeaturizer().fit(toy.scan("train", DOMAINS, 5), toy.items, toy.manifest)
    assert_same_batches(view(toy, fewer, "train", DOMAINS), in_memory(toy, fewer))
    assert entries(on_disk) == len(asked) + 1


def test_a_damaged_entry_is_made_again(toy, on_disk, caplog):
    featurizer = fitted(toy)
    view(toy, featurizer, "train", DOMAINS)
    file = next(path for path in sorted((on_disk / "rows").rglob("*.bin")))
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    assert_same_batches(view(toy, featurizer, "train", DOMAINS), in_memory(toy, featurizer))
    assert "damaged" in caplog.text


def test_an_entry_is_compact(toy, on_disk):
    """Ids and histories in four bytes each, a domain in two and a label in one."""
    view(toy, fitted(toy), "train", DOMAINS)
    facts = json.loads(next((on_disk / "rows").rglob("facts.json")).read_text())
    types = {name: array["dtype"] for name, array in facts["arrays"].items()}
    assert types == {
        "domain": "int16",
        "label": "int8",
        "row_id": "int64",
        "feature ids": "int32",
        "feature numbers": "float32",
        "feature history values": "int32",
        "feature history offsets": "int64",
    }


@pytest.mark.usefixtures("on_disk")
def test_the_notes_of_prompts_count_each_row_once(toy):
    kind = registry.load("models", "uni_ctr")
    config = kind.Config(**{**TINY["uni_ctr"], "max_length": 24})
    for _ in range(2):  # made, then found
        featurizer = kind.featurizer(config).fit(toy.scan("train"), toy.items, toy.manifest)
        view(toy, featurizer, "train", DOMAINS)
        assert featurizer.notes()[0].startswith("Of 300 training")


@pytest.mark.usefixtures("on_disk")
def test_a_featurizer_of_ones_own_is_kept_too(toy):
    class Own(IdFeaturizer):
        def __call__(self, rows, items):
            lengths = torch.tensor(rows["user"].str.len_bytes().to_list())
            offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
            words = Ragged(lengths.repeat_interleave(lengths).short(), offsets, pad=3)
            wide = lengths[:, None, None].double().expand(-1, 2, 3)
            return {"words": words, "wide": wide, **super().__call__(rows, items)}

    featurizer = Own().fit(toy.scan("train"), toy.items, toy.manifest)
    kept = view(toy, featurizer, "train", DOMAINS)
    assert_same_batches(kept, in_memory(toy, featurizer))
    kept.prepare(torch.arange(300))
    assert_same_batches(kept, in_memory(toy, featurizer))
