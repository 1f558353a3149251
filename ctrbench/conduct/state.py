"""The state of the process that all plugins share: what one of them changes is put back, and told.

What is not watched: the environment, import paths, signal handlers, other libraries' settings, and functions of other
modules that a plugin replaces.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

RANDOM = ("Python's random numbers", "numpy's random numbers", "torch's random numbers")
"""What is called so: the states of the global generators."""
HARMLESS = ("the working folder", "the root logger", "the filters of warnings")
"""What is called so: what does not change a run's results."""
_Part = tuple[Callable[[], Any], Callable[[Any], object]]


@contextmanager
def kept() -> Iterator[list[str]]:
    """Within, shared state may change; afterwards it is as before, and the list names what changed.

    Of torch and numpy, what is watched is what was loaded before.
    """
    parts = _parts()
    before = {name: _read(read) for name, (read, _) in parts.items()}
    changed: list[str] = []
    try:
        yield changed
    finally:
        for name, (read, write) in parts.items():
            if _read(read) != before[name]:
                changed.append(name)
                with suppress(Exception):  # a working folder that is gone
                    write(before[name])


def _read(read: Callable[[], Any]) -> Any:
    """None where it cannot be read: the working folder is gone, or torch's precision is set in two ways."""
    with suppress(Exception):
        return read()
    return None


def _parts() -> dict[str, _Part]:
    """What is watched, and how it is read and put back; values that are read can be compared."""
    parts: dict[str, _Part] = {
        RANDOM[0]: (random.getstate, random.setstate),
        HARMLESS[0]: (os.getcwd, os.chdir),
        HARMLESS[1]: (_logging, _set_logging),
        HARMLESS[2]: (_errors, _set_errors),
    }
    if numpy := sys.modules.get("numpy.random"):
        parts[RANDOM[1]] = (lambda: _numpy(numpy), lambda state: _set_numpy(numpy, state))
    if torch := sys.modules.get("torch"):
        parts |= _torch_parts(torch)
    return parts


def _torch_parts(torch: Any) -> dict[str, _Part]:
    def set_random(state: bytes) -> None:
        import numpy as np

        torch.set_rng_state(torch.from_numpy(np.frombuffer(state, np.uint8).copy()))

    return {
        RANDOM[2]: (lambda: torch.get_rng_state().numpy().tobytes(), set_random),
        "torch's default type of numbers": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
        "whether torch keeps gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "torch's choice of deterministic algorithms": (
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
    }


def _logging() -> tuple[Any, ...]:
    root = logging.getLogger()
    return root.level, tuple(root.handlers), root.manager.disable, root.disabled


def _set_logging(state: tuple[Any, ...]) -> None:
    root = logging.getLogger()
    root.level, root.handlers[:], root.manager.disable, root.disabled = state


def _errors() -> list[Any]:
    """Filters that turn warnings into errors; libraries may add others, which harm nobody."""
    return [one for one in warnings.filters if one[0] == "error"]


def _set_errors(before: list[Any]) -> None:
    lost = [one for one in before if one not in warnings.filters]
    left = [one for one in warnings.filters if one[0] != "error" or one in before]
    warnings.filters[:] = lost + left  # type: ignore[index]
    with warnings.catch_warnings():  # empties a cache
        pass


def _numpy(random: Any) -> tuple[Any, ...]:
    kind, keys, *rest = random.get_state(legacy=True)
    return kind, keys.tobytes(), *rest


def _set_numpy(random: Any, state: tuple[Any, ...]) -> None:
    kind, keys, *rest = state
    import numpy as np

    random.set_state((kind, np.frombuffer(keys, np.uint32), *rest))
