"""In which order tables stand: as in a paper, tables by number, then figures by number, then all others by name."""

from __future__ import annotations

import re

_NUMBERED = re.compile(r"(table|fig(?:ure)?)[-_]?(\d+)", re.IGNORECASE)
_DIGITS = re.compile(r"(\d+)")


def place(name: str) -> tuple[int, int, list[tuple[int, str]]]:
    """What a table's name is sorted by. Its numbers count as numbers: `table9` stands before `table10`."""
    numbered = _NUMBERED.fullmatch(name)
    kind = 2 if numbered is None else int(not numbered[1].lower().startswith("table"))
    parts = [(int(part), "") if part.isdecimal() else (0, part.lower()) for part in _DIGITS.split(name)]
    return kind, 0 if numbered is None else int(numbered[2]), parts
