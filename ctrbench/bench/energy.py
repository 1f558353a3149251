"""The energy that work took, where the machine tells: counters of its processors (RAPL) and of its GPU (NVML).

They count all that the machine does meanwhile, not this process alone. What they do not tell is unknown, never guessed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

POWERCAP = Path("/sys/class/powercap")
EVERY = 30.0
"""Seconds between two looks. A processor's counter begins again after some minutes, at the earliest."""
_log = logging.getLogger(__name__)


@dataclass
class Counter:
    """A number of joules that grows; `span`: where it begins again at zero, if it ever does."""

    read: Callable[[], float]
    span: float | None = None
    joules: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.last = self.read()

    def look(self) -> None:
        """Add what came since the last look."""
        now = self.read()
        grown = now - self.last
        if grown < 0 and self.span is not None:
            grown += self.span
        self.joules, self.last = self.joules + max(grown, 0.0), now


@dataclass
class Energy:
    """What a block of work took; known at its end."""

    joules: dict[str, float] = field(default_factory=dict)
    """By part of the machine: `cpu` (processors and their memory), `gpu`."""

    @property
    def wh(self) -> float | None:
        """Watt hours of all parts that told; None where none did."""
        return sum(self.joules.values()) / 3600 if self.joules else None

    @property
    def of(self) -> str | None:
        """`cpu`, `gpu` or `cpu+gpu`."""
        return "+".join(sorted(self.joules)) or None


@contextmanager
def measured(device: torch.device) -> Iterator[Energy]:
    """The energy of what happens inside; unknown on a GPU that does not tell its own: processors would mislead."""
    energy = Energy()
    counters = _counters(device)
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(counters, stop), daemon=True)
    watcher.start()
    try:
        yield energy
    finally:
        stop.set()
        watcher.join()
    energy.joules = {part: sum(one.joules for one in some) for part, some in counters.items() if some}


def _watch(counters: dict[str, list[Counter]], stop: threading.Event) -> None:
    """Look now and then, and once at the end; a counter that fails takes all with it."""
    done = not counters
    while not done:
        done = stop.wait(EVERY)
        try:
            for counter in (one for some in counters.values() for one in some):
                counter.look()
        except Exception as error:
            _log.info("the energy counters stopped telling: %s", error)
            counters.clear()
            return


def _counters(device: torch.device) -> dict[str, list[Counter]]:
    """By part of the machine; none where the part that does the work does not tell."""
    cpu = _told(processors)
    if device.type == "cpu":
        return {"cpu": cpu} if cpu else {}
    gpu = _told(partial(gpus, device)) if device.type == "cuda" else []
    found = {"gpu": gpu, "cpu": cpu}
    return {part: some for part, some in found.items() if some} if gpu else {}


def _told(counters: Callable[[], Sequence[Counter]]) -> list[Counter]:
    try:
        return list(counters())
    except Exception as error:
        _log.info("no energy counter: %s", error)
        return []


def processors(root: Path = POWERCAP) -> list[Counter]:
    """The counters of each processor package, and of memory where it has one of its own (Intel and AMD, Linux).

    A package's cores and its other parts are within it. `OSError` where they may not be read, as usual for all but
    root.
    """
    zones = sorted(root.glob("intel-rapl:*"))
    names = {zone: (zone / "name").read_text().strip() for zone in zones}
    return [
        Counter(partial(_microjoules, zone / "energy_uj"), _microjoules(zone / "max_energy_range_uj"))
        for zone, name in names.items()
        if name.startswith("package") or name == "dram"
    ]


def gpus(device: torch.device) -> list[Counter]:
    """The counter of one NVIDIA GPU, since Volta; needs the package nvidia-ml-py."""
    import pynvml
    import torch

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    return [Counter(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)]


def _microjoules(file: Path) -> float:
    return int(file.read_text()) / 1e6
