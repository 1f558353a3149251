"""One statement of an audit, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

EXAMPLES = 3
"""How many rows that refute a statement are named."""


class Check(BaseModel):
    """A statement on all rows. `details` are rows that refute it, or further numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    result: Literal["holds", "fails", "allowed"]
    found: str
    details: tuple[str, ...] = ()


def failed_if(bad: bool, name: str, found: str, details: Sequence[str] = ()) -> Check:
    """A check that holds or fails; details are of what fails."""
    return Check(name=name, result="fails" if bad else "holds", found=found, details=tuple(details) if bad else ())
