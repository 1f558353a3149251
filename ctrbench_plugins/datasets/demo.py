"""The demo: five made-up domains with a known truth, written as Amazon review files and read as such.

It is synthetic. It shows that the machinery works and what a table looks like; it says nothing about the
accuracy of any model on real data.

The process, for user u and item i of domain d (`demo_process`; the words are in `demo_words`):

    logit p(u, i) = bias_d + brand_d[b(i)] + sum over a in A(i) of (effect[a] + liking[u, a])
    label         ~ Bernoulli(p(u, i)), shown as a rating: 4 or 5 if positive, 1 to 3 if not

- A(i): two of twelve attributes, such as luxury, cheap, for kids. effect: +1.4 for three of them, -1.4 for
  three, 0 for six, for everybody and in every domain. liking ~ N(0, 0.4^2): a user's own, in every domain.
- A title names both attributes. Each has six wordings ("Cheap", "Budget", "Low-Cost", "Bargain", "Discount",
  "Clearance"), of which a domain uses three; the last is used only in the two domains that table 3 does not
  train on. So text tells across items and domains what ids tell of items seen before.
- b(i): one of 25 brands, each domain its own; brand_d has standard deviation 0.4. bias_d is 0.9.
- Product noun, colour, size, price, day, reviewer name and review text mean nothing.
- Each row draws its user and its item independently, with long-tailed popularity: number n * U^1.5 of n
  users, m * U^1.4 of m items, U uniform. About three rows per item (Gift Cards, the sparse domain: two), and
  two and a half per user over all domains. The day, in 2012-2018, is independent of all else, so that later
  rows are like earlier ones.

Each review holds its p, as a key that published reviews have not. It becomes the column `true_probability`, which
is none of the fields that models are given, and from which reports compute the oracle's AUC, about 0.82: the best
that any model can reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field as Limit

from ctrbench.api import DataError, OutputError, RemoteFile
from ctrbench_plugins.datasets.amazon2018 import Amazon2018
from ctrbench_plugins.datasets.demo_raw import Shape, raw_files, write_raw

STAMP = "demo.txt"
"""Marks a folder as the demo's own, and says with which options it was written."""


class Demo(Amazon2018):
    """Raw files made by a random process, then read by the same code as the published ones."""

    class Options(Amazon2018.Options):
        """How much of it.

        scale: 1 is about 8,000 reviews, 560 the paper's 4.5 million; any size streams through little memory.
        shape: `demo` has domains of sizes that suit a small scale, about three reviews per product, and short
          texts. `paper` has the paper's proportions (Table II): at scale 560 its samples and products of each
          domain, and texts as long as published ones, which is what reading costs.
        seed: another seed is another draw of everything but the words and their effects.
        """

        scale: float = Limit(1.0, gt=0, le=100_000)
        shape: Shape = "demo"
        seed: int = Limit(0, ge=0, lt=2**63)

    options: Options

    review_columns: ClassVar[Mapping[str, pl.DataType]] = {"true_probability": pl.Float64()}
    synthetic: ClassVar[bool] = True
    automatic: ClassVar[bool] = True

    def remote_files(self) -> tuple[RemoteFile, ...]:
        """None: it makes its files."""
        return ()

    def download(self, root: Path) -> None:
        """Write the raw files; does nothing where they are. Refuses a folder with files of another origin."""
        stamp = root / STAMP
        scale, shape, seed = self.options.scale, self.options.shape, self.options.seed
        asked = f"ctrbench demo, version {self.version}, shape {shape}, scale {scale!r}, seed {seed}\n"
        present = [name for name in raw_files() if (root / name).exists()]
        if present and not stamp.exists():
            raise DataError(f"{root / present[0]} was not written by the demo: choose an empty folder for it")
        if len(present) == len(raw_files()) and stamp.read_text() == asked:
            return
        try:
            root.mkdir(parents=True, exist_ok=True)
            stamp.write_text("unfinished\n")
            write_raw(root, scale, seed, shape)
            stamp.write_text(asked)
        except OSError as error:
            raise OutputError(f"{root} cannot be written ({error.strerror}): choose another folder") from error
