"""What a model promises of domains that come and go."""

from __future__ import annotations

import pytest

from ctrbench.errors import ConfigError, UnknownDomain
from ctrbench.models.parts import domain_parts, own_names
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import Subject
from ctrbench.testing.toy import DOMAINS

_NAMES = ("items", "training", "forward", "a.b", "a b", "a/b", "..", "ünïcode / 域", "%2E", "domain_books")
"""Names that a domain may have, and that a module may not."""


class DomainPromises(Subject):
    """What a model promises of domains that come and go."""

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
        if not domain_parts(model):
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
            checks.assert_none(sorted(own_names(model, domain)), f"still there of {domain}")

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
        if domain_parts(model):
            pytest.skip("this model has networks per domain")
        before, trainable = checks.copied_state(model), [p.requires_grad for p in model.parameters()]
        checks.refused(ConfigError, model.add_domain, "shoes")
        assert model.category == "single_domain" or not model.adds_domains, (
            "a model that is trained jointly has networks per domain, or says `adds_domains = False`"
        )
        assert model.domains == DOMAINS, f"the domains are {model.domains}"
        assert [p.requires_grad for p in model.parameters()] == trainable, "parameters were frozen"
        checks.assert_same(model.state_dict(), before)
