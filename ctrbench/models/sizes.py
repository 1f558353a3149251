"""Types of common settings, so that every model refuses the same impossible values in the same words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Size = Annotated[int, Field(gt=0)]
"""A width or a count: at least 1."""

Sizes = tuple[Size, ...]
"""Widths of layers, from input to output; may be empty."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A share of units to drop: 0 drops none."""
