"""The runner scores; models never score themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ctrbench.errors import NotFinite
from ctrbench.evaluation.metrics import auc
from ctrbench.features.loader import Rows, batches, prefetch
from ctrbench.features.order import eval_order
from ctrbench.models.contract import OWN, CTRModel
from ctrbench.training.failures import enough_memory
from ctrbench.training.processes import bound, team
from ctrbench.training.shard import is_sharded
from ctrbench.training.watch import Progress, Watch, silent

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.features.batch import Batch

_SETTING = "train.score_batch_size"


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
    """`row_id`, `domain` (an Enum), `label` (int8) and each head's logit (float32), in the order of `rows`.

    The model is in eval mode during the call and in its former mode after it. Raises `NotFinite` for a logit that is
    not finite, and `ConfigError` where memory runs out. Under a launcher, every process calls this with the same
    arguments, scores its part of every batch, and gets the logits of all.
    """
    import polars as pl

    training = model.training
    model.eval()
    try:
        out = _logits(model, rows, heads, batch_size, precision, watch)
    finally:
        model.train(training)
    with team().together():
        _check_finite(model, out)
    names = pl.Series(rows.domains, dtype=pl.Enum(rows.domains))
    columns = {"row_id": rows.row_id.numpy(), "domain": names.gather(rows.domain.numpy())}
    label = rows.label.numpy().astype(np.int8)
    return pl.DataFrame({**columns, "label": label, **{head: values.numpy() for head, values in out.items()}})


def _logits(
    model: CTRModel, rows: Rows, heads: Sequence[str], batch_size: int, precision: str, watch: Watch
) -> dict[str, Tensor]:
    """(N,) logits of each head, in the order of `rows`."""
    processes, device, sharded = team(), next(model.parameters()).device, is_sharded(model)
    out = {head: torch.zeros(len(rows)) for head in heads}
    order = eval_order(rows, batch_size)
    scored = torch.zeros(len(rows), dtype=torch.uint8)
    coming, done = prefetch(batches(rows, map(processes.part, order)), device), 0
    for indices in order:
        part = processes.part(indices)
        with processes.together():
            with enough_memory(model, None, _SETTING):
                batch = next(coming)
            with bound(sharded), enough_memory(model, batch, _SETTING):
                logits = _forward(model, batch, heads, precision)
            if processes.share(indices):
                scored[part] += 1
                for head in heads:
                    out[head][part] = logits[head]
        done += len(indices)
        watch(Progress("score", done, len(rows)))
    for values in (scored, *out.values()):
        processes.sum(values)
    assert bool((scored == 1).all()), "each row is scored by one process"
    return out


def _forward(model: CTRModel, batch: Batch, heads: Sequence[str], precision: str) -> Mapping[str, Tensor]:
    """(B,) logits of each head, float32, in main memory."""
    with torch.autocast(batch.label.device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits = model.logits(batch, heads)
    return {head: logits[head].float().cpu() for head in heads}


def _check_finite(model: CTRModel, out: Mapping[str, Tensor]) -> None:
    for head, values in out.items():
        if not torch.isfinite(values).all():
            name = type(model).__name__
            raise NotFinite(f"{name} gave logits that are not finite (head {head}); try a lower learning rate")


def domain_aucs(scored: pl.DataFrame, head: str = OWN) -> dict[str, float]:
    """AUC of `head` in each domain; NaN where a domain has only one class."""
    found = {}
    for domain in scored["domain"].unique(maintain_order=True):
        part = scored.select("label", head).filter(scored["domain"] == domain)  # one domain is in memory twice, not all
        found[domain] = auc(part["label"].to_numpy(), part[head].to_numpy())
    return found
