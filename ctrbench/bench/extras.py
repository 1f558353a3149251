"""Representations of a trained model, and of the same model before training: kept for maps of domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ctrbench.bench import grow
from ctrbench.bench.needs import ONE_NETWORK, TRAINED, UNTRAINED, forget_maps, tensor_name
from ctrbench.errors import NotFinite, PluginError
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.training.checkpoint import save_tensors
from ctrbench.training.failures import enough_memory
from ctrbench.training.processes import bound
from ctrbench.training.shard import is_sharded, place
from ctrbench.training.watch import Progress

if TYPE_CHECKING:
    from ctrbench.bench.scoring import Trained
    from ctrbench.features.batch import Batch

ROWS = 1_000
"""Test rows of each domain, where there are so many."""


def keep_representations(run: Trained) -> None:
    """Write what `CTRModel.representations` says of some test rows per domain, drawn by the run's seed.

    The untrained model has the weights that the run began with. What depends on a row's domain is there a second time,
    of all rows through the network of the first domain: in `NAME (one network)`, rows of two domains lie apart because
    they differ, and not because their networks do. Under a launcher, every process computes all, and the main one
    writes.
    """
    first = run.spec.domains[0]
    with run.team.together():
        fresh, _ = grow.untrained(run.spec, run.data, run.folder)
    place(fresh, run.team)
    parts = [run.rows((domain,), run.spec.limit) for domain in run.spec.domains]
    drawn = [(rows, _drawn(len(rows), run.spec.seed)) for rows in parts]
    with run.team.together():
        models = {TRAINED: run.model, UNTRAINED: fresh}
        own = {which: _representations(run, model, drawn) for which, model in models.items()}
        one = {which: _representations(run, model, drawn, through=first) for which, model in models.items()}
    counts = torch.tensor([len(some) for _, some in drawn])
    tensors = {
        "row_id": torch.cat([rows.batch(some).row_id for rows, some in drawn]),
        "domain": torch.arange(len(drawn)).repeat_interleave(counts),
    }
    spaces = {name: (own, name) for name in own[TRAINED]}
    spaces |= {f"{name} {ONE_NETWORK}": (one, name) for name in own[TRAINED] if _differ(own, one, name)}
    for title, (found, name) in spaces.items():
        tensors |= {tensor_name(which, title): found[which][name] for which in models}

    def write() -> None:
        forget_maps(run.folder)
        save_tensors(run.folder.representations, tensors, {"domains": run.spec.domains, "names": list(spaces)})

    run.team.on_main(write)


def _differ(own: Mapping[str, Mapping[str, Tensor]], one: Mapping[str, Mapping[str, Tensor]], name: str) -> bool:
    """Whether it matters to a representation whose network a row passes, in any of the models."""
    return any(not torch.allclose(own[which][name], one[which][name], rtol=1e-3, atol=1e-5) for which in own)


def _drawn(count: int, seed: int) -> Tensor:
    """Places of up to `ROWS` of `count` rows, ascending."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:ROWS].sort().values


def _representations(
    run: Trained, model: CTRModel, drawn: Sequence[tuple[Rows, Tensor]], through: str | None = None
) -> dict[str, Tensor]:
    """(N, d) float32 by name, in main memory; `through` the network of one domain, or of each row's own."""
    training, total, done = model.training, sum(len(some) for _, some in drawn), 0
    found: dict[str, list[Tensor]] = {}
    model.eval()
    try:
        for rows, some in drawn:
            for indices in some.split(run.config.score_batch_size) if len(some) else ():
                batch = rows.batch(indices)
                for name, values in _of_batch(run, model, batch.as_domain(through) if through else batch):
                    found.setdefault(name, []).append(values)
                done += len(indices)
                run.watch(Progress("score", done, total))
    finally:
        model.train(training)
    return {name: torch.cat(values) for name, values in found.items()}


@torch.no_grad()
def _of_batch(run: Trained, model: CTRModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Each representation of a batch, checked."""
    device = next(model.parameters()).device
    batch = batch.to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=run.config.precision == "bf16")
    with bound(is_sharded(model)), enough_memory(model, batch, "train.score_batch_size"), autocast:
        found: Mapping[str, Tensor] = model.representations(batch)
    for name, values in found.items():
        what = f"{type(model).__name__} gave representations {name!r}"
        if values.ndim != 2 or len(values) != len(batch):
            raise PluginError(f"{what} of shape {tuple(values.shape)}, not ({len(batch)}, d)")
        if not values.isfinite().all():
            raise NotFinite(f"{what} that are not finite; try a lower learning rate")
        yield name, values.float().cpu()
