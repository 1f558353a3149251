"""Widths that give a model as many parameters as another one has, for comparisons at equal size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench import files, registry
from ctrbench.bench.spec import RunSpec
from ctrbench.data.resolve import cache_dir
from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from ctrbench.bench.facts import ModelFacts
    from ctrbench.data.store import PreparedDataset

TOLERANCE = 0.02
"""How far the numbers of parameters may be apart, relatively."""
_NEAR = 0.0005  # near enough to stop the search
_FURTHEST = 2.0**16  # factor
_WAY = 2  # raised when the same question gets another answer


@dataclass(frozen=True)
class Widened:
    """Settings with other widths, and how many parameters they make, of how many that were wanted."""

    config: dict[str, Any]
    parameters: int
    wanted: int

    @property
    def difference(self) -> float:
        """Relative, of what was wanted."""
        return (self.parameters - self.wanted) / self.wanted


def as_large(
    row: ModelFacts,
    other: ModelFacts,
    widths: Sequence[str],
    where: str,
    *,
    data: PreparedDataset,
    domains: tuple[str, ...],
    limit: int | None,
) -> ModelFacts:
    """`row` with `widths` that give it the number of parameters of `other`, and a note of both. Raises as `widened`."""
    own, like = (
        RunSpec(
            model=facts.model,
            model_version=facts.version,
            config=facts.config,
            train={},
            domains=domains,
            seed=0,
            dataset=data.fingerprint,
            limit=limit,
        )
        for facts in (row, other)
    )
    found = widened(own, like, widths, data, where)
    shown = ", ".join(f"{name} = {found.config[name]}" for name in widths)
    note = f"{row.note} " if row.note else ""
    note += (
        f"{row.title}: {found.parameters:,} parameters with {shown}; {other.title} has {found.wanted:,} "
        f"({found.difference:+.2%})."
    )
    for alone in (facts.title for facts in (row, other) if facts.per_domain):
        note += f" The parameters of {alone} are those of one model on all domains; here, each domain has its own."
    return replace(row, config=found.config, note=note)


def widened(own: RunSpec, like: RunSpec, widths: Sequence[str], data: PreparedDataset, where: str) -> Widened:
    """`own`'s settings, its `widths` all multiplied by one factor, so that it has the parameters of `like`.

    All parameters count, also frozen ones. Both models are built without weights; what was found is kept in the cache.
    Raises `ConfigError`, which begins with `where`, for a setting that is no width, and where no factor brings the
    numbers within `TOLERANCE` of each other.
    """
    _check_widths(own, widths, where)
    key = hashlib.sha256(json.dumps([_WAY, own.id, like.id, list(widths)]).encode()).hexdigest()[:32]
    kept = cache_dir() / "widths" / f"{key}.json"
    found = _read(kept)
    if found is None:
        found = _search(own, like, widths, data)
        with files.atomic(kept, "set CTRBENCH_CACHE to a folder that can be written") as temporary:
            temporary.write_text(json.dumps(asdict(found)), "utf-8")
    if abs(found.difference) > TOLERANCE:
        raise ConfigError(
            f"{where}: no {' and '.join(widths)} give {own.model} the {found.wanted:,} parameters of {like.model} "
            f"within {TOLERANCE:.0%} (the nearest is {found.parameters:,}); widen others, or change embedding_dim"
        )
    return found


def _read(kept: Path) -> Widened | None:
    try:
        return Widened(**json.loads(kept.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _check_widths(own: RunSpec, widths: Sequence[str], where: str) -> None:
    for name in widths:
        if name not in own.config:
            raise ConfigError(f"{where}: {own.model} has no setting {name!r} to widen.{suggest(name, own.config)}")
        value = own.config[name]
        if not all(type(width) is int for width in (value if isinstance(value, list) else [value])):
            raise ConfigError(f"{where}: {name} of {own.model} is {value!r}, which is no width to multiply")


def _search(own: RunSpec, like: RunSpec, widths: Sequence[str], data: PreparedDataset) -> Widened:
    """By bisection: wider layers never have fewer parameters."""
    import torch

    from ctrbench.backbones.known import architecture_suffices
    from ctrbench.bench.build import build
    from ctrbench.bench.size import parameters

    with architecture_suffices(), torch.device("meta"):
        other, featurizer = build(like, data, like.limit)
        wanted = parameters(other, featurizer.info, data, like)[0]
        info = build(own, data, own.limit)[1].info
        kind = registry.load("models", own.model)

        def at(factor: float) -> Widened:
            config = _scaled(own.config, widths, factor)
            model = kind(kind.Config.model_validate(config), info, own.domains)
            return Widened(config, parameters(model, info, data, own)[0], wanted)

        return _nearest(at)


def _nearest(at: Callable[[float], Widened]) -> Widened:
    low = high = 1.0
    best = at(1.0)
    while (top := at(high)).difference < 0 and high < _FURTHEST:
        low, high, best = high, 2 * high, min(best, top, key=_distance)
    while (bottom := at(low)).difference > 0 and low > 1 / _FURTHEST:
        low, high, best = low / 2, low, min(best, bottom, key=_distance)
    best = min(best, top, bottom, key=_distance)
    while _distance(best) > _NEAR and high - low > 1e-6 * high:
        middle = (low + high) / 2
        found = at(middle)
        best = min(best, found, key=_distance)
        low, high = (middle, high) if found.difference < 0 else (low, middle)
    return best


def _distance(found: Widened) -> float:
    return abs(found.difference)


def _scaled(config: Mapping[str, Any], widths: Sequence[str], factor: float) -> dict[str, Any]:
    def scaled(width: int) -> int:
        return max(1, round(width * factor))

    changed = {name: config[name] for name in widths}
    changed = {n: [scaled(w) for w in v] if isinstance(v, list) else scaled(v) for n, v in changed.items()}
    return {**config, **changed}
