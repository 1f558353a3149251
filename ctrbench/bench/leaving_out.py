"""What of a table spec can be left out where it is faulty, so that the rest of the table shows."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ctrbench.bench.claims import FaultyClaim
from ctrbench.validation import first_fault

if TYPE_CHECKING:
    from pydantic import ValidationError


def without(raw: dict[str, Any], error: ValidationError) -> tuple[dict[str, Any], str] | None:
    """A spec without an unknown key or a faulty claim, and what that was; None where its first fault is another one."""
    left, fault = deepcopy(raw), first_fault(error)
    location, cause = fault["loc"], fault.get("ctx", {}).get("error")
    if isinstance(cause, FaultyClaim):
        location = ("claims", cause.number)
    if location[:1] == ("claims",) and len(location) > 1:
        number = int(location[1])
        claim = left["claims"].pop(number)
        told = isinstance(claim, dict) and "text" in claim
        return left, f"the claim {claim['text']!r}" if told else f"claim {number + 1}"
    if fault["type"] != "extra_forbidden":
        return None
    place: Any = left
    for part in location[:-1]:
        place = place[part]
    del place[location[-1]]
    return left, f"the key {location[-1]!r}"
