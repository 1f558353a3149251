"""AutoInt: fields attend to fields (Song et al., CIKM 2019, arXiv 1810.11921)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, CTRModel, FeatureInfo, FieldEmbedding, Rate, Size, Sizes, mlp


class AutoInt(CTRModel):
    """logit = b + w' concat_m e_m, with e_m the fields after the last interacting layer  (equation 9).

    With `deep`, an MLP over the embeddings adds its logit: the paper's AutoInt+ (Section 5.5). That is the default,
    since the Uni-CTR paper gives every single-domain model its MLP. Neither has a linear term. Layers, heads and the
    width of each head are the paper's (Section 5.1.4). Dropout is the MLP's; the paper has none in the attention.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings, interacting layers and MLP; `head_dim` is the width of one head."""

        embedding_dim: Size = 32
        layers: Size = 3
        heads: Size = 2
        head_dim: Size = 32
        deep: bool = True
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        fields, width = len(features.names), config.heads * config.head_dim
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        self.interacting = nn.Sequential(
            *(
                InteractingLayer(width if layer else config.embedding_dim, config.heads, config.head_dim)
                for layer in range(config.layers)
            )
        )
        self.output = nn.Linear(fields * width, 1)
        deep_sizes = (fields * config.embedding_dim, *config.hidden)
        self.mlp = mlp(deep_sizes, config.dropout, out=1) if config.deep else None

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        embedded = self.embedding(batch)  # (B, F, d)
        interacted = self.interacting(embedded)  # (B, F, H d')
        logit = self.output(interacted.flatten(1))[:, 0]
        return logit if self.mlp is None else logit + self.mlp(embedded.flatten(1))[:, 0]


class InteractingLayer(nn.Module):
    """e'_m = ReLU(concat_h(sum_k a^h_mk W_V^h e_k) + W_Res e_m), a^h_mk = softmax_k <W_Q^h e_m, W_K^h e_k>.

    (B, F, w) to (B, F, H d')  (equations 5 to 8). d' = 32 is each head's own width: W_Q^h is d' x d and W_Res is
    H d' x d; in the authors' code, two heads of 32 are blocks of 64. The products are not scaled, and the
    projections have neither bias nor ReLU, as in the paper; the authors' code scales them, has both and normalises.
    """

    own: Tensor

    def __init__(self, width: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 4 * heads * head_dim, bias=False)  # W_Q, W_K, W_V, W_Res in one product
        own = torch.eye(heads).repeat_interleave(head_dim, dim=1)  # 1 where a place belongs to the head
        self.register_buffer("own", own[:, None], persistent=False)  # (H, 1, H d')

    def forward(self, fields: Tensor) -> Tensor:
        """Fields (B, F, w) to (B, F, H d').

        Up to two heads share one product, in which a head's queries are zero outside its own d' places: that is quicker
        than a product per head, which would be smaller than what a CPU is good at.
        """
        query, key, value, residual = self.project(fields).chunk(4, dim=-1)  # each (B, F, H d')
        if self.heads > 2:
            q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value))  # (B, H, F, d')
            return torch.relu((_softmax(q @ k.transpose(2, 3)) @ v).transpose(1, 2).flatten(2) + residual)
        queries = (query[:, None] * self.own).flatten(1, 2)  # (B, H F, H d')
        weights = _softmax(queries @ key.transpose(1, 2))  # (B, H F, F)
        combined = (weights @ value).unflatten(1, (self.heads, -1)).unflatten(-1, (self.heads, -1))  # (B, H, F, H, d')
        combined = combined.diagonal(dim1=1, dim2=3).transpose(2, 3).flatten(2)  # (B, F, H d'): to each head its own
        return torch.relu(combined + residual)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; for one as short as F, `torch.softmax` takes several times as long on a CPU."""
    powers = (scores - scores.detach().amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)
