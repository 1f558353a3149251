"""MovieLens-100K: ratings with titles, genres and people; its domains are age groups.

Harper, Konstan: The MovieLens datasets (2015). Two layouts are read: GroupLens's own (`u.data`, `u.item`,
`u.user`) and RecBole's atomic files (`ml-100k.inter`, `.item`, `.user`). A user has one age, so a user's
history lies in one domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import polars as pl

from ctrbench.api import DataError, DatasetSource, Field, Problems, Prompt, scan_lines, take_good

AGE_GROUPS = {"under_25": (0, 24), "25_34": (25, 34), "35_and_over": (35, 120)}
"""Domain -> youngest and oldest age, in years."""

_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""In the order of the flags in `u.item`."""


class Layout(NamedTuple):
    """One of the two ways the files are published."""

    ratings: str
    movies: str
    users: str
    separator: str  # of movies and users; ratings are separated by tabs in both
    header: bool


GROUPLENS = Layout("u.data", "u.item", "u.user", "|", header=False)
RECBOLE = Layout("ml-100k.inter", "ml-100k.item", "ml-100k.user", "\t", header=True)


class MovieLens(DatasetSource):
    """Ratings are interactions, movies items, age groups domains."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="year", kind="number", of="item"),
        Field(name="genres", kind="id", of="item"),
        Field(name="gender", kind="id", of="user"),
        Field(name="occupation", kind="id", of="user"),
        Field(name="history", kind="history", of="user"),
        Field(name="domain", kind="id", of="context"),
    )
    prompts: ClassVar[Mapping[str, Prompt]] = {
        "default": Prompt(
            template="{domain_title}: The user ID is user_{user_index}, gender {gender}, "
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
    }

    def domains(self) -> tuple[str, ...]:
        """Age groups, youngest first."""
        return tuple(AGE_GROUPS)

    def inputs(self, root: Path) -> list[Path]:
        """Ratings, movies and users."""
        layout = layout_of(root)
        return [root / layout.ratings, root / layout.movies, root / layout.users]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Ratings with the rating user's `gender` and `occupation`, in the domain of the user's age."""
        layout = layout_of(root)
        users = _users(root / layout.users, layout, problems)
        path = root / layout.ratings
        ratings = _columns(path, "\t", ("user", "item", "rating", "time"), header=layout.header)
        rows = ratings.join(users.lazy(), on="user", how="left", maintain_order="left").with_columns(
            pl.col("rating").cast(pl.Float64, strict=False),
            pl.col("time").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
        )
        checks = {
            "row of an unknown user (no row, or no age, in the users file)": pl.col("domain").is_null(),
            "row without a movie": pl.col("item").is_null() | (pl.col("item") == ""),
            "rating is not a number from 1 to 5": ~pl.col("rating").is_between(1, 5),
            "timestamp is not a number of seconds": pl.col("time").is_null(),
        }
        return take_good(path, rows, checks, problems).lazy()

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Movies with `title` (without its year), `year` and `genres` (`Comedy, Crime`)."""
        layout = layout_of(root)
        path = root / layout.movies
        movies = _recbole_movies(path) if layout.header else _grouplens_movies(path)
        checks = {"movie without id": pl.col("item").is_null() | (pl.col("item") == "")}
        good = take_good(path, movies, checks, problems, table="items").lazy()
        return good.with_columns(pl.when(pl.col("genres") != "").then("genres").alias("genres"))


def layout_of(root: Path) -> Layout:
    """Which layout a folder has; `DataError` says what is missing."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give the one with MovieLens-100K as --root")
    for layout in (GROUPLENS, RECBOLE):
        missing = [name for name in layout[:3] if not (root / name).is_file()]
        if not missing:
            return layout
        if len(missing) < 3:
            raise DataError(f"{root} lacks {' and '.join(missing)}: unpack the whole of MovieLens-100K there")
    raise DataError(
        f"{root} holds no MovieLens-100K: put u.data, u.item and u.user there,"
        " or ml-100k.inter, ml-100k.item and ml-100k.user"
    )


def _columns(path: Path, separator: str, names: tuple[str, ...], *, header: bool) -> pl.LazyFrame:
    """The first columns of a delimited file as text; what a short line lacks is null."""
    lines = scan_lines(path, encoding="latin-1" if separator == "|" else "utf-8")
    parts = pl.col("_text").str.split(separator)
    columns = [parts.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(names)]
    return (lines.filter(pl.col("_line") > 1) if header else lines).with_columns(columns)


def _users(path: Path, layout: Layout, problems: Problems) -> pl.DataFrame:
    """Columns `user, domain, gender, occupation`."""
    columns = _columns(path, layout.separator, ("user", "age", "gender", "occupation"), header=layout.header)
    age = pl.col("age").cast(pl.Int64, strict=False)
    domain = pl.coalesce(pl.when(age.is_between(*ages)).then(pl.lit(name)) for name, ages in AGE_GROUPS.items())
    checks = {"user without a readable age": pl.col("domain").is_null()}
    users = take_good(path, columns.with_columns(domain.alias("domain")), checks, problems, table="items")
    return users.select("user", "domain", "gender", "occupation").unique("user", keep="first", maintain_order=True)


def _recbole_movies(path: Path) -> pl.LazyFrame:
    movies = _columns(path, "\t", ("item", "title", "year", "genres"), header=True)
    return movies.with_columns(pl.col("year").cast(pl.Int64, strict=False), pl.col("genres").str.replace_all(" ", ", "))


def _grouplens_movies(path: Path) -> pl.LazyFrame:
    flags = tuple(f"_{genre}" for genre in _GENRES)
    movies = _columns(path, "|", ("item", "title", "_released", "_video", "_address", *flags), header=False)
    genres = pl.concat_str(
        [pl.when(pl.col(f"_{genre}") == "1").then(pl.lit(genre)) for genre in _GENRES],
        separator=", ",
        ignore_nulls=True,
    )
    year = pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64)
    title = pl.col("title").str.replace(r"\s*\(\d{4}\)\s*$", "")
    return movies.select(
        "_file", "_line", "_text", "item", title.alias("title"), year.alias("year"), genres.alias("genres")
    )
