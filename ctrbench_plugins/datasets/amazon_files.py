"""Which files of Amazon Reviews a folder holds, and which release they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ctrbench.api import DataError, reading, scan_json_lines

META = "meta_"
_CORE = "_5"
_ENDINGS = tuple(kind + packed for kind in (".json", ".jsonl") for packed in (".gz", ".zst", ""))
_PAPER = ("fashion", "musical_instruments", "gift_cards", "digital_music", "all_beauty")
_APART = "which are one category in two releases (2018, 2023): put each into a folder of its own"
_LOOKED_AT = 100  # records that tell a file's release


class Keys(NamedTuple):
    """How a release names what is read. `ticks`: of its time, in a second."""

    release: Literal["2018", "2023"]
    user: str
    item: str
    rating: str
    time: str
    ticks: int
    brand: str


KEYS_2018 = Keys("2018", "reviewerID", "asin", "overall", "unixReviewTime", 1, "brand")
# A product of the 2023 release is what 2018 calls one; `asin` is there one of its variants.
KEYS_2023 = Keys("2023", "user_id", "parent_asin", "rating", "timestamp", 1000, "store")


class Category(NamedTuple):
    """One category's files; `meta` is None where it is missing and that is allowed."""

    domain: str
    keys: Keys
    reviews: Path
    meta: Path | None


def find_categories(
    root: Path, wanted: Sequence[str] | None, reviews: Literal["all", "5core"], missing_meta: Literal["error", "allow"]
) -> list[Category]:
    """The categories to read, the paper's first and in its order; `DataError` says what is missing or mixed up."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give the one with the Amazon review files as --root")
    files = _files(root)
    chosen = []
    for name in _names(root, files, wanted):
        order = (name, name + _CORE) if reviews == "all" else (name + _CORE, name)
        path = next(files[stem] for stem in order if stem in files)
        meta = files.get(META + name)
        if meta is None and missing_meta == "error":
            ending = next(end for end in _ENDINGS if path.name.endswith(end))
            raise DataError(
                f"{path} has no {META}{name}{ending} beside it: download it, leave the"
                " category out (-o categories=…), or add -o missing_meta=allow to go on without titles"
            )
        chosen.append(Category(domain_of(name), _keys_of(path), path, meta))
    _one_release(root, chosen)
    return chosen


def domain_of(category: str) -> str:
    """A category's domain: `fashion` for `AMAZON_FASHION` and `Amazon_Fashion`, else its name in lower case."""
    name = category.lower()
    return "fashion" if name == "amazon_fashion" else name


def _files(root: Path) -> dict[str, Path]:
    """Name without ending -> file; of the same file in several packings the first of `_ENDINGS`."""
    files: dict[str, Path] = {}
    for ending in _ENDINGS:
        for path in sorted(root.glob(f"*{ending}")):
            first = files.setdefault(path.name.removesuffix(ending), path)
            if _jsonl(first) != _jsonl(path):
                raise DataError(f"{root} holds {first.name} and {path.name}, {_APART}")
    return files


def _jsonl(path: Path) -> bool:
    return ".jsonl" in path.suffixes


def _names(root: Path, files: Mapping[str, Path], wanted: Sequence[str] | None) -> list[str]:
    found: dict[str, str] = {}
    for stem in files:
        name = stem.removesuffix(_CORE)
        if not stem.startswith(META) and found.setdefault(domain_of(name), name) != name:
            raise DataError(f"{root} holds {found[domain_of(name)]} and {name}, {_APART}")
    if not found:
        raise DataError(f"{root} holds no review file: put X.json.gz or X_5.json.gz and meta_X.json.gz there")
    paper = {domain: place for place, domain in enumerate(_PAPER)}
    domains = sorted(found, key=lambda domain: (paper.get(domain, len(paper)), found[domain]))
    for name in wanted or ():
        if domain_of(name) not in found:
            known = ", ".join(found[domain] for domain in domains)
            raise DataError(f"{root} has no reviews of category {name!r}: it has {known}")
    asked = {domain_of(name) for name in wanted or found}
    return [found[domain] for domain in domains if domain in asked]


def _keys_of(path: Path) -> Keys:
    """By the keys of the first records; where they tell nothing, by the ending."""
    known = {key: keys for keys in (KEYS_2018, KEYS_2023) for key in (keys.user, keys.item)}
    with reading(path):
        first = scan_json_lines(path, known).head(_LOOKED_AT).collect()
    releases = {known[key].release for key in known if first[key].is_not_null().any()}
    if not releases:
        return KEYS_2023 if _jsonl(path) else KEYS_2018
    return KEYS_2023 if KEYS_2023.release in releases else KEYS_2018


def _one_release(root: Path, categories: Sequence[Category]) -> None:
    """Users and products have other ids in the other release, so one of both has no history across domains."""
    first = categories[0]
    for category in categories:
        of_meta = category.keys if category.meta is None else _keys_of(category.meta)
        for path, keys in ((category.reviews, category.keys), (category.meta, of_meta)):
            if path is not None and keys != first.keys:
                raise DataError(
                    f"{root} mixes two releases: {first.reviews.name} is of {first.keys.release}, {path.name} of"
                    f" {keys.release}: put each into a folder of its own, or leave categories out (-o categories=…)"
                )
