"""Dirty rows and changed values, counted by reason while a dataset is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ctrbench.data.progress import Tell, silent
from ctrbench.errors import DataError

EXAMPLES = 3
"""How many examples of one reason are kept."""

Table = Literal["interactions", "items"]


class Problem(BaseModel):
    """One reason, in one domain.

    `error`: the rows are bad and were left out; otherwise a note on values that were changed, or on rows that
    are left out by rule. `examples` are `file:line: text`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    domain: str | None = None
    count: int
    examples: tuple[str, ...] = ()
    error: bool = True
    table: Table = "interactions"


class Problems:
    """Collects problems; in strict mode the first bad row is a `DataError`. `tell` hears how reading gets on.

    The framework hands one to a source, which calls `add`, or has `take_good` call it.
    """

    def __init__(self, strict: bool = False, tell: Tell = silent) -> None:
        self.strict = strict
        self.tell = tell
        self.entries: list[Problem] = []

    def add(
        self,
        reason: str,
        count: int,
        *,
        domain: str | None = None,
        examples: Sequence[str] = (),
        error: bool = True,
        table: Table = "interactions",
    ) -> None:
        """Note `count` rows or values with one reason; a count of zero is no problem.

        error: the rows are bad and left out; False for a note on values that were changed. domain: theirs, where it is
        known. examples: as `examples` gives them; the first three are kept. table: where the rows are from.
        Raises `DataError` naming the first example when this is an error and the mode is strict.
        """
        if count == 0:
            return
        problem = Problem(
            reason=reason,
            domain=domain,
            count=count,
            examples=tuple(examples[:EXAMPLES]),
            error=error,
            table=table,
        )
        if self.strict and error:
            where = problem.examples[0] if problem.examples else f"domain {domain}"
            raise DataError(f"{where}: {reason} (--strict: {count:,} such; prepare without it to leave them out)")
        self.entries.append(problem)

    def bad_rows(self, domain: str) -> int:
        """How many interactions of a domain were left out as bad."""
        return sum(p.count for p in self.entries if p.error and p.table == "interactions" and p.domain == domain)
