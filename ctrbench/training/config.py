"""How a model is trained; the same keys for every model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainConfig(BaseModel):
    """Training settings. Unknown keys are errors; a model's `training` states its paper's differences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    NEUTRAL: ClassVar = frozenset({"score_batch_size", "checkpoint_seconds", "cache_gb"})
    """Keys that do not change a run's result beyond rounding, so they are no part of its identity.

    With a frozen backbone, `cache_gb` and `score_batch_size` decide the shapes of batches that its states are computed
    in, and matrix products round with the shape.
    """

    epochs: int = Field(10, gt=0)
    patience: int = Field(2, gt=0, description="epochs without a better validation AUC before training stops")
    batch_size: int = Field(2048, gt=0)
    score_batch_size: int = Field(4096, gt=0)
    optimizer: Literal["adam", "adamw"] = "adam"
    lr: float = Field(1e-3, gt=0)
    lr_groups: dict[str, float] = Field({}, description="learning rates of parameter groups that differ from `lr`")
    embeddings: Literal["sparse", "dense"] = Field(
        "sparse", description="gradients of embedding tables: cost by the batch's rows, or an Adam step of every row"
    )
    weight_decay: float = Field(0.0, ge=0, description="of dense parameters; embedding tables have none")
    schedule: Literal["constant", "linear", "cyclic"] = "constant"
    lr_min: float = Field(0.0, ge=0, description="the lowest rate of the linear and cyclic schedules")
    cycle_epochs: float = Field(1.0, gt=0, description="length of one cycle, up and down")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps with a rising rate")
    max_grad_norm: float | None = Field(None, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_seconds: float = Field(60.0, ge=0, description="time between checkpoints within an epoch")
    cache_gb: float = Field(
        20.0,
        ge=0,
        allow_inf_nan=False,
        description="disk space for states of frozen backbones; 0 keeps none; moves results by rounding at most",
    )
