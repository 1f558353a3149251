"""The TOML beside a user's own files: which columns they have, and what each is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field as Limit, model_validator

from ctrbench.api import Prompt

Kind = Literal["id", "number", "text", "history"]
Owner = Literal["user", "item", "context"]
Unit = Literal["s", "ms", "us", "ns"]

HISTORY = "history"
RESERVED = frozenset(
    (
        *("user", "item", "domain", "time", "label", "rating", "row_id", "user_index", "item_index", "split"),
        *("domain_title", "true_probability"),
    )
)
"""Names of the framework's own columns, which no feature may have."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _of(key: str) -> BeforeValidator:
    """What is not a table stands for the table's most important key."""
    return BeforeValidator(lambda value: value if isinstance(value, dict) else {key: value})


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Files(_Part):
    """Files with the same columns: a path, or a list of them, from the TOML's folder; `*` and `**` work.

    key: the column that holds the item or user, where it is called otherwise than in the interactions.
    """

    files: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Limit(min_length=1)
    key: str | None = None


class Label(_Part):
    """0 and 1, or true and false; otherwise `positive` and `negative` list the values, and one alone leaves all
    others to the other."""

    column: str
    positive: tuple[str | int | float | bool, ...] | None = None
    negative: tuple[str | int | float | bool, ...] | None = None


class Domain(_Part):
    """A column, or one value for all rows. rename: other names for some of the column's values."""

    column: str | None = None
    value: str | None = None
    rename: dict[str, str] = {}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either a column or a value")
        return self


class Columns(_Part):
    """Which column is what. Exactly one of `label` and `rating`."""

    user: str
    item: str
    time: str
    domain: Annotated[Domain, _of("column")]
    label: Annotated[Label | None, BeforeValidator(lambda v: {"column": v} if isinstance(v, str) else v)] = None
    rating: str | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.label is None) == (self.rating is None):
            raise ValueError("give either label (0 or 1) or rating (a number)")
        return self


class Feature(_Part):
    """One feature: its kind, and its column where that has another name.

    separator: what stands between the items of a `history` that is written as text.
    """

    kind: Kind
    column: str | None = None
    separator: str | None = Limit(None, min_length=1)


class Features(_Part):
    """Features by whose they are: a user's, an item's, or the row's own."""

    user: dict[str, Annotated[Feature, _of("kind")]] = {}
    item: dict[str, Annotated[Feature, _of("kind")]] = {}
    context: dict[str, Annotated[Feature, _of("kind")]] = {}


class Time(_Part):
    """How times are written, where guessing is wrong. unit: of numbers. format: of text, as strftime has it.
    timezone: of text and of dates without one of their own."""

    unit: Unit | None = None
    format: str | None = None
    timezone: str = "UTC"


class Csv(_Part):
    """How CSV files are written. skip: lines before the header. header: the columns' names, where no line is them.
    null: what stands for a missing value, beside nothing at all. decimal: what stands before a number's fraction. An
    empty `quote` makes quotes part of the text."""

    separator: str | None = Limit(None, min_length=1, max_length=1)
    quote: str = Limit('"', max_length=1)
    encoding: str = "utf-8"
    skip: int = Limit(0, ge=0)
    header: tuple[str, ...] | None = None
    null: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."


class Placed(NamedTuple):
    """A feature with its name, its owner and its column."""

    name: str
    of: Owner
    kind: Kind
    column: str
    separator: str | None


class Spec(_Part):
    """The whole file. Without `items` or `users`, tables of their own, the interactions have their columns."""

    name: str | None = Limit(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    interactions: Annotated[Files, BeforeValidator(lambda v: v if isinstance(v, dict) else {"files": v})]
    items: Annotated[Files | None, BeforeValidator(lambda v: v if isinstance(v, dict) else {"files": v})] = None
    users: Annotated[Files | None, BeforeValidator(lambda v: v if isinstance(v, dict) else {"files": v})] = None
    columns: Columns
    features: Features = Features()
    prompts: dict[str, Prompt] = {}
    domains: dict[str, str] = {}
    """Titles of domains, as prompts show them."""
    time: Time = Time()
    csv: Csv = Csv()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """The features in the order in which they stand in the file: users', items', context's."""
        return tuple(self._placed())

    def _placed(self) -> Iterator[Placed]:
        for of in ("user", "item", "context"):
            features: dict[str, Feature] = getattr(self.features, of)
            for name, feature in features.items():
                yield Placed(name, of, feature.kind, feature.column or name, feature.separator)

    @property
    def own_history(self) -> bool:
        """Whether a column of the user's takes the place of the framework's histories."""
        return HISTORY in self.features.user

    @model_validator(mode="after")
    def _names(self) -> Self:
        seen: set[str] = set()
        for feature in self.placed:
            where = f"features.{feature.of}.{feature.name}"
            if not _NAME.fullmatch(feature.name):
                raise ValueError(
                    f"{where}: a feature's name has letters, digits and underscores only;"
                    f' write good_name = {{ kind = "{feature.kind}", column = "{feature.column}" }}'
                )
            if feature.name in RESERVED or (
                feature.name == HISTORY and (feature.of, feature.kind) != ("user", HISTORY)
            ):
                raise ValueError(
                    f"{where}: {feature.name!r} is a column of the framework's own; give it another name, as in"
                    f' my_{feature.name} = {{ kind = "{feature.kind}", column = "{feature.column}" }}'
                )
            if feature.name in seen:
                raise ValueError(f"{where}: there are two features of this name; give one another")
            if feature.kind == HISTORY and feature.of != "user":
                raise ValueError(f"{where}: a history is a user's; put it under [features.user]")
            seen.add(feature.name)
        return self
