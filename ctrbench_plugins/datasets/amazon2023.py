"""Amazon Reviews 2023: read as those of 2018 are, downloaded from elsewhere.

Hou, Li, He, Yan, Chen, McAuley: Bridging language and items for retrieval and recommendation (arXiv 2403.03952).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ctrbench.api import DataError, RemoteFile, StandIn
from ctrbench_plugins.datasets.amazon2018 import Amazon2018
from ctrbench_plugins.datasets.amazon_files import KEYS_2023, Category, domain_of
from ctrbench_plugins.datasets.amazon_published import RELEASE_2023, remote_files


class Amazon2023(Amazon2018):
    """Reviews are interactions, products items, categories domains."""

    stand_in: ClassVar[StandIn | None] = None
    citation: ClassVar[str] = (
        "Hou, Li, He, Yan, Chen, McAuley: Bridging Language and Items for Retrieval and Recommendation,"
        " arXiv:2403.03952, 2024"
    )

    def remote_files(self) -> tuple[RemoteFile, ...]:
        """All reviews and the products of each category."""
        options = self.options
        return remote_files(RELEASE_2023, options.categories, core=options.reviews == "5core", domain_of=domain_of)

    def categories(self, root: Path) -> list[Category]:
        """As those of `Amazon2018`, of this release alone."""
        found = super().categories(root)
        release = found[0].keys.release  # a folder holds one
        if release != KEYS_2023.release:
            raise DataError(f"{root} holds Amazon reviews of {release}: prepare it as amazon{release}")
        return found
