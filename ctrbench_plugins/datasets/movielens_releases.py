"""MovieLens-100K and -1M as datasets of their own, which know where GroupLens publishes them.

The checksums are those in GroupLens's own `ml-100k.zip.md5` and `ml-1m.zip.md5`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from ctrbench.api import DataError, RemoteFile
from ctrbench_plugins.datasets.movielens import MovieLens
from ctrbench_plugins.datasets.movielens_files import layout_of

BASE = "https://files.grouplens.org/datasets/movielens"


class MovieLens100K(MovieLens):
    """100,000 ratings of 943 people, 1997 to 1998."""

    release: ClassVar[Literal["100K", "1M"]] = "100K"
    archive: ClassVar[RemoteFile] = RemoteFile(
        base=BASE,
        name="ml-100k.zip",
        path="ml-100k.zip",
        checksum="md5:0e33842e24a9c977be4e0107933c0723",
        size=4_924_029,
        unpack=("ml-100k/README", "ml-100k/u.data", "ml-100k/u.item", "ml-100k/u.user"),
    )
    terms: ClassVar[str] = (
        "for research; GroupLens allows neither redistribution nor commercial use without its permission (see README)"
    )
    citation: ClassVar[str] = (
        "Harper, Konstan: The MovieLens Datasets: History and Context, ACM TiiS 5(4), 19:1-19:19, 2015,"
        " doi:10.1145/2827872"
    )

    def remote_files(self) -> tuple[RemoteFile, ...]:
        """The one archive."""
        return (self.archive,)

    def inputs(self, root: Path) -> list[Path]:
        """Ratings, movies and users, of this release alone."""
        found = layout_of(root).release
        if found != self.release:
            raise DataError(f"{root} holds MovieLens-{found}: prepare it as movielens-{found.lower()}")
        return super().inputs(root)


class MovieLens1M(MovieLens100K):
    """1,000,209 ratings of 6,040 people, 2000 to 2003."""

    release: ClassVar[Literal["100K", "1M"]] = "1M"
    archive: ClassVar[RemoteFile] = RemoteFile(
        base=BASE,
        name="ml-1m.zip",
        path="ml-1m.zip",
        checksum="md5:c4d9eecfca2ab87c1945afe126590906",
        unpack=("ml-1m/README", "ml-1m/movies.dat", "ml-1m/ratings.dat", "ml-1m/users.dat"),
    )
