"""DeepFM against its equations in plain loops, and against deepctr-torch's own model."""

from itertools import accumulate, combinations

import torch

from ctrbench.api import Batch, FeatureInfo, deepctr_module
from ctrbench_plugins.models.deepfm import DeepFM
from tests.toys import build, toy_batch


def test_logit_is_the_equation():
    model, featurizer = build("deepfm")
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
        model.linear.table.weight.normal_()
    embedded, first = model.embedding(batch), model.linear(batch)
    fields = len(model.features.names)
    for row in range(len(batch)):
        logit = model.bias.clone()
        for i in range(fields):
            logit = logit + first[row, i, 0]
        for i, j in combinations(range(fields), 2):
            logit = logit + sum(embedded[row, i, k] * embedded[row, j, k] for k in range(embedded.shape[2]))
        logit = logit + model.mlp(embedded[row].flatten()[None])[0, 0]
        torch.testing.assert_close(model(batch)[row], logit, atol=1e-3, rtol=1e-4)


def test_wide_and_deep_parts_share_the_embeddings():
    model, _ = build("deepfm")
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m.embedding_dim > 1]
    assert len(tables) == 1


def test_importing_the_layers_of_deepctr_asks_no_web_address():
    import subprocess
    import sys

    code = (
        "import threading, sys\n"
        "started = []\n"
        "start = threading.Thread.start\n"
        "threading.Thread.start = lambda self: (started.append(self), start(self))\n"
        "from ctrbench.api import deepctr_module\n"
        "assert deepctr_module('layers.interaction').FM\n"
        "assert not [t for t in started if 'deepctr' in str(getattr(t, '_target', ''))], started\n"
        "assert 'deepctr_torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_logits_are_those_of_deepctr_torch_with_the_same_weights():
    sizes = {"user": 7, "item": 9, "brand": 4}
    inputs = deepctr_module("inputs")
    columns = [inputs.SparseFeat(name, size, embedding_dim=6) for name, size in sizes.items()]
    theirs = deepctr_module("models.deepfm").DeepFM(
        columns, columns, dnn_hidden_units=(16, 8), task="regression", init_std=0.5
    )
    starts = dict(zip(sizes, accumulate(sizes.values(), initial=1), strict=False))
    info = FeatureInfo(ids=tuple(sizes), vocabulary=1 + sum(sizes.values()))
    ours = DeepFM(DeepFM.Config(embedding_dim=6, hidden=(16, 8), dropout=0.0), info, ("all",))
    with torch.no_grad():
        ours.bias.copy_(theirs.out.bias[0])
        for name, size in sizes.items():
            rows = slice(starts[name], starts[name] + size)
            ours.embedding.table.weight[rows] = theirs.embedding_dict[name].weight
            ours.linear.table.weight[rows] = theirs.linear_model.embedding_dict[name].weight
        linears = [layer for layer in ours.mlp if isinstance(layer, torch.nn.Linear)]
        for mine, other in zip(linears, [*theirs.dnn.linears, theirs.dnn_linear], strict=True):
            mine.weight.copy_(other.weight)
            mine.bias.copy_(other.bias if other.bias is not None else torch.zeros_like(mine.bias))
    ids = torch.stack([torch.randint(0, size, (32,)) for size in sizes.values()], dim=1)
    shifted = ids + torch.tensor([starts[name] for name in sizes])
    batch = Batch({"ids": shifted}, torch.zeros(32).long(), ("all",), torch.zeros(32), torch.arange(32))
    expected = theirs.eval()(ids.float())[:, 0]
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.eval()(batch), expected, atol=1e-5, rtol=1e-5)
