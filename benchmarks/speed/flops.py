"""Floating-point operations of Uni-CTR's LoRA training, and what GPUs can do at most."""

from __future__ import annotations

from typing import Any

from torch import nn

PEAKS = {
    "B200": 2250e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 6000 Ada": 364e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}
"""Dense bf16 FLOP/s with sums in fp32, without sparsity, by a part of the device's name; the first that fits holds."""


def peak_of(device_name: str) -> float | None:
    """Of a GPU, where it is known."""
    return next((peak for part, peak in PEAKS.items() if part in device_name), None)


def train_flops(model: Any, length: float) -> float:
    """Of a training step, per row of `length` = J real tokens; useful ones only.

    A product of x with a weight of n numbers takes 2n for each token; its gradients take 2n for x and 2n for the
    weight, if that is trained. So, for each row,

        backbone    J (4 P + 6 A + 12 L d J')            P: frozen weights of its linear layers, A: adapters, L layers
        own DSN     J (6 W + 12 F k J) + 2J 6 d^2 + 6 T  W: weights of its F ladders, T: of its tower; k = d / narrowing
        general     J 6 d^2 + 6 T

    with J' = J, half of it in causal attention, and J + min(2J, 2 buckets) where attention also reads relative
    positions (DeBERTa). Padding, other domains' networks, work done twice (checkpointing), embeddings, norms and
    optimisers count nothing. The first layer's gradient for its input, which nobody needs, is counted: about 2 % too
    much with six layers, 0.5 % with 24.
    """
    config = model.backbone.config
    layers, width = config.num_hidden_layers, config.hidden_size
    per_token = sum(w.numel() * (6 if w.requires_grad else 4) for w in _weights(model.backbone))
    per_token += 12 * layers * width * _attended(config, model.causal, length)
    own = _network_flops(model.networks[model.domains[0]], length)
    return length * per_token + own + _network_flops(model.general, length)


def _attended(config: Any, causal: bool, length: float) -> float:
    buckets = getattr(config, "position_buckets", 0) if getattr(config, "relative_attention", False) else 0
    return length / 2 if causal else length + min(2 * length, 2 * buckets)


def _network_flops(network: Any, length: float) -> float:
    """Of a DSN or the general network, all of whose weights are trained."""
    ladders = 6.0 * _size(network.ladders) + sum(12 * length * ladder.norm.weight.numel() for ladder in network.ladders)
    pooled = 2 * length if len(network.ladders) and network.axis == "token" else length
    return length * ladders + 6 * pooled * _size(network.gate) + 6 * _size(network.tower)


def _size(module: nn.Module) -> int:
    return sum(weight.numel() for weight in _weights(module))


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return [part.weight for part in module.modules() if isinstance(part, nn.Linear)]
