"""What was asked for on the command line, so that a page can say how to make its numbers again."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """The options that runs follow from, models and seeds apart."""

    words: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """The values of `--target`, which some tables take."""
    overrides: tuple[str, ...] = ()
    """The values of `--set`."""

    def command(
        self, tables: Collection[str], rows: Collection[str], models: Collection[str], seed: int, beyond: bool
    ) -> str:
        """What trains rows, which are variants of `models`, where that is not done yet.

        `beyond`: one of the tables takes `--target`.
        """
        words = ["ctrbench", "run", *tables, "--models", ",".join(rows), "--seeds", f"{seed},", *self.words]
        if beyond and self.targets:
            words += ["--target", ",".join(self.targets)]
        mine = {*rows, *models}
        return shlex.join([*words, *(word for text in self.overrides for word in _setting(text, mine))])


def _setting(text: str, names: Collection[str]) -> list[str]:
    return ["--set", text] if text.partition(".")[0].strip() in names else []
