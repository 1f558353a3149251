"""Ladder, gate and domain network of Uni-CTR (arXiv 2312.10743, Section IV).

Shapes: B rows, J tokens, d hidden width, k = d / narrowing, F ladders.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ctrbench.api import ConfigError, Dropout, mlp

Block = Literal["transformer", "mlp", "attention", "none"]
Gate = Literal["token", "feature", "add"]


class TokenAttention(nn.Module):
    """Multi-head self-attention over a row's tokens, never over the rows of a batch: (B, J, k) to (B, J, k)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.into.weight)
        nn.init.zeros_(self.into.bias)

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        """`mask` (B, J) is True at real tokens, of which each row has one; what stands elsewhere has no influence."""
        split = self.into(z).unflatten(-1, (3, self.heads, -1))  # (B, J, 3, heads, k / heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = self._attend(query, key, value, mask[:, None, None])
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        if query.device.type != "cpu":
            rate = self.dropout.p if self.training else 0.0
            return scaled_dot_product_attention(query, key, value, mask, dropout_p=rate)
        # for prompts of usual length faster than torch's fused attention, above all with dropout and backwards
        score = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5  # (B, heads, J, J)
        weight = score.masked_fill(~mask, float("-inf")).softmax(-1).to(value.dtype)
        return self.dropout(weight) @ value


class Ladder(nn.Module):
    """A small transformer encoder block beside the backbone: (B, J, d) to (B, J, d).

    The paper leaves its size open; this is the published code's bottleneck:
    z = W2 ReLU(W1 x), a = LN(z + MHA(z)), out = LN(x + W4 ReLU(W3 a)), W1: d to k, W2: k to k, W3: k to d, W4: d to d.
    `mlp` is the same without MHA, `attention` the same with z = W1 x and out = LN(x + W3 a).
    """

    def __init__(self, width: int, narrowing: int, heads: int, dropout: float, block: Block = "transformer") -> None:
        super().__init__()
        narrow = narrow_width(width, narrowing, 1 if block == "mlp" else heads)
        down: list[nn.Module] = [nn.Linear(width, narrow)]
        up: list[nn.Module] = [nn.Linear(narrow, width)]
        if block != "attention":
            down += [nn.ReLU(), nn.Linear(narrow, narrow)]
            up += [nn.ReLU(), nn.Linear(width, width)]
        self.down = nn.Sequential(*down)
        self.attention = TokenAttention(narrow, heads, dropout) if block != "mlp" else None
        self.norm = nn.LayerNorm(narrow)
        self.up = nn.Sequential(*up, Dropout(dropout))
        self.out_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask` (B, J) is True at real tokens."""
        z = self.down(x)  # (B, J, k)
        mixed = z if self.attention is None else z + self.attention(z, mask)
        return self.out_norm(x + self.up(self.norm(mixed)))


class AttentionPooling(nn.Module):
    """score = tanh(W_k O) w_q, A = softmax(score) over tokens, R = A'O: O (B, J, d) to (B, d).

    O may come in several pieces, which are not copied together. The query starts small, so that pooling starts near the
    mean.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.query = nn.Parameter(torch.empty(width).normal_(std=0.02))

    def forward(self, mask: Tensor, *pieces: Tensor) -> Tensor:
        """Of each piece (B, J, d), the tokens where `mask` (B, J) is False have weight zero."""
        scores = [torch.tanh(self.key(tokens)) @ self.query for tokens in pieces]  # (B, J) each
        score = torch.cat([score.float().masked_fill(~mask, float("-inf")) for score in scores], dim=1)
        weights = score.softmax(-1).chunk(len(pieces), dim=1)
        pooled = [torch.bmm(w[:, None].to(o.dtype), o)[:, 0] for w, o in zip(weights, pieces, strict=True)]
        return torch.stack(pooled).sum(0)


class OneToken(nn.Module):
    """What pooling is where a row has one token: O (B, 1, d) to (B, d)."""

    def forward(self, mask: Tensor, tokens: Tensor) -> Tensor:
        """The token itself."""
        return tokens[:, 0]


class DomainNetwork(nn.Module):
    """A domain-specific network (DSN): F ladders, a gate over ladder and language model, a tower.

    lad_1 = Ladder_1(h_1), lad_f = Ladder_f(h_f + lad_{f-1}) over the tapped hidden states h_1 ... h_F. The gate pools
    O with attention. `token`: O = concat(h_L, lad_F) along tokens, (B, 2J, d), so that attention weighs the ladder
    against the language model; `feature`: along features, (B, J, 2d); `add`: O = h_L + lad_F, (B, J, d). Without
    ladders O = h_L, which is the general network of the paper. `one_token`: J = 1, where attention has nothing to weigh
    but ladder against h_L.
    """

    def __init__(
        self,
        width: int,
        ladders: int = 0,
        narrowing: int = 4,
        heads: int = 2,
        dropout: float = 0.3,
        block: Block = "transformer",
        gate: Gate = "token",
        tower: tuple[int, ...] = (512, 256, 128),
        *,
        one_token: bool = False,
    ) -> None:
        super().__init__()
        self.ladders = nn.ModuleList(Ladder(width, narrowing, heads, dropout, block) for _ in range(ladders))
        self.axis = gate
        pooled = 2 * width if ladders and gate == "feature" else width
        weighs = not one_token or (ladders and gate == "token")
        self.gate = AttentionPooling(pooled) if weighs else OneToken()
        self.tower = mlp((pooled, *tower), dropout, out=1)

    def forward(self, mask: Tensor, last: Tensor, *taps: Tensor) -> Tensor:
        """(B, 1) logits from mask (B, J), h_L (B, J, d) and the taps (B, J, d), of which it reads one per ladder."""
        return self.tower(self.pooled(mask, last, *taps))

    def penultimate(self, mask: Tensor, last: Tensor, *taps: Tensor) -> Tensor:
        """The tower's last hidden layer (B, h), which its logit is a linear function of."""
        return self.tower[:-1](self.pooled(mask, last, *taps))

    def pooled(self, mask: Tensor, last: Tensor, *taps: Tensor) -> Tensor:
        """The gate's output R: (B, d), or (B, 2d) on the axis `feature`."""
        climbed: Tensor | None = None
        for ladder, tap in zip(self.ladders, taps, strict=False):
            climbed = ladder(tap if climbed is None else tap + climbed, mask)
        if climbed is None:
            return self.gate(mask, last)
        if self.axis == "token":
            return self.gate(mask, last, climbed)
        if self.axis == "feature":
            return self.gate(mask, torch.cat([last, climbed], dim=2))
        return self.gate(mask, last + climbed)


def narrow_width(width: int, narrowing: int, heads: int) -> int:
    """k = d / narrowing, if it is whole and a multiple of `heads`."""
    if width % (narrowing * heads):
        raise ConfigError(
            f"a backbone {width} wide, narrowed {narrowing} times, does not split into {heads} heads of one width; "
            "set narrowing and heads so that narrowing * heads divides it"
        )
    return width // narrowing
