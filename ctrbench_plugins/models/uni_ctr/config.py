"""Uni-CTR's settings, and which hidden states its ladders read."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ctrbench.api import ConfigError, CTRModel, Prompt, Rate, Size, Sizes, Weight
from ctrbench_plugins.models.uni_ctr.layers import Block, Gate

LADDERS = 4
"""The paper's F."""

Layer = Annotated[int, Field(ge=0, strict=True)]
Auto = Literal["auto"]
Targets = Annotated[tuple[str, ...], Field(min_length=1)]


class LadderConfig(CTRModel.Config):
    """Which states are read, and what reads them: the paper's choices, or, where it is silent, ours (marked)."""

    ladders: Size | Auto = Field("auto", description=f"F; auto: layers / frequency, or {LADDERS} without one")
    frequency: Size | Auto = Field("auto", description="phi; auto: layers / ladders, as even as can be")
    taps: tuple[Layer, ...] | Auto = Field("auto", description="the layers themselves; auto: h_phi, h_2phi, ...")
    tap_embeddings: bool = Field(False, description="a further ladder at h_0, as in the published code")
    block: Block = Field("transformer", description="a ladder's; `none`: no ladders")
    narrowing: Size = Field(4, description="d / k of a ladder; the published code's")
    heads: Size = Field(2, description="attention heads of a ladder; the published code's")
    gate: Gate = Field("token", description="what the gate pools; the axis is ours")
    tower: Sizes = (512, 256, 128)
    dropout: Rate = 0.3
    general: Literal["paper", "code"] = Field("paper", description="a tower on h_L; or with ladders of its own")
    general_weight: Weight = Field(1.0, description="of the general network's loss")

    @model_validator(mode="after")
    def _one_way_to_say_taps(self) -> Self:
        if self.taps != "auto":
            if (self.ladders, self.frequency) != ("auto", "auto"):
                raise ValueError("taps lists layers, so ladders and frequency have nothing to say; set them to auto")
            if not self.taps or list(self.taps) != sorted(set(self.taps)):
                raise ValueError("taps lists layers in rising order, each once, as in [6, 12, 18, 24]")
        return self


class Config(LadderConfig):
    """The backbone beside it, and what of it is trained."""

    backbone: str = Field("sheared-llama-1.3b", description="a name, a folder, a .gguf file or a hub id")
    prompt: str | Prompt = Field(
        "default", description="a template, or the name of one: the dataset's own, names_and_ids, ids_only"
    )
    max_length: Size = Field(256, description="tokens; ours")
    tuning: Literal["lora", "full", "frozen"] = Field("lora", description="what of the backbone is trained")
    lora_rank: Size = 8
    lora_alpha: Size = 32
    lora_dropout: Rate = Field(0.1, description="ours")
    lora_targets: Targets | None = Field(None, description="None: query and value projections; ours")
    backbone_dtype: Literal["fp32", "bf16"] = Field("fp32", description="of frozen weights; bf16 halves memory; ours")
    gradient_checkpointing: bool = Field(False, description="compute layers twice to save memory; ours")
    compile: bool = Field(False, description="torch.compile for the backbone; ours")

    @model_validator(mode="after")
    def _trained_weights_are_exact(self) -> Self:
        if self.tuning == "full" and self.backbone_dtype != "fp32":
            raise ValueError("backbone_dtype of weights that are trained (tuning = 'full') is 'fp32'")
        return self


def tap_layers(layers: int, config: LadderConfig) -> tuple[int, ...]:
    """The hidden states that ladders read, of a backbone of L = `layers` layers: h_phi, h_2phi, ..., h_Fphi.

    phi = L / F. Where that is no whole number, states are spaced as evenly as can be, and the last one is h_L.
    Raises `ConfigError` where there are fewer layers than ladders need.
    """
    if config.block == "none":
        return ()
    if config.taps != "auto":
        taps = config.taps
    elif config.frequency != "auto":
        count = max(layers // config.frequency, 1) if config.ladders == "auto" else config.ladders
        taps = tuple(config.frequency * ladder for ladder in range(1, count + 1))
    else:
        count = LADDERS if config.ladders == "auto" else config.ladders
        taps = tuple(dict.fromkeys(-(-layers * ladder // count) for ladder in range(1, count + 1)))
        if len(taps) < count:
            raise ConfigError(f"{count} ladders do not fit on a backbone of {layers} layers; set fewer ladders")
    if taps[-1] > layers:
        raise ConfigError(
            f"ladders at layers {', '.join(map(str, taps))} do not fit on a backbone of {layers} layers; "
            "set fewer ladders, a smaller frequency or other taps"
        )
    return (0, *taps) if config.tap_embeddings and 0 not in taps else taps
