"""What a dataset plugin is: typed fields, prompts, and two lazy tables.

A source only reads. Cleaning of rows, labels, histories and splits are the framework's, once, for all sources
(`ctrbench.data.prepare`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.data.inspection import Inspection
    from ctrbench.data.problems import Problems
    from ctrbench.data.remote import RemoteFile


class Field(BaseModel):
    """One feature of a row.

    `name`: a column of interactions, or else of items; `history` and `domain` are made by the framework.
    `kind`: `id` is looked up in a vocabulary, `number` is standardised, `history` is a list of item ids that
    shares the items' embeddings, `text` goes into prompts (ID models see it as an id).
    `of`: whose feature it is; two-tower models split fields by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["id", "number", "history", "text"]
    of: Literal["user", "item", "context"] = "context"


class Prompt(BaseModel):
    """How one row becomes one line of text.

    `template` names columns in braces: any column of a row or of its item, `{domain_title}`, and `{history}`,
    which is `history_item` filled from each history item's columns, oldest first, joined by `history_join`.
    `{brand_index}` is a text column of items as a number: its place among all items' distinct values, from 0;
    `{domain_index}` is the domain's. A null or blank value becomes `missing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str
    history_item: str = "{title}"
    history_join: str = ", "
    history_empty: str = "nothing"
    missing: str = "unknown"


class Counts(NamedTuple):
    """How many there are of each, in a domain."""

    users: int
    items: int
    rows: int


@dataclass(frozen=True)
class StandIn:
    """What estimates of cost take where a dataset's files are not here. No model is ever trained on it.

    dataset, options: an automatic source of rows that look alike, domain for domain; counts: those of the real data,
    as published; origin: where they are published.
    """

    dataset: str
    options: Mapping[str, Any]
    counts: Mapping[str, Counts]
    origin: str


class DatasetSource(ABC):
    """A dataset plugin (entry-point group `ctrbench.datasets`).

    A source has `fields`, `prompts`, `inputs`, `interactions` and `items`; the rest has defaults. It only reads:
    labels, histories and splits are made of what it reads, once for all models. Files that cannot be used are a
    `DataError`, options that cannot be meant a `ConfigError`, and bad rows are told to `problems`, never dropped in
    silence.
    """

    class Options(BaseModel):
        """The source's own options; unknown keys are errors."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    version: ClassVar[str] = "1"
    """Raise it when the same options give other data: what was made with the old one is made again."""
    fields: ClassVar[tuple[Field, ...]]
    """The features of a row. Models stack ids and texts, then numbers, then histories, each in this order."""
    prompts: ClassVar[Mapping[str, Prompt]]
    """Named prompt templates; `default` is the one used unless a configuration names another."""
    domain_titles: ClassVar[Mapping[str, str]] = {}
    """A domain's name in prompts, where it is not just the domain's id in title case."""
    synthetic: ClassVar[bool] = False
    """Synthetic data says nothing about real accuracy, and every report says so."""
    automatic: ClassVar[bool] = False
    """True where `download` needs nothing from the user, so that a table may prepare the dataset by itself."""
    stand_in: ClassVar[StandIn | None] = None
    """What `ctrbench check` counts in place of files that are not here; None where nothing is known of them."""
    domains_option: ClassVar[str | None] = None
    """The option that says which domains to download and to read; None where they come together."""
    by_hand: ClassVar[str] = "put the published files into the folder"
    """How a user gets the files of a source that has no download, as an advice."""
    terms: ClassVar[str] = ""
    """What the publishers allow, in a sentence; told before a download."""
    citation: ClassVar[str] = ""
    """The publication that they ask to be cited."""
    name: str | None = None
    """The dataset's own name, where one source reads many: it stands in captions and names the folder of results."""

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options = options if options is not None else self.Options()

    def at(self, root: Path) -> Self:
        """The source for the files under `root`, where fields, prompts or name depend on them; asked first."""
        return self

    @classmethod
    def inspect(cls, file: Path, beside: Path) -> Inspection | None:
        """What the source makes of a file of the user's, for `ctrbench data check`; None where it reads no such file.

        beside: the folder where a file that the inspection proposes would be written.
        """
        return None

    def domains(self) -> tuple[str, ...] | None:
        """The domains in canonical order, or None for the order of first appearance in the sorted data."""
        return None

    def remote_files(self) -> tuple[RemoteFile, ...]:
        """What is to be downloaded, with these options; nothing where the source makes its files, or has no download.

        Raises `ConfigError` for options that name no published file.
        """
        return ()

    def download(self, root: Path) -> None:
        """Write the raw files into `root`; resumable. Sources without a download raise `DataError`."""
        from ctrbench.data.download import download
        from ctrbench.errors import DataError

        files = self.remote_files()
        if not files:
            raise DataError(f"{type(self).__name__} has no download: {self.by_hand}")
        download(files, root)

    @abstractmethod
    def inputs(self, root: Path) -> list[Path]:
        """The files that will be read, in reading order; `DataError` names what is missing in `root`."""

    @abstractmethod
    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Rows `domain`, `user`, `item` (text), `time`, `rating` or `label`, and any extra columns, such as fields.

        time: whole seconds since 1970. rating: a number, of which a label is made; label: 0 or 1. history, where the
        data brings its own: a list of item ids, oldest first. A row that lacks one of these is left out, and counted.
        Raises `DataError` for a file that cannot be read, now or when the rows are collected.
        """

    @abstractmethod
    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Rows `item` (text) and its columns, for fields and prompts; the first row of an item wins.

        Interactions with items that have no row here are left out, and counted. Raises as `interactions` does.
        """
