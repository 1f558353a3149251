"""All that `ctrbench doctor` looks at, part by part; a part that fails is a fault beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ctrbench import installed, registry
from ctrbench.doctor import TIMEOUT
from ctrbench.doctor.apart import answers
from ctrbench.doctor.caches import caches, disks
from ctrbench.doctor.machine import environment
from ctrbench.doctor.plugins import Health, Tell, job, judge, listen
from ctrbench.doctor.requirements import Library, libraries
from ctrbench.errors import in_words

SCHEMA = 1


@dataclass
class Checkup:
    """What was found; see the functions that find it. A part that cannot be examined is empty, and in `failed`."""

    environment: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, Any] = field(default_factory=dict)
    libraries: list[Library] = field(default_factory=list)
    plugins: list[Health] = field(default_factory=list)
    caches: list[dict[str, Any]] = field(default_factory=list)
    disks: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """A sentence for each thing that is to be mended, each once."""
        told = [*self.failed.values(), *self._of_devices(), *self._of_libraries(), *self._of_disks()]
        told += [*installed.faults(), *(fault for health in self.plugins for fault in health.faults)]
        return list(dict.fromkeys(told))

    def as_json(self) -> dict[str, Any]:
        """For programs; docs/doctor.md says what each key holds. Keys are added in a schema, never changed."""
        return {
            "schema": SCHEMA,
            "healthy": not self.faults,
            "faults": self.faults,
            "environment": self.environment,
            "devices": self.devices,
            "libraries": [asdict(library) for library in self.libraries],
            "plugins": [health.as_json() for health in self.plugins],
            "caches": self.caches,
            "disks": self.disks,
        }

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within, whatever goes wrong is a fault of one part."""
        try:
            yield
        except Exception as fault:
            self.failed[name] = f"the {name} cannot be examined ({in_words(fault)})"

    def _of_devices(self) -> Iterator[str]:
        for device in self.devices.get("found", ()):
            if device["fault"]:
                yield f"{device['device']} ({device['name']}) computes nothing ({device['fault']}); mend its driver"

    def _of_libraries(self) -> Iterator[str]:
        for library in self.libraries:
            if library.state in ("missing", "unfit"):
                asks = f"ctrbench[{library.extra}]" if library.extra else "ctrbench"
                there = f"version {library.version}" if library.version else "nothing"
                wanted = f"{library.name}{library.required}"
                yield f"{asks} requires {wanted}, and {there} is installed: run `pip install '{wanted}'`"

    def _of_disks(self) -> Iterator[str]:
        for disk in self.disks:
            if disk["use"] == "cache" and not disk["writable"]:
                yield f"the cache {disk['path']} cannot be written; set CTRBENCH_CACHE to a folder that can"


def checkup(timeout: float = TIMEOUT, tell: Tell = lambda text: None) -> Checkup:
    """Look at everything; `tell` hears at what. A plugin may take `timeout` seconds to import."""
    found = Checkup()
    with found.part("environment"):
        found.environment = environment()
    with found.part("libraries"):
        found.libraries = libraries()
    with found.part("plugins"):
        tell("devices")
        plugins = [plugin for kind in registry.GROUPS for plugin in registry.plugins(kind)]
        told = answers([("devices",), *map(job, plugins)], timeout)
        found.devices = _devices(next(told), found.failed)
        found.plugins = judge(plugins, list(listen(told, plugins, tell)))
    with found.part("caches"):
        tell("caches")
        found.caches = caches()
    with found.part("disks"):
        found.disks = disks()
    return found


def _devices(answer: dict[str, Any], failed: dict[str, str]) -> dict[str, Any]:
    if "fault" in answer:
        failed["devices"] = (
            f"torch cannot be asked for devices ({answer['fault']}); mend the driver, or install torch anew"
        )
        return {}
    return answer
