"""What every model promises, as tests that its author subclasses."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, wraps
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import BaseModel, ValidationError
from safetensors.torch import load as load_bytes, save as save_bytes
from torch import Tensor
from torch.optim import Optimizer
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ctrbench import registry
from ctrbench.errors import ConfigError, NoGeneralHead, PluginError, UnknownDomain
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo, Featurizer
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.models.per_domain import PerDomain
from ctrbench.testing import batches
from ctrbench.testing.toy import (
    DOMAINS,
    FIELDS,
    of_strangers,
    toy_items,
    toy_manifest,
    toy_rows,
    without_histories,
)
from ctrbench.training.checkpoint import load_trained, trained_state
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers

_COUNT = 48
"""Rows of the usual batch."""

_NAMES = ("items", "training", "forward", "a.b", "a b", "a/b", "..", "ünïcode / 域", "%2E", "domain_books")
"""Names that a domain may have, and that a module may not."""


def promise(mend: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """A test whose failure, whatever it is, says which promise was broken (its docstring) and how to mend it."""

    def decorate(test: Callable[[Any], None]) -> Callable[[Any], None]:
        @wraps(test)
        def kept(self: Any) -> None:
            try:
                test(self)
            except PluginError:  # nothing is known of a model that cannot be imported
                raise
            except Exception as fault:
                name = self.model if isinstance(self.model, str) else self.model.__name__
                broken = " ".join(str(test.__doc__).split())
                found = f"{type(fault).__name__}: {fault}"
                raise AssertionError(
                    f"{name} breaks a promise: {broken}\nTo mend it: {mend}\nWhat happened: {found}"
                ) from fault

        return kept

    return decorate


class ModelTests:
    """Subclass it with a name that starts with `Test`, and name the model; pytest does the rest.

    ```python
    class TestMyModel(ModelTests):
        model = MyModel
        config = {"embedding_dim": 8}
    ```
    """

    model: ClassVar[type[CTRModel] | str]
    """The class, or the name under which it is registered."""
    config: ClassVar[Mapping[str, Any]] = {}
    """Differences from the model's `Config`; small sizes keep the tests quick."""

    # what the tests are made of

    @classmethod
    def kind(cls) -> type[CTRModel]:
        """The model's class."""
        return registry.load("models", cls.model) if isinstance(cls.model, str) else cls.model

    @classmethod
    def settings(cls) -> Any:
        """Its configuration."""
        return cls.kind().Config(**cls.config)

    @classmethod
    @cache
    def featurizer(cls) -> Featurizer:
        """Its view of the toy rows, fitted."""
        return cls.kind().featurizer(cls.settings()).fit(toy_rows(300), toy_items(), toy_manifest())

    @classmethod
    @cache
    def rows(cls) -> Rows:
        """New rows of three domains."""
        return _view(cls.featurizer(), toy_rows(_COUNT, first=10_000, seed=7), toy_items())

    @classmethod
    def batch(cls, count: int = _COUNT) -> Batch:
        """The first of these rows, as a batch that a test may spoil."""
        return cls.rows().batch(torch.arange(count))

    @classmethod
    def build(cls, domains: Sequence[str] = DOMAINS, seed: int = 0, info: FeatureInfo | None = None) -> CTRModel:
        """A new model with the weights of a seed."""
        kind, settings, info = cls.kind(), cls.settings(), info or cls.featurizer().info
        with _seeded(seed):
            return kind(settings, info, tuple(domains))

    @classmethod
    @cache
    def _trained(cls, domains: tuple[str, ...]) -> dict[str, Tensor]:
        model = cls.build(domains)
        _learn(model, batches.of_domains(cls.batch(), *domains), steps=3)
        return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @classmethod
    def trained(cls, domains: tuple[str, ...] = DOMAINS) -> CTRModel:
        """A model after a few steps on all domains, in eval mode: parts that start at zero have moved."""
        model = cls.build(domains)
        model.load_state_dict(cls._trained(domains))
        return model.eval()

    @classmethod
    def is_joint(cls) -> bool:
        """Whether one model is trained on all domains."""
        return cls.kind().category != "single_domain"

    # rows

    @promise("return one logit per row, `[:, 0]` of a last layer of width 1, and no NaN for what is rare or empty.")
    def test_eval_logits_are_one_finite_number_per_row(self) -> None:
        """`forward` gives (B,) finite logits."""
        with torch.no_grad():
            logits = self.trained()(self.batch())
        _assert_logits(logits, _COUNT)
        assert logits.std() > 0, "every row got the same logit"

    @promise("use no statistics over the rows of a batch at eval, and no attention between rows.")
    def test_a_rows_logit_does_not_depend_on_the_other_rows(self) -> None:
        """At eval, a row gets the same logit alone as among others."""
        model, batch = self.trained(), self.batch(12)
        with torch.no_grad():
            alone = [model(batches.part(batch, torch.tensor([row]))) for row in range(len(batch))]
            _assert_near(torch.cat(alone), model(batch))

    @promise("use no statistics over the rows of a batch at eval; return logits in the order of the rows.")
    def test_logits_follow_the_rows_when_the_batch_is_reordered(self) -> None:
        """At eval, logits do not depend on the order of the rows."""
        model, batch = self.trained(), self.batch()
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            _assert_near(model(batches.part(batch, order)), model(batch)[order])

    @promise("mask padding (id 0, or where the attention mask is False) before a softmax, mean or maximum over places.")
    def test_more_padding_changes_no_logit(self) -> None:
        """A row's logit is the same however far its batch is padded."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            _assert_near(model(batches.padded(batch, self.rows().features, 3)), model(batch))

    @promise(
        "leave dropout and any other randomness to train mode (`self.training`), and change no state in eval mode."
    )
    def test_scoring_twice_gives_bitwise_the_same(self) -> None:
        """At eval, `forward` is a function of the weights and the batch."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            first, _, again = model(batch), model(self.batch(5)), model(batch)
        _assert_same({"logits": first}, {"logits": again})
        _assert_same(model.state_dict(), self._trained(DOMAINS))

    @promise("change no tensor of `batch.x` in place; clone it first.")
    def test_a_batch_is_left_as_it_was(self) -> None:
        """Neither `loss` nor `logits` changes the batch."""
        model, batch = self.trained(), self.batch()
        before = batches.tensors(batches.clone(batch))
        model.train().loss(batch).backward()
        with torch.no_grad():
            model.eval().logits(batch, _heads(model))
        _assert_same(batches.tensors(batch), before)

    @promise("index with ids as they are: float32 cannot tell 2^24 from 2^24 + 1.")
    def test_ids_stay_integers(self) -> None:
        """Ids are int64, and `forward` computes no floating-point number from them."""
        model, batch = self.trained(), self.batch()
        names = [name for name in ("ids", *self.featurizer().info.histories) if name in batch.x]
        assert all(batch.x[name].dtype == torch.int64 for name in names)
        with torch.no_grad(), _IdsToFloats([batch.x[name] for name in names]):
            model(batch)

    @promise("featurise each row by itself, with what `fit` learned.")
    def test_a_rows_features_do_not_depend_on_the_other_rows(self) -> None:
        """The featurizer gives a row the same features alone as among others."""
        some = _view(self.featurizer(), toy_rows(_COUNT, first=10_000, seed=7)[10:20], toy_items())
        expected = self.rows().batch(torch.arange(10, 20))
        _assert_same(batches.tensors(some.batch(torch.arange(10))), batches.tensors(expected))

    # learning

    @promise("return a mean over the batch, computed from parameters without `detach`.")
    def test_the_loss_is_a_finite_scalar(self) -> None:
        """`loss` is a finite scalar, and has a gradient where there are parameters to train."""
        model, batch = self.trained().train(), self.batch()
        loss = model.loss(batch)
        assert loss.shape == ()
        assert loss.isfinite()
        assert loss.requires_grad
        with torch.no_grad():
            assert not model.loss(batch).requires_grad
        assert not model.requires_grad_(False).loss(batch).requires_grad

    @promise("use every parameter in `loss`, or remove it.")
    def test_every_parameter_learns_from_a_batch_of_all_domains(self) -> None:
        """Every trainable parameter gets a gradient that is not zero from a batch of all domains."""
        model = self.trained().train()  # LoRA's first factor learns only after its second, which starts at zero
        for _ in range(2):  # a small layer may be dropped out once
            model.loss(self.batch()).backward()
        dead = [name for name, parameter in model.named_parameters() if parameter.requires_grad and _dead(parameter)]
        assert dead == []

    @promise(
        "name each trainable parameter in `parameter_groups` once; put tables with sparse gradients into `sparse`."
    )
    def test_each_parameter_is_in_one_optimiser_group(self) -> None:
        """`parameter_groups` holds every trainable parameter once."""
        model = self.build()
        grouped = [id(parameter) for group in model.parameter_groups().values() for parameter in group]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)

    @promise("keep what belongs to a domain in `PerDomain`, and update its buffers from that domain's rows alone.")
    def test_a_step_on_one_domain_leaves_the_others_as_they_were(self) -> None:
        """A step on one domain's rows moves no other domain's parameters or buffers, by Adam, AdamW or momentum."""
        for optimizer in ("adam", "adamw"):
            model, batch = self.build(), self.batch()
            optimizers = _learn(model, batch, optimizer=optimizer)
            before = {domain: _own(model, domain) for domain in DOMAINS}
            _learn(model, batches.of_domains(batch, "games"), optimizers=optimizers)
            _assert_same(_own(model, "books"), before["books"])
            _assert_same(_own(model, "tools"), before["tools"])
            moved = _changed(_own(model, "games"), before["games"])
            assert moved or not before["games"], "a step on games moved none of its own parameters"

    @promise(
        "let a row visit its own domain's network only (`PerDomain`): no loop over all domains, no stacked weights."
    )
    def test_an_absent_domain_gets_no_gradient(self) -> None:
        """The parameters of a domain that is absent from the batch have no gradient at all."""
        model, batch = self.build(), batches.of_domains(self.batch(), "books", "tools")
        model.train().loss(batch).backward()
        own = _own_names(model, "games")
        assert [name for name, p in model.named_parameters() if name in own and p.grad is not None] == []

    @promise("use no batch normalisation or other statistics that need two rows.")
    def test_one_row_per_domain(self) -> None:
        """A batch with one row of each domain trains and scores."""
        _assert_works(self.build(), batches.one_each(self.batch()))

    @promise("use no batch normalisation or other statistics that need two rows.")
    def test_a_batch_of_one_row(self) -> None:
        """A batch of one row trains and scores."""
        _assert_works(self.build(), self.batch(1))

    @promise("loop over the domains that are present (`batch.by_domain()`, or `PerDomain`).")
    def test_rows_of_one_domain_only(self) -> None:
        """A batch of one domain trains and scores, in a model of three domains and in a model of one."""
        _assert_works(self.build(), batches.of_domains(self.batch(), "tools"))
        _assert_works(self.build(("tools",)), self.batch().as_domain("tools"))

    @promise("size what belongs to domains by `domains`, and address it by name.")
    def test_thirty_domains(self) -> None:
        """A model of thirty domains trains and scores, on batches of some of them and of all."""
        names = tuple(f"domain {number}" for number in range(30))
        model = self.build(names)
        _assert_works(model, batches.spread(self.batch(), names))
        _assert_works(model, batches.spread(self.batch(5), names))

    @promise("divide by no length and take no softmax or last state of a history without allowing for an empty one.")
    def test_all_histories_may_be_empty(self) -> None:
        """Batches without any history train and score; how wide their padding is says nothing."""
        rows = without_histories(toy_rows(_COUNT, first=10_000, seed=7))
        batch = _view(self.featurizer(), rows, toy_items()).batch(torch.arange(_COUNT))
        _assert_works(self.build(), batch)
        model, names = self.trained(), self.featurizer().info.histories
        with torch.no_grad():
            wide = model(batches.without_histories(batch, names, 4))
            _assert_near(wide, model(batch))

    @promise("give ids that train did not hold the rows `info.unseen` of the table, and never look one up in a list.")
    def test_unseen_ids(self) -> None:
        """Rows of users, items and words that train did not hold train and score."""
        strange = _view(self.featurizer(), *of_strangers(toy_rows(_COUNT, first=20_000), toy_items()))
        _assert_works(self.build(), strange.batch(torch.arange(_COUNT)))
        batch, unseen = self.batch(), self.featurizer().info.unseen
        if unseen:
            ids = torch.tensor(unseen).expand(len(batch), -1)
            _assert_works(self.build(), replace(batch, x={**batch.x, "ids": ids}))

    @promise("compute losses, softmax and sums over many terms in float32 (`.float()`).")
    def test_bfloat16(self) -> None:
        """Under autocast to bfloat16, loss and gradients are finite, and logits are near those of float32."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            exact = model(batch)
            with torch.autocast("cpu", torch.bfloat16):
                rough = model(batch)
        assert_close(rough.float(), exact.float(), atol=0.05, rtol=0.05)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.train().loss(batch)
        loss.backward()
        _assert_finite(model, loss)

    # heads

    @promise("route by `batch.domain` and `batch.domains` (as `PerDomain` does), never by an id in `batch.x`.")
    def test_heads_by_name(self) -> None:
        """`own` is each row's domain's head, `mean` the mean of all heads' probabilities."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            heads = model.logits(batch, ("own", "mean", *DOMAINS))
            _assert_near(heads["own"], model(batch))
        assert set(heads) == {"own", "mean", *DOMAINS}
        for domain, rows in batch.by_domain():
            _assert_near(heads["own"][rows], heads[domain][rows])
        probabilities = torch.stack([heads[domain].sigmoid() for domain in DOMAINS])
        _assert_near(heads["mean"].sigmoid(), probabilities.mean(0))

    @promise(
        "address domains by name: the numbers in `batch.domain` are places in `batch.domains`, not in `self.domains`."
    )
    def test_domains_go_by_name_not_by_number(self) -> None:
        """Rows get the same logits when the batch numbers its domains otherwise."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            _assert_near(model(batches.renumbered(batch)), model(batch))

    @promise("give each domain a network of its own in `PerDomain`, or set `category = 'single_domain'`.")
    def test_every_domain_has_logits_of_its_own(self) -> None:
        """In a model that is trained jointly, a row's logit depends on the domain whose head it gets."""
        if not self.is_joint():
            pytest.skip("a single-domain model has one head")
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            heads = model.logits(batch, DOMAINS)
        for one, other in zip(DOMAINS, (*DOMAINS[1:], DOMAINS[0]), strict=True):
            assert (heads[one] - heads[other]).abs().max() > 1e-6, f"{one} and {other} have the same logits"

    @promise("leave heads to `CTRModel.logits` and `head_logits`, which know the names.")
    def test_an_unknown_head_is_an_error(self) -> None:
        """Asking for a head that is not there is an error that names the known ones."""
        message = _refused(UnknownDomain, lambda: self.build().logits(self.batch(), ("shoes",)))
        assert all(name in message for name in ("shoes", *DOMAINS))

    @promise("leave heads to `CTRModel.logits` and `head_logits`, which know the names.")
    def test_a_row_of_an_unknown_domain_is_an_error(self) -> None:
        """A row of a domain that the model does not know is an error that names the known ones, never a constant."""
        model = self.build(("books", "games")).eval()
        message = _refused(UnknownDomain, lambda: model.logits(self.batch(), ("own",)))
        assert all(name in message for name in DOMAINS)

    @promise("set `has_general_head` where there is a `forward_general`, and only there.")
    def test_the_general_head_is_there_or_an_error(self) -> None:
        """`forward_general` gives (B,) logits that no domain's head decides, or raises `NoGeneralHead`."""
        model, batch = self.trained(), self.batch()
        if not model.has_general_head:
            _refused(NoGeneralHead, lambda: model.forward_general(batch))
            _refused(NoGeneralHead, lambda: model.logits(batch, ("general",)))
            return
        with torch.no_grad():
            general = model.forward_general(batch)
            _assert_logits(general, len(batch))
            _assert_near(model.logits(batch, ("general",))["general"], general)
            _assert_near(model.forward_general(batch.as_domain("shoes")), general)

    # domains that come and go

    @promise("keep domains in `PerDomain`, which makes a module's name of any text.")
    def test_a_domain_may_have_any_name(self) -> None:
        """Dots, slashes, spaces, other scripts, and names of a module's own attributes are names of domains."""
        model = self.build(_NAMES)
        _assert_works(model, batches.spread(self.batch(len(_NAMES)), _NAMES))
        assert model.domains == _NAMES

    @promise("keep all that belongs to a domain in `PerDomain`, and nothing else in it.")
    def test_a_new_domain_leaves_the_old_ones_as_they_were(self) -> None:
        """Adding, training and removing a domain leaves the old domains' logits and weights bitwise equal."""
        if not self.is_joint():
            pytest.skip("a single-domain model has no domains to add to")
        model, batch = self.trained(("books", "tools")), self.batch()
        heads = [head for head in _heads(model) if head not in ("own", "mean")]
        state, logits = _state(model), _eval_logits(model, batch, heads)

        new = _add(model, "games")
        assert model.domains == ("books", "tools", "games")
        assert {id(p) for p in new} == {id(p) for p in model.parameters() if p.requires_grad}, "all else is frozen"
        _assert_still(model, state, batch, logits)

        untrained = _eval_logits(model, batch, ["games"])
        _learn(model, batches.of_domains(batch, "games"), steps=3)
        _assert_still(model, state, batch, logits)
        assert _changed(_eval_logits(model, batch, ["games"]), untrained), "the new domain learned nothing"

        model.remove_domain("games")
        assert model.domains == ("books", "tools")
        assert model.state_dict().keys() == state.keys()
        _assert_still(model, state, batch, logits)

    @promise("leave `add_domain` and `remove_domain` to `CTRModel`, or check the name first.")
    def test_a_domain_comes_once_and_goes_once(self) -> None:
        """Adding a domain that is there, or removing one that is not, is an error that names those that are."""
        model = self.trained()
        before = _state(model)
        assert "books" in _refused(ConfigError, lambda: model.add_domain("books"))
        assert "books" in _refused(UnknownDomain, lambda: model.remove_domain("shoes"))
        assert model.domains == DOMAINS
        _assert_same(_state(model), before)

    @promise("keep what belongs to a domain in `PerDomain`: what is there once for all cannot be added.")
    def test_a_model_without_networks_per_domain_refuses_a_new_one(self) -> None:
        """Where there is no network per domain, adding a domain is an error and changes nothing."""
        model = self.trained()
        if _parts(model):
            pytest.skip("this model has networks per domain")
        before, trainable = _state(model), [p.requires_grad for p in model.parameters()]
        _refused(ConfigError, lambda: model.add_domain("shoes"))
        assert not self.is_joint(), "a model that is trained jointly has networks per domain"
        assert model.domains == DOMAINS
        assert [p.requires_grad for p in model.parameters()] == trainable
        _assert_same(_state(model), before)

    # states and settings

    @promise("register every tensor that `forward` reads as a parameter or buffer; freeze nothing that a seed decides.")
    def test_weights_go_through_a_file(self) -> None:
        """The `state_dict`, and what a checkpoint keeps of it, give a model of another seed the same logits."""
        model, batch = self.trained(), self.batch()
        logits = _eval_logits(model, batch, ["own"])
        other = self.build(seed=1)
        other.load_state_dict(_through_file(model.state_dict()))
        _assert_same(_eval_logits(other, batch, ["own"]), logits)
        other = self.build(seed=1)
        load_trained(other, _through_file(trained_state(model)))
        _assert_same(_eval_logits(other, batch, ["own"]), logits)

    @promise(
        "give `Config` fields that JSON can hold, and derive it from `CTRModel.Config`, which forbids unknown keys."
    )
    def test_settings_go_through_json(self) -> None:
        """A `Config` survives JSON, and refuses a key that it does not know."""
        config: BaseModel = self.settings()
        kind = type(config)
        assert kind.model_validate_json(config.model_dump_json()) == config
        assert kind.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
        assert "no_such_key" in _refused(ValidationError, lambda: kind(**self.config, no_such_key=1))

    @promise(
        "return from the featurizer's `state` all that `fit` learned, as JSON values, and read it in `load_state`."
    )
    def test_a_featurizers_state_goes_through_json(self) -> None:
        """A new featurizer with the state of a fitted one gives the same tensors and sizes."""
        state = json.loads(json.dumps(self.featurizer().state()))
        other = self.kind().featurizer(self.settings()).load_state(state)
        assert other.info == self.featurizer().info
        rows = _view(other, toy_rows(_COUNT, first=10_000, seed=7), toy_items())
        _assert_same(batches.tensors(rows.batch(torch.arange(_COUNT))), batches.tensors(self.batch()))

    # randomness and places

    @promise("draw initial weights from torch's default generator, and from nothing else.")
    def test_the_seed_decides_the_weights(self) -> None:
        """The same seed gives the same weights, another seed others."""
        one, again, other = (_state(self.build(seed=seed)) for seed in (0, 0, 1))
        _assert_same(again, one)
        assert _changed(other, one)

    @promise("never seed a generator, and draw from none but torch's default one.")
    def test_no_global_random_state_is_touched(self) -> None:
        """Construction, `loss` and scoring draw from torch's default generator at most; scoring draws nothing."""
        batch, ends = self.batch(), []
        before = _other_random_states()
        try:
            for seed in (1, 2):
                with _seeded(seed):
                    model = self.kind()(self.settings(), self.featurizer().info, DOMAINS)
                    built = torch.get_rng_state()
                    model.train().loss(batch)
                    ends.append((built, torch.get_rng_state()))
                    _eval_logits(model, batch, _heads(model))
                    assert torch.equal(torch.get_rng_state(), ends[-1][1]), "scoring drew random numbers"
            assert _other_random_states() == before, "the random state of Python or numpy was touched"
        finally:
            _put_back(before)
        (built_1, done_1), (built_2, done_2) = ends
        assert not torch.equal(built_1, built_2), "the constructor seeded torch's generator"
        assert not torch.equal(done_1, done_2), "the loss seeded torch's generator"

    @promise(
        "make tensors with torch's own functions and no values read back (`.item()`, `.tolist()`) in the constructor."
    )
    def test_the_model_can_be_built_without_weights(self) -> None:
        """On the device `meta` the model is built, and its optimisers with it, without memory for weights."""
        with torch.device("meta"):
            model = self.build()
            optimizers = build_optimizers(model.parameter_groups(), TrainConfig())
        assert optimizers
        assert [name for name, p in model.named_parameters() if not p.is_meta] == []

    @promise("leave these checks to `CTRModel.__init__`: call it first.")
    def test_a_vocabulary_beyond_int32_is_refused(self) -> None:
        """More ids than int32 can count are an error that names the model."""
        info = replace(self.featurizer().info, vocabulary=2**31)
        with torch.device("meta"):
            message = _refused(ConfigError, lambda: self.build(info=info))
        assert self.kind().__name__ in message

    @promise("set `needs_history` where a model means nothing without one; else allow for `info` without it.")
    def test_a_dataset_without_histories_and_numbers(self) -> None:
        """A dataset of ids alone is one that the model trains on, or, where it needs a history, one it refuses."""
        manifest = toy_manifest(fields=[field for field in FIELDS if field.kind in ("id", "text")])
        featurizer = self.kind().featurizer(self.settings()).fit(toy_rows(300), toy_items(), manifest)
        if self.kind().needs_history:
            message = _refused(ConfigError, lambda: self.build(info=featurizer.info))
            assert self.kind().__name__ in message
            return
        rows = _view(featurizer, toy_rows(_COUNT, first=10_000, seed=7), toy_items())
        _assert_works(self.build(info=featurizer.info), rows.batch(torch.arange(_COUNT)))


def _view(featurizer: Featurizer, rows: pl.DataFrame, items: pl.DataFrame) -> Rows:
    """Featurised rows, without what an earlier call left in the cache."""
    with TemporaryDirectory() as folder, patch.dict("os.environ", CTRBENCH_CACHE=folder):
        return Rows.build(rows, items, featurizer, DOMAINS)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _learn(
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
    with torch.enable_grad(), _seeded(3):
        for _ in range(steps):
            model.loss(batch).backward()
            for one in optimizers:
                one.step()
                one.zero_grad(set_to_none=True)
    return optimizers


def _heads(model: CTRModel) -> list[str]:
    """Every head there is."""
    return ["own", "mean", *(["general"] if model.has_general_head else []), *model.domains]


def _eval_logits(model: CTRModel, batch: Batch, heads: Sequence[str]) -> dict[str, Tensor]:
    with torch.no_grad():
        return model.eval().logits(batch, heads)


def _state(model: CTRModel) -> dict[str, Tensor]:
    """A copy of every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _add(model: CTRModel, domain: str) -> list[torch.nn.Parameter]:
    with _seeded(5):
        return model.add_domain(domain)


def _assert_still(model: CTRModel, state: Mapping[str, Tensor], batch: Batch, logits: Mapping[str, Tensor]) -> None:
    """These weights and logits are what they were; there may be others."""
    now = model.state_dict()
    assert now.keys() >= state.keys()
    _assert_same({name: now[name] for name in state}, state)
    _assert_same(_eval_logits(model, batch, list(logits)), logits)


def _through_file(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What safetensors makes of a state."""
    return load_bytes(save_bytes({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}))


def _parts(model: CTRModel) -> dict[str, PerDomain]:
    return {name: module for name, module in model.named_modules() if isinstance(module, PerDomain)}


def _own(model: CTRModel, domain: str) -> dict[str, Tensor]:
    """A copy of the parameters and buffers that belong to a domain."""
    every = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: every[name].detach().clone() for name in _own_names(model, domain)}


def _own_names(model: CTRModel, domain: str) -> set[str]:
    networks = {id(part[domain]) for part in _parts(model).values() if domain in part}
    prefixes = tuple(f"{name}." for name, module in model.named_modules() if id(module) in networks)
    every = [*dict(model.named_parameters()), *dict(model.named_buffers())]
    return {name for name in every if name.startswith(prefixes)} if prefixes else set()


def _dead(parameter: Tensor) -> bool:
    grad = parameter.grad
    return grad is None or not (grad.coalesce().values() if grad.is_sparse else grad).abs().sum() > 0


def _changed(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> list[str]:
    return [name for name in before if not torch.equal(now[name], before[name])]


def _assert_same(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    assert now.keys() == before.keys()
    changed = _changed(now, before)
    assert changed == [], f"changed: {', '.join(changed)}"


def _assert_near(now: Tensor, expected: Tensor) -> None:
    assert_close(now, expected, atol=1e-5, rtol=1e-4)


def _assert_logits(logits: Tensor, count: int) -> None:
    assert logits.shape == (count,), f"shape {tuple(logits.shape)}, not ({count},)"
    assert logits.is_floating_point()
    assert logits.isfinite().all(), "logits that are not finite"


def _assert_finite(model: CTRModel, loss: Tensor) -> None:
    assert loss.isfinite(), f"the loss is {loss}"
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    values = {name: grad.coalesce().values() if grad.is_sparse else grad for name, grad in grads.items()}
    assert [name for name, grad in values.items() if not grad.isfinite().all()] == []


def _assert_works(model: CTRModel, batch: Batch) -> None:
    """The model trains on the batch, and scores it."""
    loss = model.train().loss(batch)
    loss.backward()
    _assert_finite(model, loss)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        _assert_logits(model.eval()(batch), len(batch))


def _refused(error: type[Exception], call: Callable[[], object]) -> str:
    """The message of the error that the call must raise."""
    try:
        call()
    except error as fault:
        return str(fault)
    raise AssertionError(f"{error.__name__} was not raised")


def _other_random_states() -> tuple[Any, Any]:
    """The states of `random` and `numpy.random`."""
    return random.getstate(), _plain(np.random.get_state())


def _plain(state: Any) -> Any:
    return tuple(part.tolist() if isinstance(part, np.ndarray) else part for part in state)


def _put_back(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])


class _IdsToFloats(TorchDispatchMode):
    """Refuses operations that make floating-point numbers of ids alone; looking ids up in a table is none."""

    def __init__(self, ids: Sequence[Tensor]) -> None:
        super().__init__()
        self.storages = {tensor.untyped_storage().data_ptr() for tensor in ids}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        from_ids = any(leaf.untyped_storage().data_ptr() in self.storages for leaf in given)
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        if from_ids and made and not any(leaf.is_floating_point() for leaf in given):
            raise AssertionError(f"{func} makes floating-point numbers of ids")
        return out
