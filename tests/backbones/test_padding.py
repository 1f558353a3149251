"""Batches are padded on the right: no real token sees a pad, positions count from the first token, causal or not."""

import pytest
import torch

from ctrbench.backbones.load import load_encoder

TINY = pytest.mark.parametrize("name", ["tiny-bert", "tiny-deberta", "tiny-llama"])
REAL, PADS = 7, 5


@torch.no_grad()
def states(name, ids, mask=None):
    """(L + 1, B, J, d): every hidden state."""
    mask = torch.ones_like(ids) if mask is None else mask
    return torch.stack(load_encoder(name).eval()(ids, mask, output_hidden_states=True).hidden_states)


def padded(fill):
    """Two rows of the same `REAL` tokens and `PADS` pads, of which the second row's are `fill`; and their mask."""
    ids = torch.arange(10, 10 + REAL).repeat(2, 1)
    ids = torch.cat([ids, torch.zeros(2, PADS, dtype=torch.long)], dim=1)
    ids[1, REAL:] = fill
    mask = torch.zeros_like(ids)
    mask[:, :REAL] = 1
    return ids, mask


@TINY
def test_what_stands_at_padded_positions_changes_nothing_at_real_ones(name):
    ids, mask = padded(fill=99)
    found = states(name, ids, mask)
    torch.testing.assert_close(found[:, 0, :REAL], found[:, 1, :REAL], atol=1e-6, rtol=0)


@TINY
def test_without_the_mask_it_would_where_tokens_see_later_ones(name):
    ids, _ = padded(fill=99)
    found = states(name, ids)
    assert torch.allclose(found[:, 0, :REAL], found[:, 1, :REAL], atol=1e-4) == (name == "tiny-llama")


@TINY
def test_a_padded_row_has_the_states_of_the_bare_one(name):
    ids, mask = padded(fill=0)
    bare = states(name, ids[:, :REAL])
    torch.testing.assert_close(states(name, ids, mask)[:, :, :REAL], bare, atol=1e-6, rtol=0)


@TINY
def test_a_row_does_not_depend_on_the_others_of_its_batch(name):
    ids, mask = padded(fill=0)
    longer = ids.clone()
    longer[1], mask[1] = torch.arange(50, 50 + REAL + PADS), 1
    found = states(name, longer, mask)
    torch.testing.assert_close(found[:, :1, :REAL], states(name, ids[:1, :REAL]), atol=1e-6, rtol=0)


@TINY
def test_where_a_token_stands_matters(name):
    ids = torch.arange(10, 10 + REAL)[None]
    last, first = states(name, ids)[-1, 0, -1], states(name, ids.flip(1))[-1, 0, 0]
    swapped = ids[:, [1, 0, *range(2, REAL)]]
    assert not torch.allclose(last, first, atol=1e-4)
    assert not torch.allclose(states(name, swapped)[-1, 0, -1], last, atol=1e-5)


@TINY
def test_a_causal_backbone_looks_back_only_and_the_others_both_ways(name):
    ids = torch.arange(10, 10 + REAL)[None]
    changed = ids.clone()
    middle = REAL // 2
    changed[0, middle] = 99
    same = [
        torch.allclose(a, b, atol=1e-6) for a, b in zip(*(states(name, x)[-1, 0] for x in (ids, changed)), strict=True)
    ]
    assert same == [name == "tiny-llama"] * middle + [False] * (REAL - middle)
