"""What a model makes of ids while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_PLACES_OR_COUNTS = {"argmax", "argmin", "argsort", "bincount", "bucketize", "count_nonzero", "nonzero", "searchsorted"}


class NoFloatsFromIds(TorchDispatchMode):
    """Refuses operations that make floating-point numbers of ids alone; looking ids up in a table is none.

    Integers made of ids count as ids, but for places, counts, and masks of zeros and ones.
    """

    def __init__(self, ids: Sequence[Tensor]) -> None:
        super().__init__()
        self.ids = [tensor for tensor in ids if tensor.numel()]  # kept, so that their memory is not used again
        self.storages = {_storage(tensor) for tensor in self.ids}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        given = _values(func, args, kwargs or {})
        takes_no_values = name.endswith("_like") or name.startswith("new_")
        if takes_no_values or not any(_storage(tensor) in self.storages for tensor in given):
            return out
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if any(tensor.is_floating_point() for tensor in made) and not any(leaf.is_floating_point() for leaf in given):
            raise AssertionError(f"{func} makes floating-point numbers of ids")
        if name not in _PLACES_OR_COUNTS:
            self._track(made[:1])  # `sort`, `max` and `unique` give values first, then places or counts
        return out

    def _track(self, made: Sequence[Tensor]) -> None:
        """Integers other than zeros and ones are ids from now on."""
        for tensor in made:
            if not tensor.is_floating_point() and tensor.dtype != torch.bool and (tensor.abs() > 1).any():
                self.ids.append(tensor)
                self.storages.add(_storage(tensor))


def _values(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operation computes with; those that only say where to look or write are none."""
    named = {**dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)), **kwargs}
    leaves = tree_leaves([value for name, value in named.items() if name not in ("index", "indices")])
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
