"""MovieLens's files: 100K and 1M, in GroupLens's own layouts and in RecBole's atomic files.

All are read into the same columns and the same words; 1M's codes of ages and occupations are written out as its
README does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from ctrbench.api import DataError, scan_lines

GENRES = (
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
"""In the order of the flags in `u.item`, which is also that of a movie's genres in the other layouts."""

AGE_CODES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56+",
}
"""1M's codes are the youngest age of a group, but for the first."""

OCCUPATION_CODES = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
"""1M's occupations, by code from 0."""

OCCUPATIONS = (
    "administrator",
    "artist",
    "doctor",
    "educator",
    "engineer",
    "entertainment",
    "executive",
    "healthcare",
    "homemaker",
    "lawyer",
    "librarian",
    "marketing",
    "none",
    "other",
    "programmer",
    "retired",
    "salesman",
    "scientist",
    "student",
    "technician",
    "writer",
)
"""100K's occupations (`u.occupation`)."""

_YEAR = r"\s*\((\d{4})\)(?:\s*\(T?V\))?\s*$"  # "Toy Story (1995)", "The Land Before Time III (1995) (V)"
_MOVIE = r"^(.*?)::(.*?)(?:::([^:]*))?$"  # a title may hold "::", genres do not


class Layout(NamedTuple):
    """One of the ways the files are published."""

    release: Literal["100K", "1M"]
    by: Literal["GroupLens", "RecBole"]
    ratings: str
    movies: str
    users: str
    rating_separator: str
    user_separator: str
    user_columns: tuple[str, ...]

    @property
    def files(self) -> tuple[str, str, str]:
        """The three names, in reading order."""
        return self.ratings, self.movies, self.users


_AGE_FIRST = ("user", "age", "gender", "occupation", "zip")
_GENDER_FIRST = ("user", "gender", "age", "occupation", "zip")

LAYOUTS = (
    Layout("100K", "GroupLens", "u.data", "u.item", "u.user", "\t", "|", _AGE_FIRST),
    Layout("100K", "RecBole", "ml-100k.inter", "ml-100k.item", "ml-100k.user", "\t", "\t", _AGE_FIRST),
    Layout("1M", "GroupLens", "ratings.dat", "movies.dat", "users.dat", "::", "::", _GENDER_FIRST),
    Layout("1M", "RecBole", "ml-1m.inter", "ml-1m.item", "ml-1m.user", "\t", "\t", _AGE_FIRST),
)


def layout_of(root: Path) -> Layout:
    """Which layout a folder has; `DataError` says what is missing."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give the one with MovieLens as --root")
    missing = {layout: [name for name in layout.files if not (root / name).is_file()] for layout in LAYOUTS}
    whole = [layout for layout in LAYOUTS if not missing[layout]]
    if len({layout.release for layout in whole}) > 1:
        raise DataError(f"{root} holds both MovieLens-100K and MovieLens-1M: give each a folder of its own")
    if whole:
        return whole[0]
    for layout in LAYOUTS:
        if len(missing[layout]) < len(layout.files):
            lacking = " and ".join(missing[layout])
            raise DataError(f"{root} lacks {lacking}: unpack the whole of MovieLens-{layout.release} there")
    known = "; or ".join(f"{', '.join(layout.files)} ({layout.release}, {layout.by})" for layout in LAYOUTS)
    raise DataError(f"{root} holds no MovieLens: put there {known}")


def read_ratings(root: Path, layout: Layout) -> pl.LazyFrame:
    """Columns `user, item, rating, time`; what cannot be read is null."""
    names = ("user", "item", "rating", "time")
    return _columns(root / layout.ratings, layout, layout.rating_separator, names).with_columns(
        pl.col("rating").cast(pl.Float64, strict=False),
        pl.col("time").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
    )


def read_users(root: Path, layout: Layout) -> pl.LazyFrame:
    """Columns `user, age, gender, occupation, zip` as text, and `years`: the age, or the youngest of its group."""
    users = _columns(root / layout.users, layout, layout.user_separator, layout.user_columns)
    years = pl.col("age").cast(pl.Int64, strict=False)
    if layout.release == "100K":
        return users.with_columns(years.alias("years"))
    codes = {str(code): name for code, name in enumerate(OCCUPATION_CODES)}
    return users.with_columns(
        pl.when(pl.col("age").is_in(list(AGE_CODES))).then(years).alias("years"),
        pl.col("age").replace(AGE_CODES),
        pl.col("occupation").replace(codes),
    )


def read_movies(root: Path, layout: Layout) -> pl.LazyFrame:
    """Columns `item`, `title` without its year, `year`, `genres` (`Comedy, Crime`) and `genre`, the first of them."""
    path = root / layout.movies
    if layout.by == "RecBole":
        movies = _columns(path, layout, "\t", ("item", "title", "year", "genres"))
        movies = movies.with_columns(pl.col("genres").str.replace_all(" ", ", "))
    elif layout.release == "1M":
        movies = _movies_with_names(path)
    else:
        movies = _movies_with_flags(path, layout)
    year = pl.coalesce(pl.col("year").cast(pl.Int64, strict=False), pl.col("title").str.extract(_YEAR).cast(pl.Int64))
    genres = pl.when(pl.col("genres") != "").then("genres")
    return movies.select(
        "_file",
        "_line",
        "_text",
        "item",
        pl.col("title").str.replace(_YEAR, ""),
        year.alias("year"),
        genres.alias("genres"),
        genres.str.split(", ").list.first().alias("genre"),
    )


def _movies_with_names(path: Path) -> pl.LazyFrame:
    """1M's `movies.dat`: `1::Toy Story (1995)::Animation|Children's|Comedy`."""
    parts = pl.col("_text").str.extract_groups(_MOVIE).struct
    return scan_lines(path, "latin-1").with_columns(
        parts.field("1").alias("item"),
        parts.field("2").alias("title"),
        pl.lit(None, dtype=pl.String).alias("year"),
        parts.field("3").str.replace_all("|", ", ", literal=True).alias("genres"),
    )


def _movies_with_flags(path: Path, layout: Layout) -> pl.LazyFrame:
    """100K's `u.item`: a title, two dates, an address and one flag for each genre."""
    flags = tuple(f"_{genre}" for genre in GENRES)
    movies = _columns(path, layout, "|", ("item", "title", "_released", "_video", "_address", *flags))
    names = [pl.when(pl.col(f"_{genre}") == "1").then(pl.lit(genre)) for genre in GENRES]
    return movies.with_columns(
        pl.lit(None, dtype=pl.String).alias("year"),
        pl.concat_str(names, separator=", ", ignore_nulls=True).alias("genres"),
    )


def _columns(path: Path, layout: Layout, separator: str, names: tuple[str, ...]) -> pl.LazyFrame:
    """The first columns of a delimited file as text; what a short line lacks is null."""
    headed = layout.by == "RecBole"
    lines = scan_lines(path, "utf-8" if headed or path.name == layout.ratings else "latin-1")
    parts = pl.col("_text").str.split(separator)
    columns = [parts.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(names)]
    return (lines.filter(pl.col("_line") > 1) if headed else lines).with_columns(columns)
