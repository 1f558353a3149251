"""What an unknown word is likely to mean. Every layer may use it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def suggest(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest known ones, else all of them.

    Starts with a space, so that it follows the full stop of the sentence that names the word.
    """
    options = sorted(known)
    if not options:
        return " There are none."
    if best := nearest(word, options):
        return f" Did you mean {' or '.join(map(repr, best))}?"
    return f" Known: {', '.join(options)}."


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """The known words that an unknown one is likely to mean, nearest first; `likeness` of 1 is the same word."""
    by_folded = {_folded(option): option for option in known}
    near = get_close_matches(_folded(word), by_folded, n=3, cutoff=likeness)
    return [by_folded[match] for match in near if _likeness(word, match) > _likeness(word, near[0]) - 0.1]


def _likeness(word: str, folded: str) -> float:
    return SequenceMatcher(None, folded, _folded(word)).ratio()


def _folded(word: str) -> str:
    return word.lower().strip("-").replace("-", "_")
