"""What `ctrbench data check` found out about a file, before anything runs."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InspectedColumn(_Found):
    """One column: where it is, what it is taken for, and what is in it. `distinct` is estimated for large files."""

    table: str
    name: str
    role: str
    type: str
    rows: int
    nulls: int
    distinct: int
    examples: tuple[str, ...] = ()


class Inspection(_Found):
    """A source's view of a file.

    `file` is what was looked at, also where its folder was named. `understood` and `wrong` are sentences; each of the
    latter says what to do. `proposal`: what to write into a new file so that the source can read this one, which by
    itself it cannot.
    """

    file: Path | None = None
    columns: tuple[InspectedColumn, ...] = ()
    understood: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    proposal: str | None = None
