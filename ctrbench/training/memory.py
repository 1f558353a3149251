"""Memory between steps."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_LARGEST = 32 * 2**20  # bytes; larger blocks are always mapped
_KEPT = 2**30


def keep_freed_blocks() -> bool:
    """Let the C library keep blocks of up to 32 MiB that a step frees, up to 1 GiB, for the next step.

    By default it returns them to the system, which hands them out again page by page, zeroed: about a tenth of a CPU
    step's time. It is a setting of the whole process, so it is for programs to make, not for functions that others
    call. False, and nothing done, where the C library is not glibc or where MALLOC_... variables say otherwise.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _KEPT))
