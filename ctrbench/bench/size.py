"""How many parameters a run's model has on its data, or on the data that a stand-in stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrbench.bench.cost import count_parameters
from ctrbench.data.stand_in import StandInDataset

if TYPE_CHECKING:
    from torch import nn

    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import FeatureInfo


def parameters(model: nn.Module, info: FeatureInfo, data: PreparedDataset, spec: RunSpec) -> tuple[int, int]:
    """All parameters of `model`, built for features `info`, and those that are trained.

    On a stand-in, embeddings also count for the ids that it lacks. Fields of users and of items are as rich there, for
    each user and item, as here; all ids count, also those that train does not hold.
    """
    every, trained = count_parameters(model)
    lacking = _lacking_ids(info, data, spec) if isinstance(data, StandInDataset) and info.vocabulary else 0
    tables = [table for table in model.parameters() if table.shape[:1] == (info.vocabulary,)] if lacking else []
    wider = [(lacking * table.numel() // info.vocabulary, table.requires_grad) for table in tables]
    return every + sum(more for more, _ in wider), trained + sum(more for more, learns in wider if learns)


def _lacking_ids(info: FeatureInfo, data: StandInDataset, spec: RunSpec) -> int:
    """Ids of the real data that the stand-in has not, over all fields."""
    ends = (*info.unseen[1:], info.vocabulary)
    sizes = {name: end - start for name, start, end in zip(info.ids, info.unseen, ends, strict=True)}
    there = data.published(spec.base.domains if spec.base is not None else spec.domains)
    times = {
        owner: max(number / sizes[owner], 1.0) if owner in sizes else 1.0
        for owner, number in (("user", there.users), ("item", there.items))
    }
    return round(sum(size * (times.get(info.of.get(name, ""), 1.0) - 1) for name, size in sizes.items()))
