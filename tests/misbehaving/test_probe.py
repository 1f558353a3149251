"""The look at a few rows before a training: it faults no good model, changes nothing, and costs little."""

import copy
import logging
import random
import weakref

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ctrbench import registry
from ctrbench.bench import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Target
from ctrbench.conduct.blame import Suspect
from ctrbench.evaluation import probe as module
from ctrbench.evaluation.probe import probe
from ctrbench.features.view import view
from ctrbench.models.contract import CTRModel
from ctrbench.models.per_domain import PerDomain
from tests.bench.test_execute import planned
from tests.toys import DOMAINS, TINY


def seen(kind, config, data):
    """A new model, and train rows as it sees them."""
    featurizer = kind.featurizer(config).fit(data.scan("train"), data.items, data.manifest)
    torch.manual_seed(0)
    return kind(config, featurizer.info, DOMAINS), view(data, featurizer, "train", DOMAINS)


@pytest.mark.parametrize("name", registry.names("models"))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_registered_models_keep_their_promises(toy, name, precision):
    kind = registry.load("models", name)
    model, rows = seen(kind, kind.Config(**TINY[name]), toy)
    assert module._twin(model) is not None
    probe(model, rows, Suspect("models", name), precision)


class Counting(CTRModel):
    """Whose every pass in train mode leaves traces: in a buffer, an attribute, and random states."""

    category = "multi_domain"

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.table = nn.Embedding(features.vocabulary, 4, padding_idx=0, sparse=True)
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(0.5)
        self.heads = PerDomain(lambda: nn.Linear(4, 1), domains)
        self.steps = 0

    def forward(self, batch):
        self.steps += self.training
        x = self.dropout(self.norm(self.table(batch.x["ids"]).sum(1)))
        return self.heads(batch, x)[:, 0] + (0.1 * self.steps if self.training else 0.0)


def test_nothing_is_changed(toy):
    model, rows = seen(Counting, Counting.Config(), toy)
    before, mode = copy.deepcopy(model.state_dict()), model.training
    states = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    probe(model, rows, Suspect("models", "counting"))
    assert all(torch.equal(now, before[name]) for name, now in model.state_dict().items())
    assert (model.steps, model.training) == (0, mode)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == states[:2]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_model_that_cannot_be_copied_is_left_to_its_training(toy):
    model, rows = seen(Counting, Counting.Config(), toy)
    model.stream = (number for number in range(3))
    probe(model, rows, Suspect("models", "counting"))
    assert model.steps == 0


class Hooked(Counting):
    """Whose hook keeps what another part makes, in the model that was built."""

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.heads = PerDomain(lambda: nn.Linear(self.norm.num_features, 1), domains)
        self.norm.register_forward_hook(self.keeping())

    def keeping(self):
        def keep(module, given, made):
            self.made = made

        return keep

    def forward(self, batch):
        super().forward(batch)
        return self.made.sum(1) + self.heads(batch, self.made)[:, 0]


class Tapped(Hooked):
    """The same, in a list that hook and model share."""

    def keeping(self):
        self.taps = taps = []
        return lambda module, given, made: taps.append(made)

    def forward(self, batch):
        Counting.forward(self, batch)
        return self.taps.pop().sum(1)


class Referring(Counting):
    """Whose part knows the whole."""

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.dropout.whole = weakref.ref(self)


@pytest.mark.parametrize("kind", [Hooked, Tapped, Referring])
def test_a_model_whose_copy_would_work_on_the_model_is_left_to_its_training(toy, kind):
    model, rows = seen(kind, kind.Config(), toy)
    probe(model, rows, Suspect("models", "counting"))
    assert (model.steps, model.norm.num_batches_tracked) == (0, 0)
    assert module._twin(model) is None


class Speaks(Counting):
    """Logs as a script does, which gives the root logger a handler; an honest model otherwise."""

    def forward(self, batch):
        logging.getLogger().addHandler(logging.NullHandler())
        return self.heads(batch, self.table(batch.x["ids"]).sum(1))[:, 0]


def test_what_changes_no_result_ends_no_run(toy):
    model, rows = seen(Speaks, Speaks.Config(), toy)
    before = list(logging.root.handlers)
    probe(model, rows, Suspect("models", "counting"))
    assert logging.root.handlers == before


class Greedy(Counting):
    def forward(self, batch):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")


def test_want_of_memory_for_the_look_ends_no_run(toy):
    model, rows = seen(Greedy, Greedy.Config(), toy)
    probe(model, rows, Suspect("models", "counting"))


def test_few_rows_are_of_several_domains_and_found_without_reading_all(toy):
    _, rows = seen(Counting, Counting.Config(), toy)
    batch = module._few(rows)
    assert len(batch) == 6
    assert len(batch.groups) == 3


class Large(Counting):
    """A table of the paper's rows whose gradient is dense, and as wide as there are domains."""

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.table = nn.Embedding(2_700_000, 3, padding_idx=0)
        self.norm = nn.BatchNorm1d(3)
        self.heads = PerDomain(lambda: nn.Linear(3, 1), domains)


class Operations(TorchDispatchMode):
    """Writes down what is computed."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names = [*getattr(self, "names", ()), func.overloadpacket.__name__]
        return func(*args, **(kwargs or {}))


def test_no_gradient_and_no_copy_of_a_large_table_is_made(toy):
    model, rows = seen(Large, Large.Config(), toy)
    with Operations() as operations:
        probe(model, rows, Suspect("models", "large"))
    assert "embedding" in operations.names
    assert "embedding_dense_backward" not in operations.names
    twin = module._twin(model)
    assert twin.table.weight is model.table.weight
    assert twin.norm.running_mean is not model.norm.running_mean


@pytest.mark.parametrize("name", ["star", "uni_ctr"])
def test_predictions_are_those_of_a_run_without_it(toy, tmp_path, monkeypatch, name):
    looked = []
    with_it = planned(toy, name, config={"dropout": 0.2} if name == "star" else {})
    monkeypatch.setattr(execute, "probe", lambda *given: looked.append(probe(*given)))
    execute.execute(with_it, toy, tmp_path / "with")
    assert len(looked) == 1
    monkeypatch.setattr(execute, "probe", lambda *given: None)
    execute.execute(with_it, toy, tmp_path / "without")
    one, other = (
        pl.read_parquet(RunFolder.of(tmp_path / where, "toy", with_it.spec).predictions)
        for where in ("with", "without")
    )
    assert one.equals(other)


def test_what_is_trained_is_not_looked_at_again(toy, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(execute, "probe", lambda *given: looked.append(given))
    run = planned(toy, "deepfm", domains=("books",), targets=[Target("test", "books", "own")])
    execute.execute(run, toy, tmp_path)
    more = planned(toy, "deepfm", domains=("books",), targets=[Target("valid", "books", "own")])
    execute.execute(more, toy, tmp_path)
    assert len(looked) == 1


def test_few_rows_are_rows_of_the_training(toy):
    _, rows = seen(Counting, Counting.Config(), toy)
    assert set(module._few(rows).row_id.tolist()) <= set(rows.row_id.tolist())
