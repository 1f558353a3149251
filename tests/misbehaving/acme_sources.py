"""Sources of a stranger's distribution: a good one, and one for each fault. A test copies this file and installs it."""

import random
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from ctrbench.api import DatasetSource, Field, Prompt

ROWS = 600


class Fine(DatasetSource):
    """Rows that are made by a rule."""

    automatic = True
    fields = (
        Field(name="domain", kind="id"),
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="hour", kind="number"),
        Field(name="history", kind="history", of="user"),
    )
    prompts: ClassVar = {"default": Prompt(template="{user} sees {item}", history_item="{item}")}

    def download(self, root):
        root.mkdir(parents=True, exist_ok=True)
        (root / "rows.txt").write_text(str(ROWS))

    def inputs(self, root):
        return [root / "rows.txt"]

    def frame(self, root):
        draw = np.random.default_rng(0)
        label = draw.integers(0, 2, ROWS)
        return pl.DataFrame(
            {
                "domain": [("books", "games")[k % 2] for k in range(ROWS)],
                "user": [f"u{k}" for k in draw.integers(0, 30, ROWS)],
                "item": [f"i{k}" for k in draw.integers(0, 20, ROWS)],
                "time": np.arange(ROWS) * 60,
                "label": label,
                "hour": draw.random(ROWS),
            }
        )

    def interactions(self, root, problems):
        return self.frame(root).lazy()

    def items(self, root, problems):
        return pl.LazyFrame({"item": [f"i{k}" for k in range(20)]})


class Signature(Fine):
    def interactions(self, root):
        return self.frame(root).lazy()


class Eager(Fine):
    def interactions(self, root, problems):
        return self.frame(root)


class Inputs(Fine):
    def inputs(self, root):
        return [str(root / "rows.txt")]


class Columns(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().rename({"time": "when"})


class Types(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(pl.col("time").cast(pl.String))


class Numbers(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(pl.col("user").str.slice(1).cast(pl.Int64))


class Declares(Fine):
    fields = (*Fine.fields, Field(name="colour", kind="id", of="item"))


class Misspells(Fine):
    fields = (*Fine.fields, Field(name="hours", kind="number"))


class Labels(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(label=pl.int_range(pl.len()) % 3)


class Templates(Fine):
    prompts: ClassVar = {"default": Prompt(template="{user} sees {colour} {history}", history_item="{item}")}


class Milliseconds(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(time=1000 * (1_600_000_000 + pl.col("time")))


class Raises(Fine):
    def items(self, root, problems):
        return {}["items"]


class LazilyRaises(Fine):
    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(pl.col("hour").map_elements(lambda hour: 1 // 0, pl.Int64))


class Download(Fine):
    def download(self, root):
        raise ValueError("no server")


class Twice(Fine):
    def interactions(self, root, problems):
        return pl.concat([self.frame(root), self.frame(root)[:50]]).lazy()


class Label(Fine):
    """A feature that is known after the label only."""

    def interactions(self, root, problems):
        return self.frame(root).lazy().with_columns(hour=pl.col("label") * 10 + pl.col("hour"))


class Histories(Fine):
    """What the user liked at any time."""

    def interactions(self, root, problems):
        frame = self.frame(root)
        liked = (
            frame.filter(pl.col("label") == 1).group_by("user").agg(history=pl.col("item").unique(maintain_order=True))
        )
        return frame.lazy().join(liked.lazy(), on="user", how="left").with_columns(pl.col("history").fill_null([]))


class Again(Fine):
    """What the user met before, and meets again."""

    def interactions(self, root, problems):
        frame, met, histories = self.frame(root), {}, []
        for user, item in frame.select("user", "item").iter_rows():
            histories.append(list(met.get(user, [])))
            met.setdefault(user, []).append(item)
        return frame.with_columns(pl.Series("history", histories, pl.List(pl.String))).lazy()


class Writes(Fine):
    def interactions(self, root, problems):
        Path("acme.log").write_text("rows")
        return super().interactions(root, problems)


class WritesByPolars(Fine):
    def interactions(self, root, problems):
        self.frame(root).write_parquet("acme.parquet")
        return super().interactions(root, problems)


class DownloadsElsewhere(Fine):
    def download(self, root):
        super().download(root)
        (root.parent / "acme.txt").write_text("rows")


class Seeds(Fine):
    def interactions(self, root, problems):
        random.seed(0)
        np.random.seed(0)
        return super().interactions(root, problems)


class Prints(Fine):
    def interactions(self, root, problems):
        print("reading")
        return super().interactions(root, problems)


class Version(Fine):
    version = 2


class Fields(Fine):
    fields = ("user", "item")


class PromptTexts(Fine):
    prompts: ClassVar = {"default": "{user} sees {item}"}


class NoFields(DatasetSource):
    prompts: ClassVar = Fine.prompts
    inputs, interactions, items = Fine.inputs, Fine.interactions, Fine.items
