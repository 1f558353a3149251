"""What every model promises, as tests that its author subclasses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

import polars as pl
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.testing import assert_close

from ctrbench import registry
from ctrbench.data.source import Field
from ctrbench.errors import ConfigError, NoGeneralHead, UnknownDomain
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo, Featurizer
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.testing import batches, checks
from ctrbench.testing.checks import promise
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
        return _fitted(cls.kind(), cls.settings(), FIELDS)

    @classmethod
    @cache
    def rows(cls) -> Rows:
        """New rows of three domains."""
        return _view(cls.featurizer(), _new_rows(), toy_items())

    @classmethod
    def batch(cls, count: int = _COUNT) -> Batch:
        """The first of these rows, as a batch that a test may spoil."""
        return cls.rows().batch(torch.arange(count))

    @classmethod
    def build(cls, domains: Sequence[str] = DOMAINS, seed: int = 0, info: FeatureInfo | None = None) -> CTRModel:
        """A new model with the weights of a seed."""
        kind, settings, info = cls.kind(), cls.settings(), info or cls.featurizer().info
        with checks.seeded(seed):
            return kind(settings, info, tuple(domains))

    @classmethod
    @cache
    def _trained(cls, domains: tuple[str, ...]) -> dict[str, Tensor]:
        model = cls.build(domains)
        checks.enliven(model)
        checks.learn(model, batches.of_domains(cls.batch(), *domains))
        return checks.copied_state(model)

    @classmethod
    def trained(cls, domains: tuple[str, ...] = DOMAINS) -> CTRModel:
        """A model whose every part shows in its logits, in eval mode.

        Embeddings start near zero, where all that is computed from them, be it right or wrong, is near zero, too.
        """
        model = cls.build(domains)
        model.load_state_dict(cls._trained(domains))
        return model.eval()

    # rows

    @promise("return one logit per row, `[:, 0]` of a last layer of width 1, and no NaN for what is rare or empty.")
    def test_eval_logits_are_one_finite_number_per_row(self) -> None:
        """`forward` gives (B,) finite logits that depend on the rows."""
        with torch.no_grad():
            logits = self.trained()(self.batch())
        checks.assert_logits(logits, _COUNT)
        assert logits.std() > 0, "every row got the same logit"

    @promise("use no statistics over the rows of a batch at eval, and no attention between rows.")
    def test_a_rows_logit_does_not_depend_on_the_other_rows(self) -> None:
        """At eval, a row gets the same logit alone as among others."""
        model, batch = self.trained(), self.batch(12)
        with torch.no_grad():
            alone = [model(batches.part(batch, torch.tensor([row]))) for row in range(len(batch))]
            checks.assert_near(torch.cat(alone), model(batch))

    @promise("use no statistics over the rows of a batch at eval, and return logits in the order of the rows.")
    def test_logits_follow_the_rows_when_the_batch_is_reordered(self) -> None:
        """At eval, logits do not depend on the order of the rows."""
        model, batch = self.trained(), self.batch()
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            checks.assert_near(model(batches.part(batch, order)), model(batch)[order])

    @promise("mask padding (id 0, or where the attention mask is False) before a softmax, mean or maximum over places.")
    def test_more_padding_changes_no_logit(self) -> None:
        """A row's logit is the same however far its batch is padded."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            checks.assert_near(model(batches.padded(batch, self.rows().features, 3)), model(batch))

    @promise("leave dropout and all else that is random to train mode (`self.training`); change no state in eval mode.")
    def test_scoring_twice_gives_bitwise_the_same(self) -> None:
        """At eval, `forward` is a function of the weights and the batch."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            first, _, again = model(batch), model(self.batch(5)), model(batch)
        checks.assert_same({"logits": again}, {"logits": first})
        checks.assert_same(model.state_dict(), self._trained(DOMAINS))

    @promise("change no tensor of a batch in place; clone it first.")
    def test_a_batch_is_left_as_it_was(self) -> None:
        """Neither `loss` nor `logits` changes the batch."""
        model, batch = self.trained(), self.batch()
        before = batches.tensors(batches.clone(batch))
        model.train().loss(batch).backward()
        checks.eval_logits(model, batch, checks.all_heads(model))
        checks.assert_same(batches.tensors(batch), before)

    @promise("index with ids as they are: float32 cannot tell 2^24 from 2^24 + 1.")
    def test_ids_stay_integers(self) -> None:
        """Ids are int64, and `forward` makes no floating-point numbers of them."""
        model, batch = self.trained(), self.batch()
        names = [name for name in ("ids", *self.featurizer().info.histories) if name in batch.x]
        checks.assert_none([name for name in names if batch.x[name].dtype != torch.int64], "not int64")
        with torch.no_grad(), checks.NoFloatsFromIds([batch.x[name] for name in names]):
            model(batch)

    @promise("featurise each row by itself, from what `fit` learned.")
    def test_a_rows_features_do_not_depend_on_the_other_rows(self) -> None:
        """The featurizer gives a row the same features alone as among others."""
        some = _view(self.featurizer(), _new_rows()[10:20], toy_items()).batch(torch.arange(10))
        checks.assert_same(batches.tensors(some), batches.tensors(self.rows().batch(torch.arange(10, 20))))

    # learning

    @promise("return a mean over the batch, computed from the parameters without `detach`.")
    def test_the_loss_is_a_finite_scalar(self) -> None:
        """`loss` is a finite scalar, and has a gradient where, and only where, there are parameters to train."""
        model, batch = self.trained().train(), self.batch()
        loss = model.loss(batch)
        assert loss.shape == (), f"the loss has the shape {tuple(loss.shape)}"
        assert loss.isfinite(), f"the loss is {loss}"
        assert loss.requires_grad, "the loss has no gradient"
        with torch.no_grad():
            assert not model.loss(batch).requires_grad, "the loss has a gradient under torch.no_grad()"
        frozen = model.requires_grad_(False)
        assert not frozen.loss(batch).requires_grad, "the loss of a frozen model has a gradient"

    @promise("use every parameter in `loss`, or remove it.")
    def test_every_parameter_learns_from_a_batch_of_all_domains(self) -> None:
        """Every trainable parameter gets a gradient that is not zero from a batch of all domains."""
        model = self.trained().train()  # LoRA's first factor learns only after its second, which starts at zero
        for _ in range(2):  # all of a small layer may be dropped out once
            model.loss(self.batch()).backward()
        trainable = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        checks.assert_none([name for name, grad in trainable.items() if checks.is_zero(grad)], "without a gradient")

    @promise(
        "name each trainable parameter in `parameter_groups` once; put tables with sparse gradients into `sparse`."
    )
    def test_each_parameter_is_in_one_optimiser_group(self) -> None:
        """`parameter_groups` holds every trainable parameter once."""
        model = self.build()
        grouped = Counter(id(parameter) for group in model.parameter_groups().values() for parameter in group)
        odd = [name for name, p in model.named_parameters() if grouped[id(p)] != int(p.requires_grad)]
        checks.assert_none(odd, "trainable and not in one group, or frozen and in a group")

    @promise("keep what belongs to a domain in `PerDomain`, and update its buffers from that domain's rows alone.")
    def test_a_step_on_one_domain_leaves_the_others_as_they_were(self) -> None:
        """A step on one domain's rows moves no other domain's parameters or buffers, whatever the optimiser."""
        for optimizer in ("adam", "adamw"):
            model, batch = self.build(), self.batch()
            optimizers = checks.learn(model, batch, optimizer=optimizer)  # momentum that could move absent domains
            before = {domain: checks.own_state(model, domain) for domain in DOMAINS}
            checks.learn(model, batches.of_domains(batch, "games"), optimizers=optimizers)
            checks.assert_same(checks.own_state(model, "books"), before["books"])
            checks.assert_same(checks.own_state(model, "tools"), before["tools"])
            moved = checks.changed(checks.own_state(model, "games"), before["games"])
            assert moved or not before["games"], "a step on games moved none of its own parameters"

    @promise(
        "let a row visit its own domain's network only (`PerDomain`): no loop over all domains, no stacked weights."
    )
    def test_an_absent_domain_learns_nothing(self) -> None:
        """The parameters of a domain that is absent from the batch have no gradient at all, not even zeros."""
        model, batch = self.build(), batches.of_domains(self.batch(), "books", "tools")
        model.train().loss(batch).backward()
        grads = {name: p.grad for name, p in model.named_parameters() if name in checks.own_names(model, "games")}
        checks.assert_none([name for name, grad in grads.items() if grad is not None], "with a gradient")

    @promise("use no batch normalisation, nor anything else that needs two rows.")
    def test_one_row_per_domain(self) -> None:
        """A batch with one row of each domain trains and scores."""
        checks.assert_works(self.build(), batches.one_each(self.batch()))

    @promise("use no batch normalisation, nor anything else that needs two rows.")
    def test_a_batch_of_one_row(self) -> None:
        """A batch of one row trains and scores."""
        checks.assert_works(self.build(), self.batch(1))

    @promise("loop over the domains that are present (`batch.by_domain()`, or `PerDomain`).")
    def test_rows_of_one_domain_only(self) -> None:
        """A batch of one domain trains and scores, in a model of three domains and in a model of one."""
        checks.assert_works(self.build(), batches.of_domains(self.batch(), "tools"))
        checks.assert_works(self.build(("tools",)), self.batch().as_domain("tools"))

    @promise("size what belongs to domains by `domains`, and look it up by name.")
    def test_thirty_domains(self) -> None:
        """A model of thirty domains trains and scores, on batches of all of them and of some."""
        names = tuple(f"domain {number}" for number in range(30))
        model = self.build(names)
        checks.assert_works(model, batches.spread(self.batch(), names))
        checks.assert_works(model, batches.spread(self.batch(5), names))

    @promise("divide by no length, and take no softmax or last place of a history, without allowing for an empty one.")
    def test_all_histories_may_be_empty(self) -> None:
        """Batches without any history train and score, and how wide their padding is changes no logit."""
        rows = _view(self.featurizer(), without_histories(_new_rows()), toy_items())
        batch = rows.batch(torch.arange(_COUNT))
        checks.assert_works(self.build(), batch)
        model = self.trained()
        with torch.no_grad():
            checks.assert_near(model(batches.padded(batch, rows.features, 3)), model(batch))

    @promise(
        "let ids that train did not hold be rows of the table like others (`info.unseen`), and keep no list of ids."
    )
    def test_unseen_ids(self) -> None:
        """Rows of users, items and words that train did not hold train and score."""
        strange = _view(self.featurizer(), *of_strangers(_new_rows(), toy_items())).batch(torch.arange(_COUNT))
        checks.assert_works(self.build(), strange)
        unseen = torch.tensor(self.featurizer().info.unseen)
        if "ids" in strange.x and len(unseen):
            ids = unseen.expand_as(strange.x["ids"])
            checks.assert_works(self.build(), replace(strange, x={**strange.x, "ids": ids}))

    @promise("compute losses, and sums over many terms, in float32 (`.float()`).")
    def test_bfloat16(self) -> None:
        """Under autocast to bfloat16, loss and gradients are finite, and logits are near those of float32."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            exact = model(batch).float()
            with torch.autocast("cpu", torch.bfloat16):
                rough = model(batch).float()
        assert_close(rough, exact, atol=0.05, rtol=0.05)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.train().loss(batch)
        loss.backward()
        checks.assert_finite(model, loss)

    # heads

    @promise("route by `batch.domain` and `batch.domains`, as `PerDomain` does.")
    def test_heads_by_name(self) -> None:
        """`own` is each row's own domain's head, and `mean` the mean of all heads' probabilities."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            heads = model.logits(batch, ("own", "mean", *DOMAINS))
            checks.assert_near(heads["own"], model(batch))
        for domain, rows in batch.by_domain():
            checks.assert_near(heads["own"][rows], heads[domain][rows])
        probabilities = torch.stack([heads[domain].sigmoid() for domain in DOMAINS])
        checks.assert_near(heads["mean"].sigmoid(), probabilities.mean(0))

    @promise("look domains up by name: numbers in `batch.domain` are places in `batch.domains`, not in `self.domains`.")
    def test_domains_go_by_name_not_by_number(self) -> None:
        """Rows get the same logits when the batch numbers its domains otherwise."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            checks.assert_near(model(batches.renumbered(batch)), model(batch))

    @promise("give each domain a network of its own in `PerDomain`, or set `category` to `single_domain`.")
    def test_every_domain_has_logits_of_its_own(self) -> None:
        """In a model that is trained jointly, a row's logit depends on the head it gets, not on the row alone."""
        model, batch = self.trained(), self.batch()
        if model.category == "single_domain":
            pytest.skip("a model that is trained on one domain has one head")
        heads = checks.eval_logits(model, batch, DOMAINS)
        for one, other in combinations(DOMAINS, 2):
            assert (heads[one] - heads[other]).abs().max() > 1e-6, f"{one} and {other} have the same logits"

    @promise("leave heads to `CTRModel.logits` and `head_logits`, which know the names.")
    def test_an_unknown_head_is_an_error(self) -> None:
        """Asking for a head that is not there is an error that names the known ones."""
        model = self.build()
        message = checks.refused(UnknownDomain, model.logits, self.batch(), ("shoes",))
        checks.assert_names(message, "shoes", *DOMAINS)

    @promise("leave heads to `CTRModel.logits` and `head_logits`, which know the names.")
    def test_a_row_of_an_unknown_domain_is_an_error(self) -> None:
        """A row of an unknown domain is an error that names the known ones, never a constant."""
        model = self.build(("books", "games")).eval()
        message = checks.refused(UnknownDomain, model.logits, self.batch(), ("own",))
        checks.assert_names(message, *DOMAINS)

    @promise("set `has_general_head` where there is a `forward_general`, and only there.")
    def test_the_general_head_is_there_or_an_error(self) -> None:
        """`forward_general` gives (B,) logits that no domain decides, or else raises `NoGeneralHead`."""
        model, batch = self.trained(), self.batch()
        if not model.has_general_head:
            checks.refused(NoGeneralHead, model.forward_general, batch)
            checks.refused(NoGeneralHead, model.logits, batch, ("general",))
            return
        with torch.no_grad():
            general = model.forward_general(batch)
            checks.assert_logits(general, len(batch))
            checks.assert_near(model.logits(batch, ("general",))["general"], general)
            checks.assert_near(model.forward_general(batch.as_domain("shoes")), general)

    # domains that come and go

    @promise("keep what belongs to a domain in `PerDomain`, which makes a module's name of any text.")
    def test_a_domain_may_have_any_name(self) -> None:
        """Dots, slashes, spaces, other scripts, and names of a module's own attributes may be names of domains."""
        model = self.build(_NAMES)
        checks.assert_works(model, batches.spread(self.batch(len(_NAMES)), _NAMES))
        model.load_state_dict(checks.through_file(model.state_dict()))

    @promise("keep all that belongs to a domain in `PerDomain`, and nothing else there; let all else be frozen.")
    def test_a_new_domain_leaves_the_old_ones_as_they_were(self) -> None:
        """Adding, training and removing a domain leaves the others' logits and all old weights bitwise equal."""
        model, batch = self.trained(("books", "tools")), self.batch()
        if not checks.domain_parts(model):
            pytest.skip("this model has no network per domain")
        heads = ["books", "tools", *(["general"] if model.has_general_head else [])]
        state, logits = checks.copied_state(model), checks.eval_logits(model, batch, heads)

        new = checks.add_domain(model, "games")
        assert model.domains == ("books", "tools", "games"), f"the domains are {model.domains}"
        trainable = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
        assert trainable == {id(parameter) for parameter in new}, "not just the new parameters are trainable"
        checks.assert_still(model, state, batch, logits)

        untrained = checks.eval_logits(model, batch, ["games"])
        checks.learn(model, batches.of_domains(batch, "games"), steps=3)
        checks.assert_still(model, state, batch, logits)
        assert checks.changed(checks.eval_logits(model, batch, ["games"]), untrained), "the new domain learned nothing"

        model.remove_domain("games")
        checks.assert_same(model.state_dict(), state)
        checks.assert_still(model, state, batch, logits)

    @promise("keep what belongs to a domain in `PerDomain`, by name; change nothing else in `remove_domain`.")
    def test_removing_a_domain_leaves_the_others_as_they_were(self) -> None:
        """Removing any domain leaves the others' logits bitwise equal, and its own head is an error."""
        for domain in DOMAINS:
            model, batch = self.trained(), self.batch()
            others = [other for other in DOMAINS if other != domain]
            logits = checks.eval_logits(model, batch, others)
            model.remove_domain(domain)
            checks.assert_same(checks.eval_logits(model, batch, others), logits)
            checks.refused(UnknownDomain, model.logits, batch, (domain,))
            checks.assert_none(sorted(checks.own_names(model, domain)), f"still there of {domain}")

    @promise("leave `add_domain` and `remove_domain` to `CTRModel`, or check the name first.")
    def test_a_domain_comes_once_and_goes_once(self) -> None:
        """Adding a domain that is there, or removing one that is not, is an error that names those that are."""
        model = self.trained()
        before = checks.copied_state(model)
        checks.assert_names(checks.refused(ConfigError, model.add_domain, "books"), *DOMAINS)
        checks.assert_names(checks.refused(UnknownDomain, model.remove_domain, "shoes"), "shoes", *DOMAINS)
        assert model.domains == DOMAINS, f"the domains are {model.domains}"
        checks.assert_same(model.state_dict(), before)

    @promise("keep what belongs to a domain in `PerDomain`; leave `add_domain` to `CTRModel`.")
    def test_a_model_without_networks_per_domain_refuses_a_new_one(self) -> None:
        """Where there is no network per domain, adding a domain is an error and changes nothing."""
        model = self.trained()
        if checks.domain_parts(model):
            pytest.skip("this model has networks per domain")
        before, trainable = checks.copied_state(model), [p.requires_grad for p in model.parameters()]
        checks.refused(ConfigError, model.add_domain, "shoes")
        assert model.category == "single_domain", "a model that is trained jointly has networks per domain"
        assert model.domains == DOMAINS, f"the domains are {model.domains}"
        assert [p.requires_grad for p in model.parameters()] == trainable, "parameters were frozen"
        checks.assert_same(model.state_dict(), before)

    # states and settings

    @promise("make every tensor that `forward` reads a parameter or a buffer; freeze no weights that the seed decides.")
    def test_weights_go_through_a_file(self) -> None:
        """The `state_dict`, and what a checkpoint keeps of it, give a model of another seed the same logits."""
        model, batch = self.trained(), self.batch()
        logits = checks.eval_logits(model, batch, ["own"])
        other = self.build(seed=1)
        other.load_state_dict(checks.through_file(model.state_dict()))
        checks.assert_same(checks.eval_logits(other, batch, ["own"]), logits)
        other = self.build(seed=1)
        load_trained(other, checks.through_file(trained_state(model)))
        checks.assert_same(checks.eval_logits(other, batch, ["own"]), logits)

    @promise("give every field a default and an exact type that JSON can hold; derive `Config` from `CTRModel.Config`.")
    def test_settings_go_through_json(self) -> None:
        """A `Config` has defaults, is the same after a way through JSON, and refuses a key that it does not know."""
        kind = self.kind().Config
        for config in (kind(), self.settings()):
            there_and_back = kind.model_validate(json.loads(json.dumps(config.model_dump(mode="json"))))
            assert there_and_back == config, f"{config!r} became {there_and_back!r}"
            assert kind.model_validate_json(config.model_dump_json()) == config, "its JSON says something else"
        checks.assert_names(checks.refused(ValidationError, kind, **self.config, no_such_key=1), "no_such_key")

    @promise("return all that `fit` learned from the featurizer's `state`, as JSON values; read it in `load_state`.")
    def test_a_featurizers_state_goes_through_json(self) -> None:
        """A new featurizer with the state of a fitted one gives the same sizes and tensors."""
        state = json.loads(json.dumps(self.featurizer().state()))
        other = self.kind().featurizer(self.settings()).load_state(state)
        assert other.info == self.featurizer().info, f"{self.featurizer().info} became {other.info}"
        batch = _view(other, _new_rows(), toy_items()).batch(torch.arange(_COUNT))
        checks.assert_same(batches.tensors(batch), batches.tensors(self.batch()))

    # randomness and places

    @promise("draw initial weights from torch's default generator, and seed nothing.")
    def test_the_seed_decides_the_weights(self) -> None:
        """The same seed gives the same weights, another seed others."""
        one, again, other = (checks.copied_state(self.build(seed=seed)) for seed in (0, 0, 1))
        checks.assert_same(again, one)
        assert checks.changed(other, one), "two seeds gave the same weights"

    @promise("never seed a generator, and draw from none but torch's default one.")
    def test_no_global_random_state_is_touched(self) -> None:
        """Construction and `loss` only draw from torch's default generator, and scoring draws nothing."""
        batch, ends = self.batch(), []
        with checks.other_generators_untouched():
            for seed in (1, 2):
                with checks.seeded(seed):
                    model = self.kind()(self.settings(), self.featurizer().info, DOMAINS)
                    built = torch.get_rng_state()
                    model.train().loss(batch)
                    ends.append((built, torch.get_rng_state()))
                    checks.eval_logits(model, batch, checks.all_heads(model))
                    assert torch.equal(torch.get_rng_state(), ends[-1][1]), "scoring drew random numbers"
        for number, place in enumerate(("constructor", "loss")):
            assert not torch.equal(ends[0][number], ends[1][number]), f"the {place} seeded torch's generator"

    @promise("make weights with torch's own functions, and read no values of them (`.item()`) in the constructor.")
    def test_the_model_can_be_built_without_weights(self) -> None:
        """On the device `meta` the model is built, and its optimisers with it, without memory for weights."""
        with torch.device("meta"):
            model = self.build()
            build_optimizers(model.parameter_groups(), TrainConfig())
        real = [name for name, parameter in model.named_parameters() if not parameter.is_meta]
        checks.assert_none(real, "with memory")

    @promise("make tensors on the device of the batch (`device=batch.domain.device`), or once, as buffers.")
    def test_tensors_are_made_on_the_device_of_the_batch(self) -> None:
        """`forward` and `loss` run on the device that model and batch are on; here that is `meta`."""
        with torch.device("meta"):
            model = self.build()
        batch = self.batch().map(lambda tensor: tensor.to("meta"))
        try:
            model.loss(batch)
            model.eval()(batch)
        except (RuntimeError, NotImplementedError) as fault:
            if not any(words in str(fault) for words in ("on meta tensors", "data-independent")):
                raise
            pytest.skip("this model looks at values, which there are none of without a real device")

    @promise("leave this to `CTRModel.__init__`: call it before anything else.")
    def test_a_vocabulary_beyond_int32_is_refused(self) -> None:
        """More ids than int32 can count are an error that names the model."""
        info = replace(self.featurizer().info, vocabulary=2**31)
        with torch.device("meta"):
            message = checks.refused(ConfigError, self.build, info=info)
        checks.assert_names(message, self.kind().__name__)

    @promise("set `needs_history` where a model means nothing without one; else allow for fields that `info` lacks.")
    def test_datasets_may_lack_histories_numbers_and_most_ids(self) -> None:
        """A model trains on fewer kinds of fields, or, where it needs a history, refuses a dataset without one."""
        for fields in _fewer_fields():
            featurizer = _fitted(self.kind(), self.settings(), fields)
            if self.kind().needs_history and not any(field.kind == "history" for field in fields):
                message = checks.refused(ConfigError, self.build, info=featurizer.info)
                checks.assert_names(message, self.kind().__name__)
            else:
                batch = _view(featurizer, _new_rows(), toy_items()).batch(torch.arange(_COUNT))
                checks.assert_works(self.build(info=featurizer.info), batch)


def _fitted(kind: type[CTRModel], settings: Any, fields: Sequence[Field]) -> Featurizer:
    manifest = toy_manifest(fields=list(fields))
    return kind.featurizer(settings).fit(toy_rows(300), toy_items(), manifest)


def _new_rows() -> pl.DataFrame:
    """Rows that train does not hold."""
    return toy_rows(_COUNT, first=10_000, seed=7)


def _fewer_fields() -> list[list[Field]]:
    """The toy fields without histories, without numbers, without both; and user, item and history alone."""
    lacks = (("history",), ("number",), ("history", "number"))
    kinds = [[field for field in FIELDS if field.kind not in lack] for lack in lacks]
    return [*kinds, [field for field in FIELDS if field.name in ("user", "item", "history")]]


def _view(featurizer: Featurizer, rows: pl.DataFrame, items: pl.DataFrame) -> Rows:
    """Featurised rows, without what an earlier call left in the cache."""
    with TemporaryDirectory() as folder, patch.dict("os.environ", CTRBENCH_CACHE=folder):
        return Rows.build(rows, items, featurizer, DOMAINS)
