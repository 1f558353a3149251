"""Types of common settings, so that every model refuses the same impossible values in the same words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Size = Annotated[int, Field(gt=0, strict=True)]
"""A width or a count: at least 1."""

Sizes = tuple[Size, ...]
"""Widths of layers, from input to output; may be empty."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A share of units to drop: 0 drops none."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""The weight of a part of the loss: 0 leaves it out."""
