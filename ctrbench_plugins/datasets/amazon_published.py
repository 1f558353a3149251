"""Where Amazon Reviews are published: the 2018 and the 2023 release, one file of reviews and one of products each.

https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/ and https://amazon-reviews-2023.github.io. Neither states
checksums; the servers state sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ctrbench.api import ConfigError, Counts, RemoteFile, suggest

TERMS = "the publishers state no licence and ask to be cited; ask them before you pass any of it on"
_IN_BOTH = (
    *("All_Beauty", "Appliances", "Arts_Crafts_and_Sewing", "Automotive", "Books", "CDs_and_Vinyl"),
    *("Cell_Phones_and_Accessories", "Clothing_Shoes_and_Jewelry", "Digital_Music", "Electronics", "Gift_Cards"),
    *("Grocery_and_Gourmet_Food", "Home_and_Kitchen", "Industrial_and_Scientific", "Kindle_Store"),
    *("Magazine_Subscriptions", "Movies_and_TV", "Musical_Instruments", "Office_Products", "Patio_Lawn_and_Garden"),
    *("Pet_Supplies", "Software", "Sports_and_Outdoors", "Tools_and_Home_Improvement", "Toys_and_Games"),
    "Video_Games",
)


PAPER_COUNTS: Mapping[str, Counts] = {
    "fashion": Counts(749_233, 186_189, 883_636),
    "musical_instruments": Counts(903_060, 112_132, 1_512_530),
    "gift_cards": Counts(128_873, 1_547, 147_194),
    "digital_music": Counts(127_174, 66_010, 1_584_082),
    "all_beauty": Counts(319_335, 32_486, 371_345),
}
"""Users, products and samples in Table II of the Uni-CTR paper."""


class Release(NamedTuple):
    """One release: `base` is what a mirror replaces; the addresses of a category's files have its name for `{}`."""

    base: str
    categories: tuple[str, ...]
    usual: tuple[str, ...]
    meta: str
    reviews: str
    core: str | None = None


RELEASE_2018 = Release(
    # Until 2025 the same files were at https://datarepo.eng.ucsd.edu/mcauley_group/data/amazon_v2.
    base="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
    categories=("AMAZON_FASHION", "Luxury_Beauty", "Prime_Pantry", *_IN_BOTH),
    usual=("AMAZON_FASHION", "Musical_Instruments", "Gift_Cards", "Digital_Music", "All_Beauty"),
    meta="metaFiles2/meta_{}.json.gz",
    reviews="categoryFiles/{}.json.gz",
    core="categoryFilesSmall/{}_5.json.gz",
)
RELEASE_2023 = Release(
    base="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023",
    categories=(
        *("Amazon_Fashion", "Baby_Products", "Beauty_and_Personal_Care", "Handmade_Products", "Health_and_Household"),
        *("Health_and_Personal_Care", "Subscription_Boxes", "Unknown", *_IN_BOTH),
    ),
    usual=("Amazon_Fashion", "Musical_Instruments", "Gift_Cards", "Digital_Music", "All_Beauty"),
    meta="raw/meta_categories/meta_{}.jsonl.gz",
    reviews="raw/review_categories/{}.jsonl.gz",
)


def remote_files(
    release: Release, wanted: Sequence[str] | None, *, core: bool, domain_of: Callable[[str], str]
) -> tuple[RemoteFile, ...]:
    """Reviews and products of the wanted categories, named as published or as domains; the usual ones for None.

    core: the 5-core reviews instead of all. Raises `ConfigError` for what is not published.
    """
    reviews = release.core if core else release.reviews
    if reviews is None:
        raise ConfigError("reviews=5core: this release has no 5-core reviews with texts; leave the option out")
    known = {domain_of(category): category for category in release.categories}
    for name in wanted or ():
        if domain_of(name) not in known:
            raise ConfigError(f"there is no category {name!r}.{suggest(name, release.categories)}")
    chosen = dict.fromkeys(known[domain_of(name)] for name in wanted or release.usual)
    addresses = [address.format(category) for category in chosen for address in (reviews, release.meta)]
    return tuple(RemoteFile(base=release.base, name=name, path=name.rpartition("/")[2]) for name in addresses)
