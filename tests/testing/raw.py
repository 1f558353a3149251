"""Small raw files for the sources that make none by themselves, by the name under which each is registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.plugins import test_amazon2018 as amazon, test_movielens as movielens

AMAZON = [(f"U{n % 7}", f"P{n % 5}", amazon.LATE + n // 3, float((n * 3 + n // 5) % 5 + 1)) for n in range(90)]
"""User, product, day, rating."""


def amazon2018(folder: Path) -> None:
    for name, reviews in (("Gift_Cards", AMAZON[::2]), ("All_Beauty", AMAZON[1::2])):
        amazon.write(folder / f"{name}.json.gz", [amazon.review(*row) for row in reviews])
    amazon.write(folder / "meta_Gift_Cards.json.gz", [amazon.product(f"P{n}") for n in range(5)])
    amazon.write(folder / "meta_All_Beauty.json.gz", [amazon.product(f"P{n}", brand=f"B{n}") for n in range(5)])


def amazon2023(folder: Path) -> None:
    reviews = [amazon.review_2023(user, item, day - amazon.LATE, rating) for user, item, day, rating in AMAZON]
    amazon.write(folder / "Gift_Cards.jsonl.gz", reviews)
    amazon.write(folder / "meta_Gift_Cards.jsonl.gz", [amazon.product_2023(f"P{n}") for n in range(5)])


def movielens_100k(folder: Path) -> None:
    more = "".join(f"{n % 5 + 1}\t{n % 3 + 1}\t{(n + n // 7) % 5 + 1}\t{2000 + n}\n" for n in range(60))
    folder.rmdir()
    movielens.grouplens(folder, more)


def movielens_1m(folder: Path) -> None:
    more = [f"{n % 4 + 1}::{n % 3 + 1}::{(n + n // 7) % 5 + 1}::{978400000 + n}" for n in range(60)]
    folder.rmdir()
    movielens.one_million(folder, tuple(more))


def table_file(folder: Path) -> None:
    lines = [
        f"u{n % 8},{n % 7:04d},{1_600_000_000 + n * 60},{'ab'[n % 2]},{(n + n // 8) % 3 % 2},{(n * 7 + n // 3) % 10}"
        for n in range(120)
    ]
    (folder / "clicks.csv").write_text("\n".join(["uid,sku,ts,shop,clicked,depth", *lines]) + "\n")
    (folder / "shop.toml").write_text(
        'interactions = "clicks.csv"\n'
        '[columns]\nuser = "uid"\nitem = "sku"\ntime = "ts"\nlabel = "clicked"\ndomain = "shop"\n'
        '[features.context]\ndepth = "number"\n'
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "amazon2018": amazon2018,
    "amazon2023": amazon2023,
    "movielens": movielens_100k,
    "movielens-100k": movielens_100k,
    "movielens-1m": movielens_1m,
    "table_file": table_file,
}
