"""`acme_fm`: what ctrbench asks of every model, and its equation against plain loops."""

from itertools import combinations

import torch

from ctrbench.testing import ModelTests


class TestAcmeFM(ModelTests):
    model = "acme_fm"
    config = {"embedding_dim": 4}

    def test_the_logit_is_the_equation(self):
        model, batch = self.trained(), self.batch(6)
        with torch.no_grad():
            (embedded, first), logits = model.embedding(batch), model(batch)
        for row in range(len(batch)):
            own = model.pairs[batch.domains[batch.domain[row]]]
            expected = own.bias.item() + sum(first[row].tolist())
            for pair, (i, j) in enumerate(combinations(range(embedded.shape[1]), 2)):
                expected += own.weights[pair].item() * (embedded[row, i] @ embedded[row, j]).item()
            assert abs(logits[row].item() - expected) < 1e-4
