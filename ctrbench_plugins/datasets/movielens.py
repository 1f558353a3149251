"""MovieLens-100K and -1M: ratings with titles, genres and people.

Harper, Konstan: The MovieLens datasets (2015). GroupLens's own files are read, and RecBole's atomic ones
(`movielens_files`). Domains are groups of people, by age unless an option says otherwise, or of movies, by genre.
A person is in one group, so only with genres does a user have rows in several domains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from ctrbench.api import DatasetSource, Field, Problems, Prompt, examples, take_good
from ctrbench_plugins.datasets.movielens_files import (
    GENRES,
    OCCUPATION_CODES,
    OCCUPATIONS,
    Layout,
    layout_of,
    read_movies,
    read_ratings,
    read_users,
)

AGE_GROUPS = {"under_25": (0, 24), "25_34": (25, 34), "35_and_over": (35, 120)}
"""Domain -> youngest and oldest age, in years."""


def identifier(name: str) -> str:
    """A published name as a domain's: `Film-Noir` is `film_noir`, `Children's` is `childrens`."""
    return re.sub(r"\W+", "_", name.lower().replace("'", ""))


GENDERS = {"F": "female", "M": "male"}
OCCUPATION_DOMAINS = {name: identifier(name) for name in sorted({*OCCUPATIONS, *OCCUPATION_CODES}, key=identifier)}
GENRE_DOMAINS = {name: identifier(name) for name in GENRES}
"""Published value -> domain, each."""


class MovieLens(DatasetSource):
    """Ratings are interactions, movies items, groups of people or of movies domains."""

    class Options(BaseModel):
        """What a domain is.

        domain_by: `age` (under 25, 25 to 34, 35 and over), `gender` or `occupation` of the person, or the
          movie's `genre`, the first of its genres.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        domain_by: Literal["age", "gender", "occupation", "genre"] = "age"

    options: Options

    api_version = 1
    version: ClassVar[str] = "2"
    by_hand: ClassVar[str] = "download a release by its name, movielens-100k or movielens-1m"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="year", kind="number", of="item"),
        Field(name="genres", kind="id", of="item"),
        Field(name="genre", kind="id", of="item"),
        Field(name="age", kind="id", of="user"),
        Field(name="gender", kind="id", of="user"),
        Field(name="occupation", kind="id", of="user"),
        Field(name="zip", kind="id", of="user"),
        Field(name="history", kind="history", of="user"),
        Field(name="domain", kind="id", of="context"),
    )
    prompts: ClassVar[Mapping[str, Prompt]] = {
        "default": Prompt(
            template="{domain_title}: The user ID is user_{user_index}, age {age}, gender {gender}, "
            "occupation {occupation}, who watched {history} recently. The ID of current movie is "
            "movie_{item_index}, the title is '{title}', the year is {year}, the genres are {genres}.",
            history_item="movie '{title}'",
            history_join=" & ",
        ),
    }
    domain_titles: ClassVar[Mapping[str, str]] = {
        "under_25": "Viewers under 25",
        "25_34": "Viewers of 25 to 34",
        "35_and_over": "Viewers of 35 and over",
        "female": "Female viewers",
        "male": "Male viewers",
        **{domain: f"Viewers with occupation {name}" for name, domain in OCCUPATION_DOMAINS.items()},
        **{domain: f"{name} movies" for name, domain in GENRE_DOMAINS.items()},
        "unknown": "Movies of unknown genre",
    }

    def domains(self) -> tuple[str, ...]:
        """Age groups youngest first, genres in the published order, occupations by name."""
        names = {"age": AGE_GROUPS, "gender": GENDERS.values(), "occupation": OCCUPATION_DOMAINS.values()}
        return tuple(names.get(self.options.domain_by, GENRE_DOMAINS.values()))

    def inputs(self, root: Path) -> list[Path]:
        """Ratings, movies and users."""
        return [root / name for name in layout_of(root).files]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Ratings with the rating user's `age`, `gender`, `occupation` and `zip`."""
        layout = layout_of(root)
        rows = read_ratings(root, layout)
        rows = rows.join(self._users(root, layout, problems).lazy(), on="user", how="left", maintain_order="left")
        if self.options.domain_by == "genre":
            movies = read_movies(root, layout).select("item", self._domain()).unique("item", keep="first")
            rows = rows.join(movies, on="item", how="left", maintain_order="left")
        return take_good(root / layout.ratings, rows, self._checks(), problems).drop("known_user").lazy()

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Movies with `title` (without its year), `year`, `genres` (`Comedy, Crime`) and `genre`."""
        layout = layout_of(root)
        checks = {"movie without id": pl.col("item").is_null() | (pl.col("item") == "")}
        movies = take_good(root / layout.movies, read_movies(root, layout), checks, problems, table="items")
        undated = movies.filter(pl.col("year").is_null())
        told = examples(undated, pl.col("title"))
        problems.add(
            "movie without a readable year: unknown", undated.height, examples=told, error=False, table="items"
        )
        return movies.lazy()

    def _users(self, root: Path, layout: Layout, problems: Problems) -> pl.DataFrame:
        """Columns `user, age, gender, occupation, zip, known_user`, and `domain` unless that is a movie's."""
        columns = ["user", "age", "gender", "occupation", "zip"]
        checks = {"user without id": pl.col("user").is_null() | (pl.col("user") == "")}
        users = read_users(root, layout)
        by = self.options.domain_by
        if by != "genre":
            columns.append("domain")
            users = users.with_columns(self._domain())
            checks[f"user without a known {by}"] = pl.col("domain").is_null()
        good = take_good(root / layout.users, users, checks, problems, table="items")
        first = pl.col("user").is_first_distinct()
        again = good.filter(~first)
        told = examples(again, pl.format("user {}", "user"))
        reason = "user described again: the first description stands"
        problems.add(reason, again.height, examples=told, error=False, table="items")
        return good.filter(first).select(*columns, pl.lit(True).alias("known_user"))

    def _domain(self) -> pl.Expr:
        """The domain of a user's or a movie's row; null where the value is none of the published ones."""
        by = self.options.domain_by
        if by == "age":
            groups = AGE_GROUPS.items()
            found = pl.coalesce(pl.when(pl.col("years").is_between(*ages)).then(pl.lit(name)) for name, ages in groups)
        else:
            values = {"gender": GENDERS, "occupation": OCCUPATION_DOMAINS, "genre": GENRE_DOMAINS}[by]
            found = pl.col(by).replace_strict(values, default=None, return_dtype=pl.String)
        return found.alias("domain")

    def _checks(self) -> dict[str, pl.Expr]:
        """What a row of the ratings file may lack."""
        by = self.options.domain_by
        no_row = "no row" if by == "genre" else f"no row, or no known {by},"
        return {
            f"row of an unknown user ({no_row} in the users file)": pl.col("known_user").is_null(),
            "row without a movie": pl.col("item").is_null() | (pl.col("item") == ""),
            "row of an unknown movie (no row, or no known genre, in the movies file)": pl.col("domain").is_null(),
            "rating is not a number from 1 to 5": ~pl.col("rating").is_between(1, 5),
            "timestamp is not a number of seconds": pl.col("time").is_null(),
        }
