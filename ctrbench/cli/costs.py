"""What runs would cost, as `ctrbench check` prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctrbench.bench.gpus import STEP_SECONDS, UTILISATION, Place
from ctrbench.cli.telling import clock
from ctrbench.report.grid import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ctrbench.bench.estimate import Estimate
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.cli.job import Job

NUMBERS = ("rows", "epochs", "steps", "params", "trained", "FLOPs", "weights")


@dataclass(frozen=True)
class Costed:
    """A run, the rows that it trains on, its estimate, and the tables that use it."""

    run: PlannedRun
    rows: int
    guess: Estimate
    done: bool
    tables: tuple[str, ...]

    def gpu_seconds(self, place: Place) -> float | None:
        """On one GPU of that kind."""
        if self.guess.flops is None or self.guess.steps is None:
            return None
        return place.gpu_seconds(self.guess.flops, self.guess.steps, half=self.half)

    @property
    def half(self) -> bool:
        """Whether its matrix products are in half precision."""
        return bool(self.run.spec.train.get("precision") == "bf16")


def heading(jobs: Sequence[Job], runs: int) -> str:
    """`mine, yours on clicks, profile demo: 31 runs`."""
    tables = ", ".join(job.table.name for job in jobs)
    datasets = " and ".join(dict.fromkeys(_dataset(job) for job in jobs))
    return f"{tables} on {datasets}, profile {jobs[0].plan.profile}: {'1 run' if runs == 1 else f'{runs} runs'}"


def _dataset(job: Job) -> str:
    facts = job.plan.dataset
    return f"{facts.name} (domain_by={facts.domain_by})" if facts.domain_by else facts.name


def grid(title: str, costs: Sequence[Costed], place: Place | None, *, several: bool) -> RenderableType:
    """One line per run; `several`: with the tables that use it."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "domains", "seed"):
        table.add_column(name)
    for name in (*NUMBERS, "time" if place is None else "GPU h", "download"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state")
    if several:
        table.add_column("tables")
    for cost in costs:
        spec = cost.run.spec
        state = "done" if cost.done else "to do"
        tables = [", ".join(cost.tables)] if several else []
        domains = "\n".join([*(f"+ {d}" if spec.base else d for d in spec.domains)])
        table.add_row(cost.run.row or spec.model, domains, str(spec.seed), *_numbers(cost, place), state, *tables)
    return table


def _numbers(cost: Costed, place: Place | None) -> list[str]:
    epochs, guess = cost.run.spec.train.get("epochs"), cost.guess
    return [
        f"{cost.rows:,}",
        "?" if epochs is None else str(epochs),
        _known(guess.steps, lambda steps: f"{steps:,}"),
        _known(guess.parameters, count),
        _known(guess.parameters_trained, count),
        _known(guess.flops, lambda flops: f"{flops:.1e}"),
        _known(guess.memory_bytes, size),
        _known(guess.seconds, clock) if place is None else _known(cost.gpu_seconds(place), hours),
        _known(guess.download_bytes, lambda amount: size(amount) if amount else "-"),
    ]


def total(costs: Sequence[Costed], place: Place | None) -> str:
    """What is left to spend. Runs of one backbone share a download, and runs follow each other in memory."""
    left = [cost for cost in costs if not cost.done]
    if not left:
        return "Nothing is left to do: every run is done."
    guesses = [cost.guess for cost in left]
    downloads = {
        guess.assumed or cost.run.spec.model: guess.download_bytes for cost, guess in zip(left, guesses, strict=True)
    }
    return (
        f"To do: {len(left)} of {len(costs)} runs; "
        f"steps {_sum([g.steps for g in guesses], lambda steps: f'{steps:,}')}, "
        f"FLOPs {_sum([g.flops for g in guesses], lambda flops: f'{flops:.1e}')}, "
        f"{_time(left, place)}, "
        f"weights {_largest([g.memory_bytes for g in guesses])}, "
        f"download {_sum(list(downloads.values()), size)}. All of it is estimated, without early stopping; "
        "weights are with gradients and optimizer, and activations need memory beside them."
    )


def _time(left: Sequence[Costed], place: Place | None) -> str:
    if place is None:
        return f"time {_sum([cost.guess.seconds for cost in left], clock)}"
    seconds = [cost.gpu_seconds(place) for cost in left]
    whole = f"{_sum(seconds, hours)} GPU-hours on {place.gpu.name}"
    if place.count == 1:
        return whole
    shared = [None if one is None else one / place.count for one in seconds]
    return f"{whole} ({_sum(shared, hours)} hours if {place.count} share each run without loss)"


def footnotes(jobs: Sequence[Job], costs: Sequence[Costed], place: Place | None) -> Iterator[str]:
    """What the numbers rest on where it is assumed."""
    from ctrbench.data.stand_in import StandInDataset

    for job in {job.data.manifest.source: job for job in jobs if isinstance(job.data, StandInDataset)}.values():
        data, name = job.data, job.data.manifest.source
        assert isinstance(data, StandInDataset)
        yield (
            f"{name} is not here (no --dataset): users, items and rows are those of "
            f"{data.stand_in.origin}, split and with other fields in the proportions of {data.stand_in.dataset}. "
            f"Its files are not in `download`, which is of backbones: `ctrbench data download {name}` says how large "
            "they are before it starts."
        )
    if assumed := sorted({cost.guess.assumed for cost in costs if cost.guess.assumed}):
        yield (
            f"Not here, and known by architecture alone: {', '.join(assumed)}. Each byte of a prompt counts as a "
            "token, up to max_length: an upper bound. Downloads are 4 bytes per parameter."
        )
    for model, why in dict.fromkeys((cost.run.spec.model, cost.guess.unknown) for cost in costs if cost.guess.unknown):
        yield f"{model}: what is `?` is not known, as {why}."
    if place is not None:
        gpu = place.gpu
        yield (
            f"{gpu.name}: {gpu.half / 1e12:.0f} TFLOP/s in half precision, {gpu.single / 1e12:.1f} in single, of which "
            f"{UTILISATION:.0%} are assumed to be reached, and {1000 * STEP_SECONDS:.0f} ms per step besides; "
            f"{size(gpu.memory)} of memory."
        )
        if not gpu.bf16 and (half := [cost.run.spec.model for cost in costs if cost.half]):
            yield (
                f"{gpu.name}: its half precision is FP16, and the runs of {', '.join(dict.fromkeys(half))} are in "
                "BF16, which it has no units for: these hours are the work's at the FP16 rate, and such a run takes "
                "longer there."
            )


def _known(value: Any, show: Callable[[Any], object]) -> str:
    return "?" if value is None else str(show(value))


def _sum(values: Sequence[Any], show: Callable[[Any], object]) -> str:
    """The sum of what is known, and a mark where something is not."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    return str(show(sum(known))) + (" or more" if len(known) < len(values) else "")


def _largest(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    return f"{size(max(known))}{' or more' if len(known) < len(values) else ''}"


def hours(seconds: float) -> str:
    """Hours, to about two digits."""
    number = seconds / 3600
    return f"{number:,.0f}" if number >= 99.5 else f"{number:.1f}" if number >= 0.95 else f"{number:.2f}"


def size(amount: float) -> str:
    """Bytes in the unit that fits: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
