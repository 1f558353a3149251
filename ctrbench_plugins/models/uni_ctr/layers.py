"""Ladder, gate, pooling and the two kinds of network of Uni-CTR (arXiv 2312.10743, Section IV).

Shapes: B rows, J tokens, d hidden width, L layers, F ladders.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrbench.api import mlp


class Ladder(nn.Module):
    """A small transformer encoder block beside the backbone: (B, J, d) to (B, J, d).

    The paper leaves its size open; this is the published code's bottleneck of width k = d / narrowing,
    z = W2 ReLU(W1 x), a = LN(z + MHA(z)), out = LN(x + W4 ReLU(W3 a)), but with attention over a row's tokens, never
    over the rows of a batch, and with padding masked.
    """

    def __init__(self, width: int, narrowing: int, heads: int, dropout: float) -> None:
        super().__init__()
        narrow = max(width // narrowing // heads, 1) * heads
        self.down = nn.Sequential(nn.Linear(width, narrow), nn.ReLU(), nn.Linear(narrow, narrow))
        self.attention = nn.MultiheadAttention(narrow, heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(narrow)
        self.up = nn.Sequential(nn.Linear(narrow, width), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout))
        self.out_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask` (B, J) is True at real tokens."""
        z = self.down(x)  # (B, J, k)
        attended, _ = self.attention(z, z, z, key_padding_mask=~mask, need_weights=False)
        return self.out_norm(x + self.up(self.norm(z + attended)))


class AttentionPooling(nn.Module):
    """score = tanh(W_k O) w_q, A = softmax(score) over tokens, R = A'O: (B, J, d) to (B, d).

    The query starts small, so that pooling starts near the mean.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.query = nn.Parameter(torch.empty(width).normal_(std=0.02))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Padding, where `mask` (B, J) is False, has weight zero."""
        score = torch.tanh(self.key(tokens)) @ self.query  # (B, J)
        weight = score.float().masked_fill(~mask, float("-inf")).softmax(-1)
        return torch.einsum("bj,bjd->bd", weight.to(tokens.dtype), tokens)


class DomainNetwork(nn.Module):
    """A domain-specific network (DSN): F ladders, a gate over ladder and language model, a tower.

    lad_1 = Ladder_1(h_phi), lad_f = Ladder_f(h_{f phi} + lad_{f-1}); the gate is attention pooling over the tokens of
    concat(h_L, lad_F), (B, 2J, d), so that it weighs the ladder against the language model.
    """

    def __init__(self, width: int, ladders: int, narrowing: int, heads: int, tower: tuple[int, ...], dropout: float):
        super().__init__()
        self.ladders = nn.ModuleList(Ladder(width, narrowing, heads, dropout) for _ in range(ladders))
        self.gate = AttentionPooling(width)
        self.tower = mlp((width, *tower), dropout, out=1)

    def forward(self, mask: Tensor, last: Tensor, *taps: Tensor) -> Tensor:
        """(B, 1) logits from mask (B, J), h_L (B, J, d) and F taps (B, J, d)."""
        climbed = torch.zeros_like(taps[0])
        for ladder, tap in zip(self.ladders, taps, strict=True):
            climbed = ladder(tap + climbed, mask)
        both = torch.cat([last, climbed], dim=1)  # (B, 2J, d)
        return self.tower(self.gate(both, torch.cat([mask, mask], dim=1)))


class GeneralNetwork(nn.Module):
    """The network for unseen domains: attention pooling of h_L and a tower, no ladder; trained on every row."""

    def __init__(self, width: int, tower: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.pooling = AttentionPooling(width)
        self.tower = mlp((width, *tower), dropout, out=1)

    def forward(self, mask: Tensor, last: Tensor) -> Tensor:
        """(B, 1) logits from mask (B, J) and h_L (B, J, d)."""
        return self.tower(self.pooling(last, mask))
