"""Uni-CTR: one language model, a pluggable ladder network per domain, a general network (arXiv 2312.10743)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Self

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ctrbench.api import (
    Batch,
    ConfigError,
    CTRModel,
    FeatureInfo,
    PerDomain,
    Sizes,
    TextFeaturizer,
    load_encoder,
    load_tokenizer,
    resolve_backbone,
    with_lora,
)
from ctrbench_plugins.models.uni_ctr.layers import DomainNetwork, GeneralNetwork


class Encoded(NamedTuple):
    """One pass of the backbone: mask (B, J), h_L (B, J, d), and the F taps (B, J, d)."""

    mask: Tensor
    last: Tensor
    taps: tuple[Tensor, ...]


class UniCTR(CTRModel):
    """A row's prompt runs through the backbone once; its domain's DSN and the general network each give a logit.

    Ladders tap h_phi, h_2phi, ..., h_Fphi (h_0 are the embeddings, never tapped). The loss of a row is
    l(own, y) + l(general, y), binary cross-entropy, mean over the batch (Equation 14). The published code differs from
    the paper in taps, attention axis, padding and general network; this follows the paper.
    """

    category = "language_model"
    has_general_head = True
    train_defaults = {  # noqa: RUF012 - read-only by contract
        "optimizer": "adamw",
        "batch_size": 128,
        "lr": 8e-5,
        "lr_min": 1e-6,
        "schedule": "cyclic",
        "weight_decay": 1e-3,
        "score_batch_size": 128,
    }

    class Config(CTRModel.Config):
        """The paper's choices, or, where it is silent, ours (marked)."""

        backbone: str = "princeton-nlp/Sheared-LLaMA-1.3B"
        prompt: str = "default"
        max_length: int = Field(256, gt=0, description="tokens; ours")
        ladders: int = Field(4, gt=0, description="F")
        frequency: int | None = Field(None, gt=0, description="phi; None: layers // ladders")
        narrowing: int = Field(4, gt=0, description="d / k of a ladder; the published code's")
        heads: int = Field(2, gt=0, description="attention heads of a ladder; the published code's")
        tower: Sizes = (512, 256, 128)
        dropout: float = Field(0.3, ge=0, lt=1)
        lora_rank: int = Field(8, gt=0)
        lora_alpha: int = Field(32, gt=0)
        lora_dropout: float = Field(0.1, ge=0, lt=1, description="ours")
        lora_targets: tuple[str, ...] | None = Field(None, description="None: query and value projections; ours")

    @classmethod
    def featurizer(cls, config: Config) -> TextFeaturizer:
        """Prompts in the backbone's own tokens."""
        return TextFeaturizer(load_tokenizer(config.backbone), config.prompt, config.max_length)

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        encoder = load_encoder(config.backbone)
        width = encoder.config.hidden_size
        self.taps = tap_layers(encoder.config.num_hidden_layers, config.ladders, config.frequency)
        lora = (config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets)
        self.backbone: Any = with_lora(encoder, *lora)
        dsn = (width, config.ladders, config.narrowing, config.heads, config.tower, config.dropout)
        self.networks = PerDomain(partial(DomainNetwork, *dsn), domains)
        self.general = GeneralNetwork(width, config.tower, config.dropout)

    def train(self, mode: bool = True) -> Self:
        """As `CTRModel.train`; of the frozen backbone, only the adapters' dropout is ever on."""
        super().train(mode)
        for name, module in self.backbone.named_modules():
            module.training = module.training and "lora_" in name
        return self

    def encode(self, batch: Batch) -> Encoded:
        """One pass of the backbone over the whole batch.

        Hidden states are those that transformers returns. In the Llama family the last one, h_L, is after the final
        norm, and the others are before it.
        """
        mask = batch.x["attention_mask"]
        out = self.backbone(input_ids=batch.x["input_ids"], attention_mask=mask.long(), output_hidden_states=True)
        hidden = out.hidden_states  # h_0 ... h_L, each (B, J, d)
        return Encoded(mask, hidden[-1], tuple(hidden[layer] for layer in self.taps))

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
        if not self.general.pooling.query.requires_grad:
            return own
        return own + binary_cross_entropy_with_logits(self._general(encoded, batch).float(), batch.label)

    def logits(self, batch: Batch, heads: Sequence[str]) -> dict[str, Tensor]:
        """As `CTRModel.logits`, with one pass of the backbone for all heads."""
        encoded = self.encode(batch)
        own, general = partial(self._own, encoded), partial(self._general, encoded)
        return {head: self.head_logits(batch, head, own, general) for head in heads}

    def _own(self, encoded: Encoded, batch: Batch) -> Tensor:
        return self.networks(batch, encoded.mask, encoded.last, *encoded.taps)[:, 0]

    def _general(self, encoded: Encoded, batch: Batch) -> Tensor:
        return self.general(encoded.mask, encoded.last)[:, 0]

    def notes(self) -> tuple[str, ...]:
        """Says when the backbone's weights are random."""
        name = self.config.backbone
        return (f"backbone {name} has random weights",) if resolve_backbone(name).random else ()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """`lora` and `dense` (DSNs and general network), so that they can learn at different rates."""
        lora = [p for p in self.backbone.parameters() if p.requires_grad]
        known = {id(p) for p in lora}
        return {"lora": lora, "dense": [p for p in self.parameters() if p.requires_grad and id(p) not in known]}


def tap_layers(layers: int, ladders: int, frequency: int | None) -> tuple[int, ...]:
    """The hidden states that ladders read: phi, 2 phi, ..., F phi."""
    step = frequency or layers // ladders
    if step < 1 or step * ladders > layers:
        raise ConfigError(
            f"{ladders} ladders, one every {step or 1} layers, do not fit on a backbone of {layers} layers;"
            " set fewer ladders or a smaller frequency"
        )
    return tuple(step * ladder for ladder in range(1, ladders + 1))
