"""DFFM against its equations in plain loops; the domain acts through parameters."""

from itertools import combinations, pairwise

import pytest
import torch
from pydantic import ValidationError

from ctrbench.api import ConfigError, FeatureInfo
from ctrbench_plugins.models.dffm import DFFM, DFUB, DomainNetwork, DomainProjection
from tests.toys import DOMAINS, build, toy_batch


def varied(**config):
    """A model in eval mode whose every parameter matters, and a batch."""
    model, featurizer = build("dffm", **config)
    torch.manual_seed(0)
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
        model.embedding.table.weight[0] = 0.0
    return model.eval(), toy_batch(featurizer)


def transformed(network, sizes, h):
    """D(h) of one embedding, cutting E^d by hand: first a layer's weights row by row, then its biases."""
    entries = network.embedding.tolist()
    for wide, narrow in pairwise(sizes):
        rows = [entries[k * wide : (k + 1) * wide] for k in range(narrow)]
        biases = entries[narrow * wide : narrow * wide + narrow]
        entries = entries[narrow * (wide + 1) :]
        h = torch.stack([torch.tensor(w) @ h + b for w, b in zip(rows, biases, strict=True)]).tanh()
    assert not entries
    return h


def attended(dfub, domain, items, target):
    """The pooled history of one row: items a list of (d,), target (t, d)."""
    dim, heads = dfub.output.weight.shape[0], dfub.heads
    width = dim // heads
    r = target.flatten().view(width, -1)
    parts = dfub.facilitate[domain].embedding.view(3, width + r.shape[1], width)
    seen = []
    for head in range(heads):
        projected = []
        for kind in range(3):
            first = kind * dim + head * width
            shared = dfub.project.weight[first : first + width]  # (e, d)
            change = parts[kind][:width] + r @ parts[kind][width:]  # A + R C
            projected.append([(shared @ item) @ change for item in items])
        pooled = torch.zeros(width)
        for query in projected[0]:
            powers = [torch.exp(query @ key / width**0.5) for key in projected[1]]
            for power, value in zip(powers, projected[2], strict=True):
                pooled = pooled + power / sum(powers) * value / len(items)
        seen.append(pooled)
    return dfub.output.weight @ torch.cat(seen)


@pytest.mark.parametrize("micro_hidden", [(8,), (6, 3)])
def test_logit_is_the_equation(micro_hidden):
    model, batch = varied(micro_hidden=micro_hidden)
    embedded, logits = model.embedding(batch), model(batch)
    assert logits.std() > 0.1
    for row in range(len(batch)):
        domain = DOMAINS[batch.domain[row]]
        fields = [transformed(model.transform[domain], (8, *micro_hidden), e) for e in embedded[row]]
        products = [fields[i] @ fields[j] for i, j in combinations(range(len(fields)), 2)]
        dffi = model.dffi(torch.cat([torch.stack(products), embedded[row].flatten()])[None])[0]
        items = [model.embedding.table.weight[k] for k in batch.x["history"][row] if k != 0]
        dfub = attended(model.dfub, domain, items, embedded[row][model.features.owned_by("item")])
        logit = model.final(torch.cat([dffi, dfub])[None])[0, 0]
        torch.testing.assert_close(logits[row], logit, atol=1e-4, rtol=1e-4)


def test_the_domain_acts_through_the_transformation_itself():
    """Appending a domain id would not be DFFM: one row, two heads, and only E^d differs."""
    model, batch = varied()
    model.dfub.facilitate["games"].load_state_dict(model.dfub.facilitate["books"].state_dict())
    ids = batch.x["ids"]
    heads = model.logits(batch, ("books", "games"))
    assert ((heads["books"] - heads["games"]).abs() > 1e-4).all()
    assert batch.x["ids"] is ids
    model.transform["games"].load_state_dict(model.transform["books"].state_dict())
    heads = model.logits(batch, ("books", "games"))
    assert torch.equal(heads["books"], heads["games"])


def test_the_domain_acts_through_the_attention_too():
    model, batch = varied()
    model.transform["games"].load_state_dict(model.transform["books"].state_dict())
    heads = model.logits(batch, ("books", "games"))
    seen = (batch.x["history"] != 0).any(1)
    assert seen.any()
    assert not seen.all()
    assert ((heads["books"] - heads["games"]).abs()[seen] > 1e-5).all()
    torch.testing.assert_close(heads["books"][~seen], heads["games"][~seen])


def test_the_target_changes_the_projections_of_the_history():
    model, batch = varied()
    items, mask = model.embedding.history(batch, "history")
    target = torch.randn(len(batch), 4, 8)
    one, other = (model.dfub(batch, items, mask, t) for t in (target, -target))
    seen = mask.any(1)
    assert ((one - other).abs().amax(1)[seen] > 1e-3).all()
    assert torch.count_nonzero(one[~seen]) == 0


def test_what_is_per_domain_is_only_the_domains_embedding():
    model, _ = build("dffm", micro_hidden=(6, 3))
    own = {name: tuple(p.shape) for name, p in model.named_parameters() if "domain_books" in name}
    width, rank = 4, 4 * 2  # four fields of the item, two heads
    assert own == {
        "transform.networks.domain_books.embedding": (8 * 6 + 6 + 6 * 3 + 3,),
        "dfub.facilitate.networks.domain_books.embedding": (3 * (width + rank) * width,),
    }


def test_training_starts_near_the_plain_inner_product_and_plain_attention():
    torch.manual_seed(0)
    h = 0.1 * torch.randn(5, 3, 8)
    torch.testing.assert_close(DomainNetwork((8, 8, 8))(h), h, atol=0.02, rtol=0.02)
    x = torch.randn(5, 2, 3, 2, 4)
    torch.testing.assert_close(DomainProjection(4, 6)(x, 0.01 * torch.randn(5, 4, 6)), x, atol=0.2, rtol=0.1)


def test_domains_start_apart():
    model, _ = build("dffm")
    assert not torch.equal(model.transform["books"].embedding, model.transform["games"].embedding)


def test_empty_histories_give_zeros():
    dfub = DFUB(8, 2, 3, DOMAINS)
    _, featurizer = build("dffm")
    batch = toy_batch(featurizer)
    count = len(batch)
    seen = dfub(batch, torch.zeros(count, 1, 8), torch.zeros(count, 1, dtype=torch.bool), torch.randn(count, 3, 8))
    assert torch.count_nonzero(seen) == 0
    seen.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in dfub.parameters())


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValidationError, match="heads 3 must divide embedding_dim 32"):
        DFFM.Config(heads=3)


def test_a_domain_network_without_layers_is_refused():
    with pytest.raises(ValidationError, match="micro_hidden"):
        DFFM.Config(micro_hidden=())


def test_a_dataset_without_item_fields_is_refused():
    info = FeatureInfo(ids=("user",), histories=("history",), vocabulary=5, of={"user": "user"})
    with pytest.raises(ConfigError, match="item"):
        DFFM(DFFM.Config(), info, ("all",))
