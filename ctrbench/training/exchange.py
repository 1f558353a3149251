"""One step's gradients from all processes: summed, so that every process makes the same step as one alone would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ctrbench.training.processes import Team

_NONE, _DENSE, _SPARSE = 0, 1, 2
"""What a parameter's gradient is; _SPARSE + n: sparse, with n rows. Of several processes, the largest counts."""
_BUCKET = 2**24  # numbers that travel together


class Exchange:
    """The gradients of what `optimizers` move, and the buffers that training changes in `model`.

    A parameter without a gradient on some process counts as zero there; without one on any, it keeps none, so that the
    optimisers pass over it as they do in one process. A buffer, such as a running mean, makes the mean of the moves
    that processes made of it; one that none moved costs nothing on the way, and a mask of truth values has no mean.
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], team: Team) -> None:
        self.team = team
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        self.parameters: list[nn.Parameter] = [parameter for group in groups for parameter in group["params"]]
        kept = model.state_dict(keep_vars=True)
        buffers = [buffer for name, buffer in model.named_buffers() if name in kept and buffer.dtype != torch.bool]
        self.buffers = buffers if team.count > 1 else []
        self.before = [buffer.clone() for buffer in self.buffers]
        self.begin()

    def begin(self) -> None:
        """Before a forward pass."""
        self.kinds = [_NONE] * (len(self.parameters) + len(self.buffers))
        if self.buffers:
            torch._foreach_copy_(self.before, self.buffers)

    def look(self) -> None:
        """After a backward pass: which parameters have a gradient, and which buffers moved."""
        if self.team.count > 1:
            self.kinds = [*(_kind(parameter) for parameter in self.parameters), *self._moved()]

    def agree(self, error: Exception | None, asks: Sequence[bool]) -> tuple[list[bool], list[int]]:
        """Meet after a pass: which of `asks` is true on any process, and what there is to `add_up`.

        Where `error` ended the pass of one process, all raise.
        """
        if self.team.count == 1:
            self.team.settle(0, error)
            return list(asks), []
        failed, *rest = self.team.agree([self.team.fault(error), *asks, *self.kinds])
        self.team.settle(failed, error)
        return [bool(ask) for ask in rest[: len(asks)]], rest[len(asks) :]

    @torch.no_grad()
    def add_up(self, kinds: Sequence[int], loss: Tensor) -> None:
        """Sum gradients and `loss` (a scalar, in place) over all processes; bring buffers together.

        `kinds`: each gradient's kind, then for each buffer whether any process moved it, as `agree` gives them.
        """
        if self.team.count == 1:
            return
        dense, moved = [loss], kinds[len(self.parameters) :]
        for parameter, kind in zip(self.parameters, kinds, strict=False):
            if kind == _DENSE:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                dense.append(parameter.grad)
            elif kind >= _SPARSE:
                parameter.grad = self._rows(parameter, kind - _SPARSE)
        for bucket in _buckets(dense):
            self._sum(bucket)
        self._move_buffers([index for index, yes in enumerate(moved) if yes])

    def _rows(self, table: nn.Parameter, most: int) -> Tensor:
        """The sum of all processes' sparse gradients of `table`, none of which has more than `most` rows."""
        rows = torch.full((most,), -1, dtype=torch.int64, device=table.device)
        values = table.new_zeros(most, *table.shape[1:])
        if table.grad is not None:
            own = table.grad.indices()[0]
            rows[: len(own)], values[: len(own)] = own, table.grad.values()
        every, numbers = torch.cat(self.team.gather(rows)), torch.cat(self.team.gather(values))
        real = every >= 0
        return torch.sparse_coo_tensor(every[real][None], numbers[real], table.shape).coalesce()

    def _sum(self, tensors: Sequence[Tensor]) -> None:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self.team.sum(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [part.view_as(t) for part, t in zip(parts, tensors, strict=True)])

    def _moved(self) -> list[bool]:
        """Of each buffer, whether this process's forward pass changed it."""
        flags = [(now != before).any() for now, before in zip(self.buffers, self.before, strict=True)]
        return torch.stack([flag.cpu() for flag in flags]).tolist() if flags else []

    def _move_buffers(self, which: Sequence[int]) -> None:
        """Each of these buffers, to where it was and the mean of the moves of the processes that moved it."""
        if not which:
            return
        pairs = [(self.buffers[index], self.before[index]) for index in which]
        moves = [torch.where(now == before, 0, now - before).float() for now, before in pairs]  # inf - inf is no move
        moved = torch.stack([move.any() for move in moves]).float()
        self._sum([moved, *moves])
        for (buffer, before), move, times in zip(pairs, moves, moved, strict=True):
            mean = move / times.clamp(min=1)
            buffer.copy_(before + (mean if buffer.is_floating_point() else mean.round().to(buffer.dtype)))


def share_weights(model: nn.Module, team: Team) -> None:
    """Give every process the main one's parameters and buffers."""
    if team.count > 1:
        with torch.no_grad():
            for tensor in model.state_dict(keep_vars=True).values():
                whole = tensor.contiguous()
                team.broadcast(whole)
                tensor.copy_(whole)


def _kind(parameter: nn.Parameter) -> int:
    grad = parameter.grad
    if grad is None:
        return _NONE
    if not grad.is_sparse:
        return _DENSE
    parameter.grad = grad.coalesce()
    return _SPARSE + parameter.grad._nnz()


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one type together, up to a size that bounds the memory for their copy."""
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        bucket, size = list[Tensor](), 0
        for tensor in tensors:
            if tensor.dtype == kind:
                bucket.append(tensor)
                size += tensor.numel()
            if size >= _BUCKET:
                yield bucket
                bucket, size = [], 0
        if bucket:
            yield bucket
