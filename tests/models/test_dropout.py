"""Dropout with cheap masks is dropout."""

import pytest
import torch

from ctrbench.models.layers.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_the_rate_of_units_is_dropped_and_the_mean_is_kept(rate):
    out = Dropout(rate)(torch.ones(1000, 501))
    assert (out == 0).float().mean().item() == pytest.approx(rate, abs=3e-3)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01 / (1 - rate))
    assert out.unique().numel() == 2


def test_units_are_dropped_independently():
    kept = (Dropout(0.3)(torch.ones(2000, 64)) != 0).float()
    off_diagonal = torch.corrcoef(kept.T) - torch.eye(64)
    assert off_diagonal.abs().max() < 0.12  # 5 standard errors of 2,000 rows


def test_gradients_pass_where_units_were_kept():
    x = torch.ones(50, 7, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out)


def test_the_highest_rate_leaves_something_to_scale():
    assert torch.isfinite(Dropout(0.999999)(torch.ones(1000))).all()


def test_nothing_happens_in_eval_mode_or_at_rate_zero():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(Dropout(0.0)(x), x)


def test_masks_follow_torchs_seed():
    def draw(seed):
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(100))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4), (0, 4)])
def test_any_shape_and_precision(shape):
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        out = Dropout(0.5)(torch.ones(shape, dtype=dtype))
        assert out.shape == shape
        assert out.dtype == dtype


def test_without_a_cpu_it_is_torchs_own():
    assert Dropout(0.5)(torch.ones(3, device="meta")).shape == (3,)
