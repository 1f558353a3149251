"""A domain that is added to a trained model: the model is that of the base run, and all but the new networks is frozen.

What was there before must stay as it was, bitwise: its weights, and what it says of its own domains' rows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from torch import Tensor

from ctrbench.bench import records
from ctrbench.bench.build import add_domains, build
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Growth
from ctrbench.bench.stored import built_on
from ctrbench.data.fingerprint import file_hash
from ctrbench.errors import CtrbenchError, Damaged, OutputError, PluginError
from ctrbench.evaluation.score import score
from ctrbench.features.loader import Rows
from ctrbench.models.contract import GENERAL, OWN, CTRModel
from ctrbench.training.checkpoint import load_tensors, load_trained
from ctrbench.training.processes import team

if TYPE_CHECKING:
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer

_log = logging.getLogger(__name__)
SAMPLE = 64
"""The latest train rows of each old domain, whose logits are compared before and after; test rows are scored once."""


def untrained(spec: RunSpec, data: PreparedDataset, folder: RunFolder) -> tuple[CTRModel, Featurizer]:
    """The model that a run trains: a new one, or its base's with new networks; and the featurizer that it sees with.

    `folder` is the run's. Raises `CtrbenchError` where the base is not there, failed, or cannot be read.
    """
    if spec.base is None:
        return build(spec, data, spec.limit)
    base = folder.beside(spec.base)
    _check_done(spec.base, base)
    try:
        model, featurizer = trained(spec.base, data, base)
    except OutputError as fault:  # of what the base left: other runs can go on
        raise CtrbenchError(f"the run that the domain is added to cannot be used: {fault}") from fault
    add_domains(model, spec)
    return model, featurizer


def trained(spec: RunSpec, data: PreparedDataset, folder: RunFolder) -> tuple[CTRModel, Featurizer]:
    """The model that a run left, and its featurizer, from their files. Raises `OutputError` where these are damaged."""
    if spec.base is not None:
        _check_same(folder.beside(spec.base), folder)
        model, featurizer = untrained(spec, data, folder)
    else:
        model, featurizer = build(spec, data, spec.limit, state=_features(folder))
    load_trained(model, load_tensors(folder.model)[0])
    return model, featurizer


def _check_done(base: RunSpec, folder: RunFolder) -> None:
    about = f"run {base.id} on {', '.join(base.domains)}, to which the domain is to be added,"
    try:
        record = records.read(folder.record)
    except OutputError as fault:
        raise CtrbenchError(str(fault)) from fault
    if record is None:
        raise CtrbenchError(f"{about} is missing; run the table again to train it")
    if record.status == "failed":
        raise CtrbenchError(f"{about} failed: {record.error}")


def _check_same(base: RunFolder, folder: RunFolder) -> None:
    """A network that was trained on top of one base means nothing on top of another."""
    record = records.read(folder.record)
    growth = record.growth if record is not None else None
    if growth is not None and base.model.exists() and not built_on(base, growth):
        raise Damaged(
            f"the base {base.path} was trained anew after {folder.path}; delete that folder to run this again"
        )


def begin(spec: RunSpec, folder: RunFolder) -> str:
    """The sha256 of the model that a run's base has now; nothing, where that is not there, or the run has no base.

    A checkpoint that was begun on top of another model is removed: it means nothing on this one.
    """
    base = folder.beside(spec.base) if spec.base is not None else None
    if base is None or not base.model.exists():
        return ""
    now = file_hash(base.model)
    if folder.checkpoint.exists() and (not folder.begun_on.exists() or folder.begun_on.read_text("utf-8") != now):
        _log.warning("%s was begun on another model than %s; the training begins anew", folder.checkpoint, base.model)
        folder.checkpoint.unlink()
    with records.atomic(folder.begun_on) as temporary:
        temporary.write_text(now, "utf-8")
    return now


def _features(folder: RunFolder) -> Mapping[str, Any]:
    try:
        state = json.loads(folder.features.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise OutputError(
            f"{folder.features} cannot be read ({fault}); delete the folder {folder.path} to run this again"
        ) from fault
    if not isinstance(state, dict):
        raise OutputError(f"{folder.features} holds no state; delete the folder {folder.path} to run this again")
    return state


@dataclass(frozen=True)
class OldDomains:
    """What a model said of some rows of its old domains, before networks for new ones were trained."""

    base: RunSpec
    folder: RunFolder
    """The base's."""
    rows: Rows
    heads: tuple[str, ...]
    options: Mapping[str, Any]
    """How rows are scored."""
    before: pl.DataFrame
    base_file: str
    """sha256 of the base's model, before it was read."""

    @classmethod
    def of(
        cls,
        spec: RunSpec,
        data: PreparedDataset,
        folder: RunFolder,
        model: CTRModel,
        featurizer: Featurizer,
        options: Mapping[str, Any],
        base_file: str,
    ) -> OldDomains:
        """Score the sample with the model as `untrained` gives it, on the device that it is trained on."""
        assert spec.base is not None
        old = tuple(domain for domain in model.domains if domain not in spec.domains)
        heads = (OWN, GENERAL) if model.has_general_head else (OWN,)
        view = copy(featurizer)  # whose notes count the rows that are trained on, without these
        with team().together():
            rows = Rows.build(data.rows("train", old, SAMPLE), data.items, view, old)
        before = score(model, rows, heads, **options)
        return cls(spec.base, folder.beside(spec.base), rows, heads, options, before, base_file)

    def unchanged(self, model: CTRModel) -> Growth:
        """Compare logits and weights with what they were; `PluginError` where any bit of them moved.

        `Damaged` where the base is another by now, which is no fault of the model.
        """
        self._check_base()
        after = score(model, self.rows, self.heads, **self.options)
        for head in self.heads:
            moved = _bits(self.before, head) != _bits(after, head)
            if moved.any():
                domain = after["domain"].filter(pl.Series(moved))[0]
                raise _moved(model, f"the predictions of {domain!r} (head {head})")
        now, weights = model.state_dict(), 0
        for name, tensor in load_tensors(self.folder.model)[0].items():
            if not torch.equal(_bytes(tensor), _bytes(_whole(now[name]))):
                raise _moved(model, f"the weight {name!r} of its base")
            weights += tensor.numel()
        return Growth(
            base=self.base.id,
            base_file=self.base_file,
            domains=self.rows.domains,
            rows=len(self.rows),
            weights=weights,
        )

    def _check_base(self) -> None:
        there = self.folder.model.exists()
        if not there or file_hash(self.folder.model) != self.base_file:
            how = "trained anew" if there else "removed"
            raise Damaged(
                f"the base {self.folder.path} was {how} by another command while a domain was added to it; "
                "run the table again"
            )


def _moved(model: CTRModel, what: str) -> PluginError:
    return PluginError(
        f"training a new domain's network of {type(model).__name__} moved {what}; "
        "what belongs to a domain must be in PerDomain, and all else frozen by add_domain"
    )


def _bits(scored: pl.DataFrame, head: str) -> Any:
    """(N,) logits as integers, so that equal means bitwise equal."""
    return scored[head].to_numpy().view("int32")


def _whole(tensor: Tensor) -> Tensor:
    """A weight in main memory, gathered where processes hold a share each."""
    gather = getattr(tensor, "full_tensor", None)
    return (gather() if gather else tensor).detach().cpu()


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)
