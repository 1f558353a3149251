"""DeepFM against its equations in plain loops, and against deepctr-torch's own model."""

from itertools import combinations

import torch

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.deepfm import DeepFM
from tests import peers
from tests.toys import build, toy_batch


def test_logit_is_the_equation():
    model, featurizer = build("deepfm")
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
    embedded, first = model.embedding(batch)
    fields = len(model.features.names)
    for row in range(len(batch)):
        logit = model.bias.clone()
        for i in range(fields):
            logit = logit + first[row, i]
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
    columns = peers.columns(6)
    kind = deepctr_module("models.deepfm").DeepFM
    theirs = kind(columns, columns, dnn_hidden_units=(16, 8), task="regression", init_std=0.5).eval()
    ours = DeepFM(DeepFM.Config(embedding_dim=6, hidden=(16, 8)), peers.INFO, ("all",)).eval()
    with torch.no_grad():
        ours.bias.copy_(theirs.out.bias[0])
    peers.copy_table(ours.embedding.table, theirs.embedding_dict, theirs.linear_model.embedding_dict)
    peers.copy_linears(ours.mlp, [*theirs.dnn.linears, theirs.dnn_linear])
    x, batch = peers.same_rows()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])
