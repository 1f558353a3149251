"""What reads layer-wise states: a domain-specific network (DSN) per domain, and the general network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ctrbench.api import Batch, CTRModel, PerDomain
from ctrbench_plugins.models.uni_ctr.config import LadderConfig, tap_layers
from ctrbench_plugins.models.uni_ctr.layers import DomainNetwork


class Encoded(NamedTuple):
    """One pass of what lies below: mask (B, J), h_L (B, J, d), and the taps, each (B, J, d)."""

    mask: Tensor
    last: Tensor
    taps: tuple[Tensor, ...]


class DomainNetworks(CTRModel):
    """Own and general logits, and their loss, from the states that `states` gives.

    `config` is a `LadderConfig`. Call `choose_states` before, and `build_networks` after what gives the states is made.
    """

    has_general_head = True

    def choose_states(self, layers: int) -> None:
        """Which of h_0 ... h_L are read: `taps`, and with h_L, `layers`, both in rising order."""
        self.taps = tap_layers(layers, self.config)
        self.layers = sorted({*self.taps, layers})

    def build_networks(self, width: int, *, one_token: bool = False) -> None:
        """Networks on states that are `width` wide, of many tokens or of one."""
        config: LadderConfig = self.config
        dsn = partial(
            DomainNetwork, width, len(self.taps), config.narrowing, config.heads, config.dropout, config.block,
            config.gate, config.tower, one_token=one_token,
        )  # fmt: skip
        self.networks = PerDomain(dsn, self.domains)
        tower_alone = partial(DomainNetwork, width, dropout=config.dropout, tower=config.tower, one_token=one_token)
        self.general = dsn() if config.general == "code" else tower_alone()

    @abstractmethod
    def states(self, batch: Batch, layers: Sequence[int]) -> tuple[Tensor, dict[int, Tensor]]:
        """The mask (B, J), and h_l (B, J, d) for each l of `layers`, in one pass."""

    def encode(self, batch: Batch) -> Encoded:
        """The states of a batch that are read, computed once for all heads."""
        return self._read(*self.states(batch, self.layers))

    def _read(self, mask: Tensor, states: Mapping[int, Tensor]) -> Encoded:
        return Encoded(mask, states[self.layers[-1]], tuple(states[layer] for layer in self.taps))

    def representations(self, batch: Batch) -> dict[str, Tensor]:
        """`h_0`, and `h_l` of each state that is read: means over a row's tokens (B, d); `tower` (B, h) of its own DSN.

        `tower` is the last hidden layer. The paper maps h_0, h_2 and h_4 of a backbone of four layers in its Figure 5,
        and 128 wide tower outputs in Figure 6; how it pools tokens is ours.
        """
        mask, states = self.states(batch, sorted({0, *self.layers}))
        weights = (mask / mask.sum(1, keepdim=True))[:, :, None]  # (B, J, 1)
        means = {f"h_{layer}": (weights * hidden.float()).sum(1) for layer, hidden in states.items()}
        _, last, taps = self._read(mask, states)

        def tower(network: nn.Module, rows: Tensor | slice) -> Tensor:
            return cast("DomainNetwork", network).penultimate(mask[rows], last[rows], *(tap[rows] for tap in taps))

        return {**means, "tower": self.networks.route(batch, tower)}

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits of each row's own DSN."""
        return self._own(self.encode(batch), batch)

    def forward_general(self, batch: Batch) -> Tensor:
        """(B,) logits of the general network."""
        return self._general(self.encode(batch), batch)

    def loss(self, batch: Batch) -> Tensor:
        """Own plus general cross-entropy, mean over the batch; own alone when the general network is frozen."""
        encoded = self.encode(batch)
        own = binary_cross_entropy_with_logits(self._own(encoded, batch).float(), batch.label)
        frozen = not next(self.general.parameters()).requires_grad
        if frozen or not self.config.general_weight:
            return own
        general = binary_cross_entropy_with_logits(self._general(encoded, batch).float(), batch.label)
        return own + self.config.general_weight * general

    def logits(self, batch: Batch, heads: Sequence[str]) -> dict[str, Tensor]:
        """As `CTRModel.logits`, with one pass for all heads."""
        encoded = self.encode(batch)
        own, general = partial(self._own, encoded), partial(self._general, encoded)
        return {head: self.head_logits(batch, head, own, general) for head in heads}

    def _own(self, encoded: Encoded, batch: Batch) -> Tensor:
        return self.networks(batch, encoded.mask, encoded.last, *encoded.taps)[:, 0]

    def _general(self, encoded: Encoded, batch: Batch) -> Tensor:
        return self.general(encoded.mask, encoded.last, *encoded.taps)[:, 0]
