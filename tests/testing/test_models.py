"""The kit passes a model that keeps its promises, and catches one that breaks them: a small broken model for each."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ctrbench.api import (
    CTRModel,
    FieldEmbedding,
    IdFeaturizer,
    PerDomain,
    Rate,
    Size,
    TextFeaturizer,
    load_encoder,
    load_tokenizer,
    mlp,
)
from ctrbench.errors import ConfigError, PluginError
from ctrbench.testing import ModelTests
from tests.fakes import entry, register


class Small(CTRModel):
    """Shared layers, and a tower per domain."""

    category = "multi_domain"

    class Config(CTRModel.Config):
        embedding_dim: Size = 4
        dropout: Rate = 0.1

    def __init__(self, config, features, domains):
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        self.width = len(features.names) * config.embedding_dim
        self.bottom = mlp((self.width, 8), config.dropout)
        self.towers = PerDomain(self.tower, domains)

    def tower(self):
        return nn.Linear(8, 1)

    def encode(self, batch):
        return self.bottom(self.embedding(batch).flatten(1))

    def forward(self, batch):
        return self.towers(batch, self.encode(batch))[:, 0]


class General(Small):
    """With a general network."""

    has_general_head = True

    def __init__(self, *args):
        super().__init__(*args)
        self.general = nn.Linear(8, 1)

    def forward_general(self, batch):
        return self.general(self.encode(batch))[:, 0]

    def loss(self, batch):
        own = super().loss(batch)
        if not self.general.weight.requires_grad:
            return own
        return own + functional.binary_cross_entropy_with_logits(self.forward_general(batch), batch.label)


class Single(Small):
    """One head for all."""

    category = "single_domain"

    def __init__(self, *args):
        super().__init__(*args)
        self.towers = self.tower()

    def forward(self, batch):
        return self.towers(self.encode(batch))[:, 0]


class TestSmall(ModelTests):
    model = Small


class TestGeneral(ModelTests):
    model = General
    config = {"embedding_dim": 8}  # noqa: RUF012 - as the documentation writes it


class TestSingle(ModelTests):
    model = Single


CASES: list[tuple[type[CTRModel], str, str]] = []


def breaks(test: str, words: str | None = None) -> Any:
    """Registers a broken model, the test that must catch it, and words that must stand in the message."""

    def keep(kind: type[CTRModel]) -> type[CTRModel]:
        CASES.append((kind, f"test_{test}", words))
        return kind

    return keep


@breaks("it_is_built_for_this_api", "built for version 99 of ctrbench.api, and ctrbench .* speaks version")
class Later(Small):
    api_version = 99


# rows


@breaks("eval_logits_are_one_finite_number_per_row", r"shape \(48, 1\), not \(48,\)")
class ColumnOfLogits(Small):
    def forward(self, batch):
        return super().forward(batch)[:, None]

    def loss(self, batch):
        return functional.binary_cross_entropy_with_logits(self(batch)[:, 0], batch.label)


@breaks("eval_logits_are_one_finite_number_per_row", "finite")
class InfiniteLogits(Small):
    def forward(self, batch):
        return super().forward(batch) / (batch.x["history"] != 0).sum(1)


@breaks("eval_logits_are_one_finite_number_per_row", "the same logit")
class ConstantLogits(Single):
    def encode(self, batch):
        return super().encode(batch) * 0


@breaks("a_rows_logit_does_not_depend_on_the_other_rows", "statistics")
class BatchStatistics(Small):
    def encode(self, batch):
        encoded = super().encode(batch)
        return encoded - encoded.mean(0)


@breaks("logits_follow_the_rows_when_the_batch_is_reordered")
class RowNumbers(Small):
    def encode(self, batch):
        return super().encode(batch) + torch.arange(len(batch))[:, None]


@breaks("logits_know_no_labels", "head 'own' reads the label")
class ReadsLabels(Small):
    def forward(self, batch):
        return super().forward(batch) + 1e-3 * batch.label


@breaks("logits_know_no_labels", "head 'general' reads the label")
class ReadsLabelsInGeneral(General):
    def forward_general(self, batch):
        return super().forward_general(batch) + batch.label


@breaks("logits_know_no_labels", "head 'own' reads the row_id")
class ReadsRowIds(Small):
    def forward(self, batch):
        return super().forward(batch) + batch.row_id % 7


@breaks("more_padding_changes_no_logit", "mask padding")
class AttentionToPadding(Small):
    def encode(self, batch):
        items = self.embedding.table(batch.x["history"]) + 1.0
        return super().encode(batch) + items.mean((1, 2))[:, None]


@breaks("scoring_twice_gives_bitwise_the_same")
class DropoutAtEval(Small):
    def encode(self, batch):
        return functional.dropout(super().encode(batch), 0.5, training=True)


@breaks("scoring_twice_gives_bitwise_the_same", "changed: calls")
class CountsAtEval(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, batch):
        self.calls += 1
        return super().forward(batch)


@breaks("a_batch_is_left_as_it_was", "changed: numbers")
class MutatesTheBatch(Small):
    def encode(self, batch):
        batch.x["numbers"].clamp_(max=0.5)
        return super().encode(batch)


@breaks("ids_stay_integers", "2.24")
class FloatIds(Small):
    def encode(self, batch):
        return super().encode(batch) + torch.cat([batch.x["ids"].float(), batch.x["numbers"]], 1).sum(1, True)


@breaks("ids_stay_integers")
class DividedIds(Small):
    def encode(self, batch):
        return super().encode(batch) + batch.x["history"][:, :1] / 10


@breaks("ids_stay_integers", "makes floating-point numbers of ids")
class FloatsOfShiftedIds(Small):
    def encode(self, batch):
        return super().encode(batch) + (batch.x["ids"] + 1).float().mean(1, keepdim=True)


class ScalesByTheBatch(IdFeaturizer):
    def __call__(self, rows, items):
        out = super().__call__(rows, items)
        return {**out, "numbers": out["numbers"] - out["numbers"].mean()}


@breaks("a_rows_features_do_not_depend_on_the_other_rows", "changed: numbers")
class FeaturesOfTheBatch(Small):
    @classmethod
    def featurizer(cls, config):
        return ScalesByTheBatch()


# learning


@breaks("the_loss_is_a_finite_scalar", "return a scalar")
class LossPerRow(Small):
    def loss(self, batch):
        return functional.binary_cross_entropy_with_logits(self(batch), batch.label, reduction="none")


@breaks("the_loss_is_a_finite_scalar", "no_grad")
class UnattachedLoss(Small):
    """A scalar that claims a gradient, and reaches no parameter."""

    def loss(self, batch):
        return super().loss(batch).detach().requires_grad_()


@breaks("every_parameter_learns_from_a_batch_of_all_domains", "spare")
class DeadParameter(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.spare = nn.Parameter(torch.zeros(3))


@breaks("every_parameter_learns_from_a_batch_of_all_domains", "bottom")
class Detached(Small):
    def encode(self, batch):
        return super().encode(batch).detach()


@breaks("each_parameter_is_in_one_optimiser_group", "once")
class Ungrouped(Small):
    def parameter_groups(self):
        return {"dense": list(self.towers.parameters()), "sparse": super().parameter_groups()["sparse"]}


class WithMomentum(nn.Linear):
    """A network that keeps a moving average of what it saw."""

    def __init__(self):
        super().__init__(8, 1)
        self.register_buffer("seen", torch.zeros(8))

    def update(self, rows):
        self.seen.lerp_(rows.detach().mean(0), 0.1)


@breaks("a_step_on_one_domain_leaves_the_others_as_they_were", "domain_books.seen")
class SharedMomentum(Small):
    tower = WithMomentum

    def forward(self, batch):
        encoded = self.encode(batch)
        if self.training:
            for domain in self.domains:
                self.towers[domain].update(encoded)
        return self.towers(batch, encoded)[:, 0]


@breaks("a_step_on_one_domain_leaves_the_others_as_they_were", "domain_books.weight")
@breaks("an_absent_domain_learns_nothing", "domain_games.weight")
class EveryTowerForEveryRow(Small):
    """Absent domains get a gradient of zero, and an optimiser moves them by momentum and decay."""

    def forward(self, batch):
        encoded = self.encode(batch)
        every = torch.stack([self.towers[name](encoded)[:, 0] for name in batch.domains], dim=1)
        return every.gather(1, batch.domain[:, None])[:, 0]


@breaks("what_only_one_domain_trains_is_in_per_domain", "alone: places")
class StackedVectors(Small):
    """A vector per domain in one parameter; an optimiser moves all of them by momentum and decay."""

    def __init__(self, *args):
        super().__init__(*args)
        self.places = nn.Parameter(torch.randn(len(self.domains) + 1, 8))

    def encode(self, batch):
        known = torch.tensor([self.domains.index(name) if name in self.domains else -1 for name in batch.domains])
        return super().encode(batch) + self.places[1 + known[batch.domain]]


@breaks("what_only_one_domain_trains_is_in_per_domain", "heads.0.weight, heads.0.bias, heads.1")
class GatheredHeads(Small):
    """Every row visits every domain's head, and takes its own's logit."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heads = nn.ModuleList(nn.Linear(8, 1) for _ in self.domains)

    def forward(self, batch):
        encoded = self.encode(batch)
        every = torch.cat([head(encoded) for head in self.heads], dim=1)
        places = torch.tensor([self.domains.index(name) for name in batch.domains])
        return super().forward(batch) + every.gather(1, places[batch.domain][:, None])[:, 0]


@breaks("what_only_one_domain_trains_is_in_per_domain", "alone: columns")
class StackedColumns(StackedVectors):
    """The domain is not the first dimension."""

    def __init__(self, *args):
        super().__init__(*args)
        del self.places
        self.columns = nn.Parameter(torch.randn(8, len(self.domains) + 1))

    def __getattr__(self, name):
        return self.columns.T if name == "places" else super().__getattr__(name)


@breaks("a_batch_of_one_row", "batch normalisation")
class BatchNormalised(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.norm = nn.BatchNorm1d(8)

    def encode(self, batch):
        return self.norm(super().encode(batch))


@breaks("one_row_per_domain", "batch normalisation")
class NormalisedPerDomain(Small):
    def tower(self):
        return nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 1))


@breaks("rows_of_one_domain_only", "KeyError: 'books'")
class NeedsBooks(Small):
    def forward(self, batch):
        return super().forward(batch) + len(dict(batch.by_domain())["books"])


class ByPosition(Small):
    """A list of towers, one for each domain, in their order."""

    def __init__(self, *args):
        super().__init__(*args)
        self.biases = nn.Parameter(torch.randn(3))

    def forward(self, batch):
        return super().forward(batch) + self.biases[batch.domain]


breaks("thirty_domains", "index 3 is out of bounds")(ByPosition)
breaks("heads_by_name", "route by")(ByPosition)
breaks("domains_go_by_name_not_by_number", "places in `batch.domains`")(ByPosition)


@breaks("all_histories_may_be_empty", "the loss is nan")
class MeanOfNothing(Small):
    def encode(self, batch):
        mask = batch.x["history"] != 0
        weights = mask.float().masked_fill(~mask, float("-inf")).softmax(1)
        return super().encode(batch) + weights.nansum(1, keepdim=True) / mask.any(1, keepdim=True)


@breaks("all_histories_may_be_empty", "IndexError")
class FirstOfNothing(Small):
    def encode(self, batch):
        first = batch.x["history"][batch.x["history"] != 0][0]
        return super().encode(batch) + self.embedding.table(first).sum()


@breaks("unseen_ids", "KeyError")
class KnownUsersOnly(Small):
    def encode(self, batch):
        unseen = set(self.features.unseen)
        known = {user: 0.0 for user in range(self.features.vocabulary) if user not in unseen}
        return super().encode(batch) + torch.tensor([[known[user]] for user in batch.x["ids"][:, 1].tolist()])


@breaks("bfloat16", "float32")
class LosesDigits(Small):
    def __init__(self, *args):
        super().__init__(*args)
        nn.init.constant_(self.bottom[0].bias, 1000.0)

    def encode(self, batch):
        return super().encode(batch) - 1000.0


# representations


class Mapped(Small):
    """With representations."""

    def representations(self, batch):
        return {"tower": self.encode(batch)}


class TestMapped(ModelTests):
    model = Mapped


@breaks("representations_are_one_vector_per_row", r"shape \(48, 8, 1\)")
class NoVectors(Mapped):
    def representations(self, batch):
        return {"tower": self.encode(batch)[:, :, None]}


@breaks("representations_are_one_vector_per_row", "8 vectors for 48 rows")
class NotOfRows(Mapped):
    def representations(self, batch):
        return {"tower": self.encode(batch).T}


@breaks("representations_are_one_vector_per_row", "the same for every row")
class AlikeRepresentations(Mapped):
    def representations(self, batch):
        return {"tower": torch.ones(len(batch), 4)}


@breaks("a_rows_representations_do_not_depend_on_the_other_rows")
class CentredRepresentations(Mapped):
    def representations(self, batch):
        encoded = self.encode(batch)
        return {"tower": encoded - encoded.mean(0)}


@breaks("a_rows_representations_do_not_depend_on_the_other_rows")
class PaddedRepresentations(Mapped):
    def representations(self, batch):
        return {"tower": self.encode(batch), "history": (batch.x["history"] == 0).sum(1, keepdim=True).float()}


@breaks("representations_leave_model_and_batch_as_they_were", "tower")
class NoisyRepresentations(Mapped):
    def representations(self, batch):
        encoded = self.encode(batch)
        return {"tower": encoded + torch.randn_like(encoded) * 1e-7}


@breaks("representations_leave_model_and_batch_as_they_were", "train mode")
class WakingRepresentations(Mapped):
    def representations(self, batch):
        found = {"tower": self.encode(batch)}
        self.train()
        return found


# heads


@breaks("every_domain_has_logits_of_its_own", "same logits")
class DomainOfTheRow(Small):
    """The towers follow an id of the row, so no other head can be asked for."""

    def forward(self, batch):
        encoded = self.encode(batch)
        domain = batch.x["ids"][:, 0] - 2
        every = torch.cat([self.towers[name](encoded) for name in self.domains], dim=1)
        return every.gather(1, domain[:, None])[:, 0]


@breaks("every_domain_has_logits_of_its_own", "same logits")
@breaks("a_model_without_networks_per_domain_refuses_a_new_one", "trained jointly")
class OneTowerForAll(Single):
    category = "multi_domain"


@breaks("an_unknown_head_is_an_error", "UnknownDomain was not raised")
@breaks("a_row_of_an_unknown_domain_is_an_error", "UnknownDomain was not raised")
class ConstantForUnknown(Small):
    def forward(self, batch):
        encoded, out = self.encode(batch), torch.zeros(len(batch))
        for domain, rows in batch.by_domain():
            if domain in self.towers:
                out = out.index_copy(0, rows, self.towers[domain](encoded[rows])[:, 0])
        return out

    def _require(self, *domains):
        pass


@breaks("the_general_head_is_there_or_an_error", "has_general_head")
class NoGeneralAfterAll(Small):
    has_general_head = True


@breaks("the_general_head_is_there_or_an_error", "NoGeneralHead was not raised")
class OwnForGeneral(Small):
    def forward_general(self, batch):
        return self(batch)


# domains that come and go


@breaks("a_domain_may_have_any_name", "PerDomain")
class NamesOfModules(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.more = nn.ModuleDict({name: nn.Linear(8, 1) for name in self.domains})


@breaks("a_new_domain_leaves_the_old_ones_as_they_were", "domain_books")
class MovesAnOldHead(Small):
    def add_domain(self, name):
        new = super().add_domain(name)
        with torch.no_grad():
            self.towers["books"].bias += 1.0
        return new


@breaks("a_new_domain_leaves_the_old_ones_as_they_were", "not just the new")
class FreezesNothing(Small):
    def add_domain(self, name):
        new = super().add_domain(name)
        self.requires_grad_(True)
        return new


@breaks("a_new_domain_leaves_the_old_ones_as_they_were", "changed: seen")
class SharedBuffer(Small):
    """Statistics of all domains' rows go on moving while a new domain is trained."""

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("seen", torch.zeros(8))

    def encode(self, batch):
        encoded = super().encode(batch)
        if self.training:
            self.seen = self.seen.lerp(encoded.detach().mean(0), 0.1)
        return encoded - self.seen


@breaks("a_new_domain_leaves_the_old_ones_as_they_were", "domain_games")
class RemovesTheNameOnly(Small):
    def remove_domain(self, name):
        self.domains = tuple(domain for domain in self.domains if domain != name)


@breaks("removing_a_domain_leaves_the_others_as_they_were", "changed: games, tools")
class RemovesTheLast(Small):
    """Towers by number: those after the removed one are another domain's."""

    def remove_domain(self, name):
        kept = [self.towers[domain].state_dict() for domain in self.domains]
        super().remove_domain(name)
        for domain, weights in zip(self.domains, kept, strict=False):
            self.towers[domain].load_state_dict(weights)


@breaks("a_domain_comes_once_and_goes_once", "ConfigError was not raised")
class AddsTwice(Small):
    def add_domain(self, name):
        return [p for part in (self.towers.add(name),) for p in part.parameters()]


@breaks("a_model_without_networks_per_domain_refuses_a_new_one", "ConfigError was not raised")
class AddsNothing(Single):
    def add_domain(self, name):
        self.domains = (*self.domains, name)
        return []


@breaks("a_model_without_networks_per_domain_refuses_a_new_one", "What happened")
class FreezesBeforeItRefuses(Single):
    def add_domain(self, name):
        self.requires_grad_(False)
        return super().add_domain(name)


# states and settings


@breaks("weights_go_through_a_file", "changed: own")
class StateOnTheSide(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.shift = torch.randn(8)

    def encode(self, batch):
        return super().encode(batch) + self.shift


@breaks("weights_go_through_a_file", "changed: own")
class FrozenAtRandom(Small):
    """A checkpoint leaves frozen parameters out: they are a backbone's, found again by its name."""

    def __init__(self, *args):
        super().__init__(*args)
        self.shift = nn.Parameter(torch.randn(8), requires_grad=False)

    def encode(self, batch):
        return super().encode(batch) + self.shift


@breaks("the_class_says_what_it_is", "Version has version = 1, which is to be a text")
class Version(Small):
    version = 1


@breaks("the_class_says_what_it_is", "Did you mean 'multi_domain'")
class Category(Small):
    category = "multidomain"


@breaks("settings_go_through_json", "JSON")
class TupleLostInJson(Small):
    class Config(Small.Config):
        sizes: Any = (8, 4)


@breaks("settings_go_through_json", "ValidationError was not raised")
class SwallowsKeys(Small):
    class Config(Small.Config, extra="ignore"):
        pass


class ForgetsScales(IdFeaturizer):
    def state(self):
        return {**super().state(), "scales": {name: [0.0, 1.0] for name in self.scales}}


@breaks("a_featurizers_state_goes_through_json", "changed: numbers")
class ForgetfulFeaturizer(Small):
    @classmethod
    def featurizer(cls, config):
        return ForgetsScales()


class Reads(CTRModel):
    """A head per domain on the states of a frozen backbone."""

    category = "language_model"

    @classmethod
    def featurizer(cls, config):
        return TextFeaturizer(load_tokenizer("tiny-bert"), "default", 96)

    def __init__(self, *args):
        super().__init__(*args)
        self.backbone = load_encoder("tiny-bert")
        self.towers = PerDomain(lambda: nn.Linear(32, 1), self.domains)

    def fixed_states(self, batch):
        return {"states": self.backbone(batch.x["input_ids"], batch.x["attention_mask"].long()).last_hidden_state}


@breaks("kept_states_say_the_same", "must have the same dtype")
class LeavesStatesInHalf(Reads):
    def forward(self, batch):
        states = batch.x["states"] if "states" in batch.x else self.fixed_states(batch)["states"]
        return self.towers(batch, states[:, 0])[:, 0]


@breaks("kept_states_say_the_same", "not close")
class CountsPadding(Reads):
    def forward(self, batch):
        states = batch.x["states"] if "states" in batch.x else self.fixed_states(batch)["states"]
        return self.towers(batch, states.float().mean(1))[:, 0]


# randomness and places


@breaks("the_seed_decides_the_weights")
@breaks("no_global_random_state_is_touched", "constructor seeded")
class SeedsInTheConstructor(Small):
    def __init__(self, *args):
        torch.manual_seed(2024)
        super().__init__(*args)


@breaks("the_seed_decides_the_weights", "changed: start")
@breaks("no_global_random_state_is_touched", "random numbers changed")
class DrawsFromNumpy(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.start = nn.Parameter(torch.tensor(np.random.randn(8), dtype=torch.float32))

    def encode(self, batch):
        return super().encode(batch) + self.start


@breaks("no_global_random_state_is_touched", "random numbers changed")
class DrawsFromPython(Small):
    def loss(self, batch):
        return super().loss(batch) * (1 + random.random())


@breaks("no_global_random_state_is_touched", "loss seeded")
class SeedsInTheLoss(Small):
    def loss(self, batch):
        torch.manual_seed(1)
        return super().loss(batch)


@breaks("no_global_random_state_is_touched", "scoring drew")
class DrawsAtEval(Small):
    def forward(self, batch):
        return super().forward(batch) + 0 * torch.rand(())


@breaks("the_model_can_be_built_without_weights", "read no values")
class ReadsWeights(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.scale = self.bottom[0].weight.abs().max().item()


@breaks("the_model_can_be_built_without_weights", "bias")
class WeightsFromNumpy(Small):
    def __init__(self, *args):
        super().__init__(*args)
        self.bias = nn.Parameter(torch.from_numpy(np.zeros(8, np.float32)))


@breaks("tensors_are_made_on_the_device_of_the_batch", "not on the expected device")
class StaysOnTheCpu(Small):
    def encode(self, batch):
        return super().encode(batch) + torch.arange(8)


class Unchecked(Small):
    """Sets what `CTRModel.__init__` sets, and checks nothing."""

    def __init__(self, config, features, domains):
        nn.Module.__init__(self)
        self.config, self.features, self.domains = config, features, domains
        self.towers = PerDomain(self.tower, domains)


breaks("a_vocabulary_beyond_int32_is_refused", "ConfigError was not raised")(Unchecked)


@breaks("datasets_may_have_few_fields_or_two_histories", "ConfigError was not raised")
class NeedsHistoryButTakesNone(Unchecked):
    needs_history = True


@breaks("datasets_may_have_few_fields_or_two_histories", "needs_history")
class ReadsHistoryAlways(Small):
    def encode(self, batch):
        return super().encode(batch) + (batch.x["history"] != 0).sum(1, keepdim=True)


@breaks("datasets_may_have_few_fields_or_two_histories", "two histories(?s:.)*ValueError: too many values")
class OneHistoryAtMost(Small):
    def __init__(self, *args):
        super().__init__(*args)
        (self.history,) = self.features.histories or ("",)


@breaks("datasets_may_have_few_fields_or_two_histories", "does not say: RefusesWithoutItsName")
class RefusesWithoutItsName(Small):
    def __init__(self, *args):
        super().__init__(*args)
        if len(self.features.names) == 1:
            raise ConfigError("this dataset has one field only")


class RefusesByName(Small):
    def __init__(self, *args):
        super().__init__(*args)
        if len(self.features.names) == 1:
            raise ConfigError("RefusesByName needs two fields, and this dataset has one")


class MasksAndCounts(Small):
    """Numbers made by way of ids, none of which grows with them."""

    def encode(self, batch):
        ids = batch.x["history"]
        popular = torch.arange(self.features.vocabulary) % 7
        counts = [
            (ids != 0).sum(1),
            ids.count_nonzero(1),
            ids.clamp(max=1).sum(1),
            popular[ids].sum(1),
            functional.one_hot(ids, self.features.vocabulary).sum((1, 2)),
            torch.zeros_like(ids).sum(1),
            ids.new_zeros(len(ids)),
        ]
        places = ids.sort(1).indices if ids.shape[1] else ids
        return super().encode(batch) + torch.stack(counts, 1).float().sum(1, True) + places.ndim


def test_refusing_a_dataset_by_name_keeps_the_promise():
    type("Tests", (ModelTests,), {"model": RefusesByName})().test_datasets_may_have_few_fields_or_two_histories()


def test_masks_counts_and_places_are_no_ids():
    type("Tests", (ModelTests,), {"model": MasksAndCounts})().test_ids_stay_integers()


@pytest.mark.parametrize("kind", [StackedVectors, GatheredHeads])
def test_no_other_promise_tells_weights_of_a_domain_outside_per_domain(kind):
    tests = type("Tests", (ModelTests,), {"model": kind})()
    tests.test_a_step_on_one_domain_leaves_the_others_as_they_were()
    tests.test_an_absent_domain_learns_nothing()


def test_a_class_of_tests_names_its_model():
    base = type("MyModelTests", (ModelTests,), {})
    type("TestMine", (base,), {"model": Small})
    with pytest.raises(PluginError, match="TestNone names no model: give it a line such as `model = MyModel`"):
        type("TestNone", (base,), {})


def test_a_config_that_the_model_refuses_is_told_in_one_sentence(monkeypatch):
    told = "unknown key 'size' in TestMine.config, for Small"
    with pytest.raises(PluginError, match=told):
        type("TestMine", (ModelTests,), {"model": Small, "config": {"size": 8}})
    register(monkeypatch, entry("ctrbench.models", "small", f"{__name__}:Small"))
    tests = type("TestMine", (ModelTests,), {"model": "small", "config": {"size": 8}})()
    with pytest.raises(PluginError, match=told):
        tests.test_heads_by_name()


class Plain(Small):
    class Config:
        embedding_dim = 4


class Required(Small):
    class Config(Small.Config):
        hidden: Size


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(Plain, "Plain has Config = .*, which is not derived from"), (Required, "Required has a `Config` without a .*")],
)
def test_a_config_that_cannot_be_taken_is_told_in_one_sentence(kind, fault):
    with pytest.raises(PluginError, match=fault):
        type("TestIt", (ModelTests,), {"model": kind, "config": {"embedding_dim": 4}})


@pytest.mark.parametrize(("kind", "test", "words"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_promise_is_caught(kind, test, words):
    """And the message names the model, says which promise it was, and how to mend it."""
    tests = type("Tests", (ModelTests,), {"model": kind})()
    with pytest.raises(AssertionError, match=words) as caught:
        getattr(tests, test)()
    message = str(caught.value)
    promise = " ".join(getattr(ModelTests, test).__doc__.split())
    assert message.startswith(f"{kind.__name__} breaks a promise: {promise}\nTo mend it: ")


def test_every_promise_has_a_model_that_breaks_it():
    promises = {name for name in dir(ModelTests) if name.startswith("test_")}
    assert promises - {test for _, test, _ in CASES} == set()


def test_a_plugin_that_cannot_be_imported_fails_its_own_tests_only(monkeypatch):
    register(monkeypatch, entry("ctrbench.models", "broken", "tests.no_such_module:Model"))
    tests = type("Tests", (ModelTests,), {"model": "broken"})()
    with pytest.raises(PluginError, match="cannot be imported"):
        tests.test_heads_by_name()


def test_the_kit_leaves_global_random_states_as_they_were():
    before = torch.get_rng_state(), random.getstate()
    TestSmall().test_no_global_random_state_is_touched()
    TestSmall().test_a_new_domain_leaves_the_old_ones_as_they_were()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
