"""What tests of models are made of: steps, states, and checks whose failures are sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors.torch import load as load_bytes, save as save_bytes
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.testing import assert_close

from ctrbench.features.batch import Batch
from ctrbench.models.contract import CTRModel
from ctrbench.models.parts import own_names
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch draws from this seed inside, and goes on as if nothing had been drawn outside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def enliven(model: CTRModel, seed: int = 4) -> None:
    """Move every trainable parameter by a random amount that suits its width; padding stays zero."""
    with seeded(seed):
        for parameter in (p for p in model.parameters() if p.requires_grad):
            width = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.add_(torch.randn_like(parameter), alpha=min(0.3, width**-0.5))
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx] = 0.0


def learn(
    model: CTRModel,
    batch: Batch,
    steps: int = 1,
    optimizer: str = "adamw",
    optimizers: Sequence[Optimizer] | None = None,
) -> Sequence[Optimizer]:
    """Some steps; with the optimisers of earlier steps, their momentum goes on."""
    config = TrainConfig.model_validate({"optimizer": optimizer, "weight_decay": 0.1, "lr": 0.002})
    optimizers = optimizers or build_optimizers(model.parameter_groups(), config)
    model.train()
    with torch.enable_grad(), seeded(3):
        for _ in range(steps):
            model.loss(batch).backward()
            for one in optimizers:
                one.step()
                one.zero_grad(set_to_none=True)
    return optimizers


def all_heads(model: CTRModel) -> list[str]:
    """Every head there is."""
    return ["own", "mean", *(["general"] if model.has_general_head else []), *model.domains]


def eval_logits(model: CTRModel, batch: Batch, heads: Sequence[str]) -> dict[str, Tensor]:
    """Logits by head, in eval mode."""
    with torch.no_grad():
        return model.eval().logits(batch, heads)


def copied_state(model: CTRModel) -> dict[str, Tensor]:
    """A copy of every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def add_domain(model: CTRModel, domain: str) -> list[torch.nn.Parameter]:
    """A new domain, with weights of the same seed each time."""
    with seeded(5):
        return model.add_domain(domain)


def assert_still(model: CTRModel, state: Mapping[str, Tensor], batch: Batch, logits: Mapping[str, Tensor]) -> None:
    """These weights and logits are what they were; there may be others."""
    now = model.state_dict()
    assert_same({name: now[name] for name in state if name in now}, state)
    assert_same(eval_logits(model, batch, list(logits)), logits)


def through_file(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What safetensors makes of a state."""
    return load_bytes(save_bytes({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}))


def own_state(model: CTRModel, domain: str) -> dict[str, Tensor]:
    """A copy of the parameters and buffers that belong to a domain."""
    every = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: every[name].detach().clone() for name in own_names(model, domain)}


def is_zero(grad: Tensor | None) -> bool:
    """Whether nothing would be learned from this gradient."""
    if grad is None:
        return True
    return not (grad.coalesce().values() if grad.is_sparse else grad).count_nonzero()


def changed(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not bitwise what they were."""
    return [name for name in before if not torch.equal(now[name], before[name])]


def assert_none(names: Sequence[str], what: str) -> None:
    """There must be nothing in this list."""
    assert not names, f"{what}: {', '.join(names)}"


def assert_names(message: str, *names: str) -> None:
    """An error must say these words."""
    assert_none([name for name in names if name not in message], f"{message!r} does not say")


def assert_same(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    """Bitwise, by name."""
    assert_none(sorted(now.keys() ^ before.keys()), "there before or after only")
    assert_none(changed(now, before), "changed")


def assert_near(now: Tensor, expected: Tensor) -> None:
    """Equal but for the order of additions."""
    assert_close(now, expected, atol=1e-5, rtol=1e-4)


def assert_logits(logits: Tensor, count: int) -> None:
    """One finite number per row."""
    assert logits.shape == (count,), f"shape {tuple(logits.shape)}, not ({count},)"
    assert logits.is_floating_point(), f"logits of type {logits.dtype}"
    assert logits.isfinite().all(), "logits that are not finite"


def assert_finite(model: CTRModel, loss: Tensor) -> None:
    """Loss and gradients after `backward`."""
    assert loss.isfinite(), f"the loss is {loss}"
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    values = {name: grad.coalesce().values() if grad.is_sparse else grad for name, grad in grads.items()}
    assert_none([name for name, grad in values.items() if not grad.isfinite().all()], "a gradient that is not finite")


def assert_works(model: CTRModel, batch: Batch) -> None:
    """The model trains on the batch, and scores it."""
    loss = model.train().loss(batch)
    loss.backward()
    assert_finite(model, loss)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        assert_logits(model.eval()(batch), len(batch))


def refused(error: type[Exception], call: Callable[..., object], *args: Any, **options: Any) -> str:
    """The message of the error that the call must raise."""
    try:
        call(*args, **options)
    except error as fault:
        return str(fault)
    raise AssertionError(f"{error.__name__} was not raised")
