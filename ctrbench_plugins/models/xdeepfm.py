"""xDeepFM: explicit interactions of bounded degree beside an MLP (Lian et al., KDD 2018, arXiv 1803.05170)."""

from __future__ import annotations

from functools import partial
from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import Batch, CTRModel, FeatureInfo, Rate, Size, Sizes, WideEmbedding, mlp

_PART = 2**21
"""Most numbers in one intermediate result: rows are taken in parts whose products stay in the cache."""


class XDeepFM(CTRModel):
    """logit = b + sum_i w_i + CIN(e_1, ..., e_F) + MLP(e_1, ..., e_F)  (equation 15).

    The CIN has the paper's best depth (Table 3: 3 layers), its 200 maps per layer (Section 4.1.4, Criteo) and its
    activation (Section 4.4: identity is the best). The paper passes every map on; its authors' code and deepctr-torch
    pass half of them on and pool the others (`cin_split`). The MLP has the sizes of the Uni-CTR paper.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings, CIN and MLP."""

        embedding_dim: Size = 32
        cin: Sizes = (200, 200, 200)
        cin_activation: Literal["identity", "relu"] = "identity"
        cin_split: bool = False
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

        @model_validator(mode="after")
        def _possible(self) -> Self:
            if not self.cin:
                raise ValueError("cin is empty: give the number of maps of at least one layer, or use another model")
            if self.cin_split and any(size % 2 for size in self.cin[:-1]):
                raise ValueError(
                    f"cin_split halves every layer of cin but the last, and cin is {self.cin}: give even numbers there"
                )
            return self

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        fields = len(features.names)
        self.bias = nn.Parameter(torch.zeros(()))
        self.embedding = WideEmbedding(features, config.embedding_dim)
        self.cin = CIN(fields, config.cin, config.cin_activation, config.cin_split)
        self.mlp = mlp((fields * config.embedding_dim, *config.hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        embedded, first = self.embedding(batch)  # (B, F, d), (B, F)
        return self.bias + first.sum(1) + self.cin(embedded) + self.mlp(embedded.flatten(1))[:, 0]


class CIN(nn.Module):
    """X^k_h = f(sum_ij W^kh_ij X^{k-1}_i o X^0_j), p^k_h = sum_d X^k_hd, logit = sum_k w^k p^k  (equations 6 to 8).

    X^0 (F, d) are the fields' embeddings, X^k (H_k, d) the maps of layer k, and o is the product of each dimension:
    no dimension meets another before the pooling, so all of a batch's are computed alike, as N = B d columns.

    With f the identity, a column's logit is a polynomial of its F numbers, and its coefficients are the same for all
    columns (equation 12). So where that is less work than the layers, they are worked out once per batch, and the
    maps never are: F^2 (1 + F + ... + F^{T-1}) products for each column instead of sum_k F H_{k-1} H_k.
    """

    def __init__(self, fields: int, sizes: Sizes, activation: str = "identity", split: bool = False) -> None:
        super().__init__()
        self.passed = [size // 2 if split else size for size in sizes[:-1]] + [0]  # maps that the next layer reads
        pooled = [size - (passed if split else 0) for size, passed in zip(sizes, self.passed, strict=True)]
        reads = [fields, *self.passed[:-1]]
        self.weights = nn.ParameterList(  # W^k (H_k, H_{k-1}, F)
            _uniform(size, read, fields, inputs=read * fields) for size, read in zip(sizes, reads, strict=True)
        )
        self.outputs = nn.ParameterList(_uniform(count, inputs=sum(pooled)) for count in pooled)  # w^k (H_k,)
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()
        terms = sum(fields**degree for degree in range(len(sizes)))
        self.is_polynomial = activation == "identity" and fields**2 * terms < sum(w.numel() for w in self.weights)
        self.widest = max(fields**2, terms) if self.is_polynomial else max(reads) * fields

    def forward(self, embedded: Tensor) -> Tensor:
        """Embeddings (B, F, d) to logits (B,)."""
        dim = embedded.shape[2]
        logit = partial(_polynomial, self.coefficients()) if self.is_polynomial else self.layers
        parts = embedded.split(max(1, _PART // (self.widest * dim)))
        return torch.cat([logit(part.transpose(0, 1).flatten(1)).view(-1, dim).sum(1) for part in parts])

    def layers(self, x: Tensor) -> Tensor:
        """Columns (F, N) to logits (N,), layer by layer."""
        logit, maps = torch.zeros_like(x[0]), x
        for weight, output, passed in zip(self.weights, self.outputs, self.passed, strict=True):
            products = (maps[:, None] * x).flatten(0, 1)  # X^{k-1}_i o X^0_j: (H F, N)
            maps = self.activation(weight.flatten(1) @ products)  # (H', N)
            logit = logit + output @ maps[-len(output) :]
            maps = maps[:passed]
        return logit

    def coefficients(self) -> Tensor:
        """(F F, P), P = 1 + F + ... + F^{T-1}: what each x_i x_j is multiplied with, for `_polynomial`.

        From the last layer down, g^k (H_k, ...) holds a polynomial for each map: what it adds to the logit per unit,
        g^k_h = w^k_h + sum_j x_j sum_h' W^{k+1,h'}_hj g^{k+1}_h', as its constant and then, for every j, the terms
        that x_j multiplies.
        """
        above = self.outputs[-1].new_zeros(len(self.outputs[-1]), 0)
        for weight, output in zip(reversed(self.weights), reversed(self.outputs), strict=True):
            constant = functional.pad(output, (len(weight) - len(output), 0))  # maps that only go on are not pooled
            above = functional.pad(above, (0, 0, 0, len(weight) - len(above)))  # maps that are only pooled end here
            polynomials = torch.cat([constant[:, None], above], 1)  # g^k (H', P)
            above = (weight.flatten(1).T @ polynomials).reshape(weight.shape[1], -1)  # (H, F P)
        return above.reshape(weight.shape[2] ** 2, -1)


def _polynomial(coefficients: Tensor, x: Tensor) -> Tensor:
    """Columns (F, N) to logits (N,), in Horner's way: value = sum_ij x_i x_j (c_ij + sum_k x_k (c_ijk + ...))."""
    pairs = (x[:, None] * x).flatten(0, 1)  # (F F, N)
    rest = coefficients.T @ pairs  # (P, N)
    value = rest[0]
    while len(rest) > 1:
        rest = (rest[1:].unflatten(0, (len(x), -1)) * x[:, None]).sum(0)  # P = 1 + F P' to P'
        value = value + rest[0]
    return value


def _uniform(*shape: int, inputs: int) -> nn.Parameter:
    """Drawn as a linear layer's weights are."""
    return nn.Parameter(torch.empty(shape).uniform_(-(inputs**-0.5), inputs**-0.5))
