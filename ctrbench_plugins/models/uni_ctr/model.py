"""Uni-CTR: one language model, a pluggable ladder network per domain, a general network (arXiv 2312.10743)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ctrbench.api import (
    Batch,
    ConfigError,
    FeatureInfo,
    TextFeaturizer,
    encoder_layers,
    final_norm,
    is_causal,
    load_encoder,
    load_tokenizer,
    positions,
    resolve_backbone,
    with_lora,
)
from ctrbench_plugins.models.uni_ctr import config as settings
from ctrbench_plugins.models.uni_ctr.networks import DomainNetworks

HIDDEN = "hidden"
_DECISIVE = {"lora_alpha", "compile"}  # settings that change states, and no weight of the backbone


class UniCTR(DomainNetworks):
    """A row's prompt runs through the backbone once; its domain's DSN and the general network each give a logit.

    Ladders tap h_phi, h_2phi, ..., h_Fphi (h_0 are the embeddings). The loss of a row is l(own, y) + l(general, y),
    binary cross-entropy, mean over the batch (Equation 14). The published code differs from the paper in taps,
    attention axis, padding and general network; the defaults follow the paper, and options follow the code.
    """

    api_version = 1
    category = "language_model"
    version = "2"
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
    Config = settings.Config

    @classmethod
    def featurizer(cls, config: settings.Config) -> TextFeaturizer:
        """Prompts in the backbone's own tokens, no more than it has positions for."""
        length = min(config.max_length, positions(config.backbone) or config.max_length)
        return TextFeaturizer(load_tokenizer(config.backbone), config.prompt, length)

    def __init__(self, config: settings.Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        encoder = load_encoder(config.backbone, config.backbone_dtype)
        width, layers = encoder.config.hidden_size, encoder.config.num_hidden_layers
        self.choose_states(layers)
        self.causal, self.norm = is_causal(encoder), final_norm(encoder)
        self.backbone: Any = self._tuned(encoder)
        self.build_networks(width)

    def _tuned(self, encoder: Any) -> nn.Module:
        """The encoder with what `tuning` trains, and how it is to be run."""
        config = self.config
        if config.gradient_checkpointing:
            run_twice(encoder, own_dropout=config.tuning == "full")
        if config.tuning == "lora":
            lora = (config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets)
            encoder = with_lora(encoder, *lora)
        elif config.tuning == "full":
            encoder.requires_grad_(True)
        for layer in encoder_layers(encoder) if config.compile else ():
            layer.compile(dynamic=True)  # layers are alike, so one compilation serves them all
        return encoder

    def train(self, mode: bool = True) -> Self:
        """As `CTRModel.train`; of a frozen backbone, only adapters are ever on, and layers that are to run twice."""
        super().train(mode)
        if self.config.tuning != "full":
            for name, module in self.backbone.named_modules():
                module.training = module.training and "lora_" in name
            learns = any(parameter.requires_grad for parameter in self.backbone.parameters())
            for layer in encoder_layers(self.backbone) if self.config.gradient_checkpointing else ():
                layer.training = mode and learns  # or it would not run twice
        return self

    def shardable(self) -> list[nn.Module]:
        """The backbone's layers, the bulk of the weights, and the backbone around them."""
        return [*encoder_layers(self.backbone), self.backbone]

    def states(self, batch: Batch, layers: Sequence[int]) -> tuple[Tensor, dict[int, Tensor]]:
        """One pass of the backbone over the whole batch, or what the batch holds of an earlier one.

        A backbone that ends in a norm of its own (Llama) returns h_L after it. Every other state passes the same norm,
        so that all are alike; the paper does not say which it takes.
        """
        mask = real_tokens(batch)
        kept = HIDDEN in batch.x and list(layers) == self.layers
        hidden = batch.x[HIDDEN].unbind(2) if kept else self._hidden(batch, mask, layers)
        if hidden[0].dtype != torch.float32 and not in_autocast(mask.device):
            hidden = [state.float() for state in hidden]  # of a backbone, or stored ones, in half precision
        return mask, dict(zip(layers, hidden, strict=True))

    def _hidden(self, batch: Batch, mask: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """The hidden states `layers`, each (B, J, d)."""
        # a causal backbone with padding on the right needs no mask: no real token sees what follows it
        attention = None if self.causal else mask.long()
        out = self.backbone(input_ids=batch.x["input_ids"], attention_mask=attention, output_hidden_states=True)
        hidden = out.hidden_states  # h_0 ... h_L
        return [hidden[layer] if layer == self.layers[-1] else self.norm(hidden[layer]) for layer in layers]

    def fixed_states(self, batch: Batch) -> dict[str, Tensor]:
        """`hidden` (B, J, S, d): the S hidden states that are read, where nothing of the backbone is trained."""
        if any(parameter.requires_grad for parameter in self.backbone.parameters()):
            return {}
        return {HIDDEN: torch.stack(self._hidden(batch, real_tokens(batch), self.layers), 2)}

    def fixed_settings(self) -> dict[str, Any]:
        """What the backbone's weights do not tell of it, and which states are read; nothing of the DSNs."""
        architecture = self.backbone.config.to_json_string(use_diff=False)
        return {"architecture": architecture, "layers": self.layers, **self.config.model_dump(include=_DECISIVE)}

    def notes(self) -> tuple[str, ...]:
        """Says when the backbone's weights are random."""
        name = self.config.backbone
        return (f"backbone {name} has random weights",) if resolve_backbone(name).random else ()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """`lora` or `backbone`, as `tuning` says, and `dense` (DSNs and general network), to learn at other rates."""
        inner = [p for p in self.backbone.parameters() if p.requires_grad]
        known = {id(p) for p in inner}
        full = self.config.tuning == "full"
        return {
            "lora": [] if full else inner,
            "backbone": inner if full else [],
            "dense": [p for p in self.parameters() if p.requires_grad and id(p) not in known],
        }


def run_twice(encoder: Any, *, own_dropout: bool) -> None:
    """Let layers forget what they computed, and compute it again in the backward pass.

    They do so in training mode only. Without `own_dropout`, what a layer itself drops then is nothing.
    """
    enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False})
    except ValueError as error:
        kind = encoder.config.model_type
        raise ConfigError(f"a backbone of type '{kind}' has no gradient checkpointing; set it to false") from error
    for layer in encoder_layers(encoder) if not own_dropout else ():
        for name in [name for name, value in vars(layer).items() if "dropout" in name and isinstance(value, float)]:
            setattr(layer, name, 0.0)


def in_autocast(device: torch.device) -> bool:
    """Whether layers choose their precision themselves; false for `meta`, which has none."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def real_tokens(batch: Batch) -> Tensor:
    """(B, J), True at a prompt's tokens. One without any counts as one padding token: attention needs something."""
    mask = batch.x["attention_mask"].clone()
    mask[:, 0] = True
    return mask
