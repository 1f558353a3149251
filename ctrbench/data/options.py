"""How raw rows become a prepared dataset, as a user may set it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctrbench.data import domains
from ctrbench.data.split import SplitRule


class PrepareOptions(BaseModel):
    """How rows become labelled, split and given a history. Defaults are the benchmark's; one split for all.

    window: items in a history. positive_above: a higher rating is positive (label 1).
    middle: what a rating equal to `positive_above` is. The paper says negative; its code drops such rows.
    train, valid: shares of a domain's rows; the rest is the test split. The paper says 0.8 and 0.1; its code
      takes 0.81 and 0.09.
    split: `time` per domain, as the paper; `global_time` cuts all domains at the same two moments, so that no
      training history shows another domain's test period; `random` draws the rows of each domain, for data
      without usable times, or as published results on MovieLens do. Its test rows are of all times, so its
      histories are made of train rows only: else they would show a model the labels that it is tested on.
    split_seed: of the random split.
    dedupe: of rows with one domain, user, item and time the first stands. The paper's code keeps all.
    history: items of `all` domains, as the paper, or of the row's own `domain` only.
    domain_by: other domains than the source's: `new_user`, `user_group`, or a column (`column:NAME`); see
      `ctrbench.data.domains`. The source's stand in the column `source_domain`.
    new_user_rows: a user with fewer interactions before a row is new to it (domain_by=new_user).
    domain_groups: domains that a column of numbers is cut into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(5, ge=0, le=1000)
    positive_above: float = 3.0
    middle: Literal["negative", "drop"] = "negative"
    train: float = Field(0.8, gt=0, lt=1)
    valid: float = Field(0.1, ge=0, lt=1)
    split: SplitRule = "time"
    split_seed: int = Field(0, ge=0, lt=2**32)
    dedupe: bool = True
    history: Literal["all", "domain"] = "all"
    domain_by: str | None = Field(None, min_length=1)
    new_user_rows: int = Field(5, ge=1, le=1000)
    domain_groups: int = Field(4, ge=2, le=domains.MOST)

    @model_validator(mode="after")
    def _leaves_test_rows(self) -> Self:
        if self.train + self.valid >= 1:
            raise ValueError(f"train {self.train} and valid {self.valid} leave no test rows")
        return self

    @model_validator(mode="after")
    def _says_nothing_in_vain(self) -> Self:
        """Defaults may stand anywhere, as they do in manifests."""
        if self.split_seed and self.split != "random":
            raise ValueError(f"split_seed={self.split_seed} is of a random split, and split is {self.split}")
        usual = type(self).model_fields["new_user_rows"].default
        if self.new_user_rows != usual and self.domain_by != domains.NEW_USER:
            by = self.domain_by or "not set"
            raise ValueError(f"new_user_rows={self.new_user_rows} is of domain_by=new_user, and domain_by is {by}")
        return self
