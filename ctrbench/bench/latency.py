"""How long a trained model takes to score a batch, and what half precision costs it in AUC."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from ctrbench.bench import records
from ctrbench.bench.machine import processor
from ctrbench.bench.needs import PRECISIONS, Latency, Precision, Timing
from ctrbench.errors import ConfigError
from ctrbench.evaluation.score import domain_aucs, score
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.features.ragged import Ragged
from ctrbench.features.tokens import TextFeaturizer
from ctrbench.models.contract import OWN, CTRModel
from ctrbench.training.failures import enough_memory
from ctrbench.training.shard import is_sharded

if TYPE_CHECKING:
    from ctrbench.bench.scoring import Trained

BATCH = 32
LENGTH = 256
"""Tokens of a full prompt, both as in Section VI-B of the Uni-CTR paper."""
ROWS = 2_000
"""The latest test rows of each domain, which batches are drawn from."""
WARM_UP = 3
LEAST, MOST = 20, 200
"""Batches that are timed: the least, even where they take long, and the most."""
ENOUGH = 10.0
"""Seconds after which no more than the least are timed."""

Batches = Callable[[], Iterator[Batch]]


def keep_latency(run: Trained, record: records.Record) -> None:
    """Time batches of test rows through their own heads, and write what was found.

    Rows are featurised beforehand. Under a launcher the main process measures, and the others wait, idle. Raises
    `ConfigError` for a model whose weights are spread over processes.
    """
    if is_sharded(run.model):
        raise ConfigError(
            "latency is that of one process, and the weights of this model are spread over several; it is trained "
            "and kept, so run the same table again without a launcher"
        )
    rows = run.rows(run.spec.domains, min(run.spec.limit or ROWS, ROWS))
    auc = {precision: _auc(run, record, precision) for precision in PRECISIONS}

    def measure() -> None:
        found = _latency(run, _timings(run, rows), auc)
        with records.atomic(run.folder.latency) as temporary:
            temporary.write_text(found.model_dump_json(by_alias=True, indent=1) + "\n", "utf-8")

    run.team.on_main(measure)


def _auc(run: Trained, record: records.Record, precision: Precision) -> dict[str, float | None]:
    """Test AUC by domain: the record's where the run was scored in this precision."""
    if run.config.precision == precision:
        found = {d: record.metric(records.Target("test", d, OWN)) for d in run.spec.domains}
        if all(found.values()):
            return {domain: metrics.auc for domain, metrics in found.items() if metrics is not None}
    aucs: dict[str, float | None] = {}
    for domain in run.spec.domains:
        rows = run.rows((domain,), run.spec.limit)
        size = run.config.score_batch_size
        scored = score(run.model, rows, batch_size=size, precision=precision, watch=run.watch)
        aucs |= domain_aucs(scored)
    return aucs


def _latency(run: Trained, timings: list[Timing], auc: dict[Precision, dict[str, float | None]]) -> Latency:
    device, weights = next(run.model.parameters()).device, Counter[str]()
    for parameter in run.model.parameters():
        weights[str(parameter.dtype).removeprefix("torch.")] += parameter.numel()
    return Latency(
        schema=1,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        processor=processor(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        batch_size=BATCH,
        weights=dict(weights),
        timings=timings,
        auc=auc,
    )


def _timings(run: Trained, rows: Rows) -> list[Timing]:
    """In each precision, on rows as they are, and for a model of text on prompts of full length."""
    if not len(rows):
        return []
    kinds: dict[int | None, Batches] = {None: lambda: drawn(rows, run.spec.seed)}
    if isinstance(run.featurizer, TextFeaturizer):
        length = min(LENGTH, run.featurizer.max_length)
        kinds[length] = lambda: (lengthened(batch, rows, length) for batch in drawn(rows, run.spec.seed))
    return [timing(run.model, make(), precision, length) for length, make in kinds.items() for precision in PRECISIONS]


def drawn(rows: Rows, seed: int) -> Iterator[Batch]:
    """Batches without end, of rows in an order that the seed decides, over and over."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return (rows.batch(order[torch.arange(start, start + BATCH) % len(rows)]) for start in count(step=BATCH))


def lengthened(batch: Batch, rows: Rows, length: int) -> Batch:
    """The same prompts, each repeated, or cut, to have `length` tokens."""
    x = dict(batch.x)
    for name, feature in rows.features.items():
        if isinstance(feature, Ragged) and feature.mask is not None:
            tokens = x[feature.mask].sum(1, keepdim=True).clamp(min=1)  # (B, 1)
            x[name] = x[name].gather(1, torch.arange(length) % tokens)
            x[feature.mask] = torch.ones(len(batch), length, dtype=torch.bool)
    return Batch(x, batch.domain, batch.domains, batch.label, batch.row_id)


def timing(model: CTRModel, batches: Iterator[Batch], precision: Precision, length: int | None) -> Timing:
    """Milliseconds per batch; the model is in eval mode during the call and in its former mode after it."""
    training = model.training
    model.eval()
    try:
        for batch in islice(batches, WARM_UP):
            _seconds(model, batch, precision)
        seconds: list[float] = []
        for batch in islice(batches, MOST):
            seconds.append(_seconds(model, batch, precision))
            if len(seconds) >= LEAST and sum(seconds) > ENOUGH:
                break
    finally:
        model.train(training)
    p50, p95 = np.percentile(seconds, (50, 95)) * 1e3
    return Timing(precision=precision, length=length, batches=len(seconds), p50_ms=p50, p95_ms=p95)


@torch.no_grad()
def _seconds(model: CTRModel, batch: Batch, precision: Precision) -> float:
    """From a batch in main memory to its logits there, which waits for the device."""
    device = next(model.parameters()).device
    start = time.perf_counter()
    with enough_memory(model, batch, "config.max_length"):
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            model.logits(batch, (OWN,))[OWN].float().cpu()
    return time.perf_counter() - start
