"""The runner scores; models never score themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ctrbench.errors import DataError
from ctrbench.evaluation.metrics import auc
from ctrbench.features.loader import Rows, batches, eval_order
from ctrbench.models.contract import OWN, CTRModel
from ctrbench.training.watch import Progress, Watch, silent

if TYPE_CHECKING:
    import polars as pl


@torch.no_grad()
def score(
    model: CTRModel,
    rows: Rows,
    heads: Sequence[str] = (OWN,),
    *,
    batch_size: int = 4096,
    precision: str = "fp32",
    watch: Watch = silent,
) -> pl.DataFrame:
    """`row_id`, `domain`, `label` and each head's logit (float32), in the order of `rows`.

    The model is in eval mode during the call and in its former mode after it. Raises `DataError` for a logit that is
    not finite.
    """
    import polars as pl

    device = next(model.parameters()).device
    training = model.training
    model.eval()
    out = {head: torch.empty(len(rows)) for head in heads}
    order = eval_order(rows, batch_size)
    done = 0
    for indices, batch in zip(order, batches(rows, order), strict=True):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model.logits(batch.to(device), heads)
        for head in heads:
            out[head][indices] = logits[head].float().cpu()
        done += len(indices)
        watch(Progress("score", done, len(rows)))
    model.train(training)
    for head, values in out.items():
        if not torch.isfinite(values).all():
            name = type(model).__name__
            raise DataError(f"{name} gave logits that are not finite (head {head}); try a lower learning rate")
    names = np.array(rows.domains, dtype=object)
    columns = {"row_id": rows.row_id.numpy(), "domain": names[rows.domain.numpy()].tolist()}
    label = rows.label.numpy().astype(np.int8)
    scored = pl.DataFrame({**columns, "label": label, **{head: values.numpy() for head, values in out.items()}})
    return scored.with_columns(pl.col("domain").cast(pl.String))  # also where there is no row


def domain_aucs(scored: pl.DataFrame, head: str = OWN) -> dict[str, float]:
    """AUC of `head` in each domain; NaN where a domain has only one class."""
    parts = scored.partition_by("domain", maintain_order=True)
    return {part["domain"][0]: auc(part["label"].to_numpy(), part[head].to_numpy()) for part in parts}
