"""A model with frozen states, rows for it, and the folder of states that is kept."""

import torch
from torch import nn

from ctrbench.features.featurizer import FeatureInfo
from ctrbench.features.loader import Rows
from ctrbench.features.ragged import Ragged
from ctrbench.models.contract import CTRModel
from ctrbench.training.states import with_fixed_states

WIDTH = 4
NAMES = ("books", "games")
GB = 10**9


class Stub(CTRModel):
    """A frozen table of tokens below a head; its states do not depend on what else is in a batch."""

    category = "language_model"

    class Config(CTRModel.Config):
        scale: float = 1.0

    def __init__(self, config=None, domains=NAMES):
        super().__init__(config or self.Config(), FeatureInfo(), domains)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.table = nn.Embedding(50, WIDTH).requires_grad_(False)
            self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(WIDTH, 1))
        self.seen: list[int] = []

    def fixed_states(self, batch):
        self.seen += batch.row_id.tolist()
        return {"hidden": self.table(batch.x["input_ids"]) * self.config.scale}

    def forward(self, batch):
        hidden = batch.x["hidden"].float()  # (B, T, d)
        return self.head(hidden.sum(1) / batch.x["attention_mask"].sum(1, keepdim=True))[:, 0]


def some_rows(count, first=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 12, (count,), generator=generator)
    offsets = torch.cat([torch.tensor([0]), lengths.cumsum(0)])
    tokens = torch.randint(1, 50, (int(offsets[-1]),), generator=generator, dtype=torch.int32)
    return Rows(
        {"input_ids": Ragged(tokens, offsets, mask="attention_mask")},
        torch.randint(2, (count,), generator=generator),
        NAMES,
        torch.randint(2, (count,), generator=generator).float(),
        torch.arange(first, first + count),
    )


TRAIN, VALID = some_rows(40), some_rows(20, first=1000, seed=1)
BYTES = 2 * WIDTH * sum(int(rows.lengths.sum()) for rows in (TRAIN, VALID))
INDICES = torch.tensor([3, 0, 17, 39, 5])


def prepare(model=None, splits=(TRAIN, VALID), limit=GB, **options):
    return with_fixed_states(model or Stub(), splits, **{"batch_size": 8, "limit": limit, **options})


def entries(folder):
    return sorted(path for path in folder.glob("*") if path.suffix != ".lock")


def check(rows, plain, indices, model):
    """A batch of `rows` is that of `plain`, with the model's states in half precision, zero where padded."""
    batch, expected = rows.batch(indices), plain.batch(indices)
    for name, value in expected.x.items():
        assert torch.equal(batch.x[name], value)
    assert torch.equal(batch.label, expected.label)
    assert [name for name, _ in batch.groups] == [name for name, _ in expected.groups]
    states, mask = batch.x["hidden"], expected.x["attention_mask"]
    assert states.dtype == torch.float16
    assert torch.equal(states[mask], model.fixed_states(expected)["hidden"].half()[mask])
    assert not states[~mask].any()
