"""Models of a stranger's distribution: a good one, and one for each fault. A test copies this file and installs it."""

import random
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ctrbench.api import CTRModel, IdFeaturizer, PerDomain


class Fine(CTRModel):
    """A sum of embeddings, and a layer per domain."""

    category = "multi_domain"
    train_defaults: ClassVar = {"epochs": 1, "batch_size": 16, "lr": 0.01}

    class Config(CTRModel.Config):
        dim: int = 4

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.table = nn.Embedding(features.vocabulary, config.dim, padding_idx=0, sparse=True)
        self.heads = PerDomain(lambda: nn.Linear(config.dim, 1), domains)

    def forward(self, batch):
        return self.heads(batch, self.table(batch.x["ids"]).sum(1))[:, 0]


class Constructor(Fine):
    def __init__(self, config):
        super().__init__(config)


class Forward(Fine):
    def forward(self, ids, domain):
        return ids


class Abstract(Fine):
    forward = CTRModel.forward


class NoModel(nn.Module):
    category = "multi_domain"
    Config = Fine.Config
    version, train_defaults, has_general_head = "1", {}, False

    def __init__(self, config, features, domains):
        super().__init__()

    featurizer = Fine.featurizer


class NoConfig(Fine):
    Config = dict


class Rates(Fine):
    train_defaults: ClassVar = {"epochs": 1, "learning_rate": 1}


class Wide(Fine):
    def forward(self, batch):
        return super().forward(batch)[:, None]


class Whole(Fine):
    def forward(self, batch):
        return super().forward(batch).long()


class Nothing(Fine):
    def forward(self, batch):
        super().forward(batch)


class NaN(Fine):
    def forward(self, batch):
        return super().forward(batch) * torch.tensor(float("nan"))


class NaNLater(Fine):
    steps = 0

    def loss(self, batch):
        self.steps += 1
        return super().loss(batch) * (float("nan") if self.steps > 3 else 1.0)


class BreaksLater(Fine):
    steps = 0

    def loss(self, batch):
        self.steps += 1
        return super().loss(batch) if self.steps < 3 else {}["gone"]


class Mutates(Fine):
    def forward(self, batch):
        batch.x["ids"][:, 0] += 1
        return super().forward(batch)


class MutatesLabels(Fine):
    def loss(self, batch):
        batch.label.mul_(0.9)
        return super().loss(batch)


class Rows(Fine):
    def forward(self, batch):
        logits = super().forward(batch)
        return logits - logits.mean()


class Batchwise(Fine):
    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.norm = nn.BatchNorm1d(config.dim, track_running_stats=False)

    def forward(self, batch):
        return self.heads(batch, self.norm(self.table(batch.x["ids"]).sum(1)))[:, 0]


class Calls(Fine):
    seen = 0.0

    def forward(self, batch):
        logits = super().forward(batch) + self.seen
        self.seen = self.seen + 0.01
        return logits


class Draws(Fine):
    def forward(self, batch):
        return super().forward(batch) + 1e-3 * torch.rand(len(batch))


class Seeds(Fine):
    def __init__(self, config, features, domains):
        torch.manual_seed(1234)
        super().__init__(config, features, domains)


class SeedsLosses(Fine):
    def loss(self, batch):
        np.random.seed(7)
        return super().loss(batch)


class SeedsEverything(Fine):
    def loss(self, batch):
        random.seed(7)
        torch.manual_seed(7)
        return super().loss(batch)


class Shuffled(IdFeaturizer):
    def fit(self, train, items, manifest):
        np.random.shuffle([1, 2, 3])
        return super().fit(train, items, manifest)


class Features(Fine):
    @classmethod
    def featurizer(cls, config):
        return Shuffled()


class Short(IdFeaturizer):
    def __call__(self, rows, items):
        return {name: feature[:-1] for name, feature in super().__call__(rows, items).items() if name == "ids"}


class FewFeatures(Fine):
    @classmethod
    def featurizer(cls, config):
        return Short()


class Masks(Fine):
    """Every network sees every row."""

    def forward(self, batch):
        x = self.table(batch.x["ids"]).sum(1)
        logits = torch.zeros(len(batch), device=x.device)
        for name in self.domains:
            own = torch.tensor([batch.domains[place] == name for place in batch.domain.tolist()])
            logits = logits + torch.where(own, self.heads[name](x)[:, 0], torch.zeros(()))
        return logits


class Stacked(Fine):
    """One weight for the heads of all domains."""

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.stack = nn.Parameter(torch.randn(len(domains), config.dim))

    def forward(self, batch):
        place = torch.tensor([self.domains.index(name) for name in batch.domains])[batch.domain]
        x = self.table(batch.x["ids"]).sum(1)
        return super().forward(batch) + (self.stack[place] * x).sum(1)


class Writes(Fine):
    """Works, but leaves a file where it stands."""

    def loss(self, batch):
        Path("acme.log").write_text("loss")
        return super().loss(batch)


class Prints(Fine):
    """Works, but speaks."""

    def loss(self, batch):
        print("acme speaks")
        return super().loss(batch)


class Doubles(Fine):
    def loss(self, batch):
        torch.set_default_dtype(torch.float64)
        return super().loss(batch)


class Threads(Fine):
    """Works, but changes the process on the way."""

    steps = 0

    def loss(self, batch):
        self.steps += 1
        if self.steps > 2:
            torch.set_num_threads(3)
        return super().loss(batch)


class Labels(Fine):
    """Knows the answer."""

    def forward(self, batch):
        return super().forward(batch) + 5 * batch.label


class LabelsLater(Fine):
    """Learns to read the answer: before any training, it has no weight."""

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, batch):
        return super().forward(batch) + self.gate * batch.label


class Numbers(Fine):
    def forward(self, batch):
        return super().forward(batch) + batch.row_id % 7


class GeneralLabels(Fine):
    has_general_head = True

    def forward_general(self, batch):
        return self.table(batch.x["ids"]).sum((1, 2)) + batch.label


class General(Fine):
    has_general_head = True


class Version(Fine):
    version = 1


class Category(Fine):
    category = "multidomain"


class NoCategory(CTRModel):
    forward = Fine.forward


class Flag(Fine):
    adds_domains = "no"


class NoDefault(Fine):
    class Config(Fine.Config):
        hidden: tuple[int, ...]


class NoRates(Fine):
    train_defaults = None
