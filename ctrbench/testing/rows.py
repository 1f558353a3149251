"""What a model promises of rows."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from ctrbench.testing import batches, checks
from ctrbench.testing.promises import promise
from ctrbench.testing.subject import COUNT, Subject, new_rows, view
from ctrbench.testing.toy import DOMAINS, toy_items
from ctrbench.testing.watch import NoFloatsFromIds


class RowPromises(Subject):
    """What a model promises of rows."""

    @promise("return one logit per row, `[:, 0]` of a last layer of width 1, and no NaN for what is rare or empty.")
    def test_eval_logits_are_one_finite_number_per_row(self) -> None:
        """`forward` gives (B,) finite logits that depend on the rows."""
        with torch.no_grad():
            logits = self.trained()(self.batch())
        checks.assert_logits(logits, COUNT)
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

    @promise("read `batch.label` in `loss` alone, and `batch.row_id` nowhere.")
    def test_logits_know_no_labels(self) -> None:
        """At eval, a row gets the same logit from every head whatever its label and its number are."""
        model, batch = self.trained(), self.batch()
        before = checks.eval_logits(model, batch, checks.all_heads(model))
        for name, other in batches.untold(batch):
            for head, logits in checks.eval_logits(model, other, list(before)).items():
                assert_close(logits, before[head], atol=1e-5, rtol=1e-4, msg=f"head {head!r} reads the {name}")

    @promise("mask padding (id 0, or where the attention mask is False) before a softmax, mean or maximum over places.")
    def test_more_padding_changes_no_logit(self) -> None:
        """A row's logit is the same however far its batch is padded."""
        model, batch = self.trained(), self.batch()
        with torch.no_grad():
            checks.assert_near(model(batches.padded(batch, self._rows().features, 3)), model(batch))

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
        """Ids are int64, and `forward` makes no floating-point numbers of them, nor of integers computed from them."""
        model, batch = self.trained(), self.batch()
        names = [name for name in ("ids", *self._featurizer().info.histories) if name in batch.x]
        checks.assert_none([name for name in names if batch.x[name].dtype != torch.int64], "not int64")
        with torch.no_grad(), NoFloatsFromIds([batch.x[name] for name in names]):
            model(batch)

    @promise("featurise each row by itself, from what `fit` learned.")
    def test_a_rows_features_do_not_depend_on_the_other_rows(self) -> None:
        """The featurizer gives a row the same features alone as among others."""
        some = view(self._featurizer(), new_rows()[10:20], toy_items()).batch(torch.arange(10))
        checks.assert_same(batches.tensors(some), batches.tensors(self._rows().batch(torch.arange(10, 20))))
