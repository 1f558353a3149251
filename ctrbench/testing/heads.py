"""What a model promises of heads."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from ctrbench.errors import NoGeneralHead, UnknownDomain
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import Subject
from ctrbench.testing.toy import DOMAINS


class HeadPromises(Subject):
    """What a model promises of heads."""

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
