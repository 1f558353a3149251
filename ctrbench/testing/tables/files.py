"""What a package of tables promises of its files."""

from __future__ import annotations

from importlib.resources import files

from ctrbench.bench import catalog
from ctrbench.bench.spec import TableSpec
from ctrbench.errors import ConfigError
from ctrbench.testing.promises import promise
from ctrbench.testing.tables.subject import TableSubject


class FilePromises(TableSubject):
    """What a package of tables promises of its files."""

    @promise("put `*.toml` into the package, and into its package data (`[options.package_data]` in setup.cfg).")
    def test_the_package_holds_tables(self) -> None:
        """The package, as it is installed, holds `*.toml` files."""
        found = sorted(entry.name for entry in files(self.tables).iterdir() if entry.name.endswith(".toml"))
        assert found, f"{self.tables} holds none"
        assert found == [file.name for file in self._load()], f"{self.tables} is found at two places"

    @promise("correct the key that is named; docs/tables.md says what each means.")
    def test_every_table_can_be_read(self) -> None:
        """Every `*.toml` is a table: its keys are known, and its settings and claims name its rows and domains."""
        faults = []
        for file in self._load():
            try:
                TableSpec.read(file)
            except ConfigError as fault:
                faults.append(str(fault))
        assert not faults, "; ".join(faults)

    @promise("give the file a name of its own, of letters, digits and _: it is what one writes after `ctrbench run`.")
    def test_no_name_is_taken(self) -> None:
        """No table has a name that another package's table has, or that the command line cannot take."""
        found = catalog.survey().found
        for file in self._load():
            assert file.stem.replace("-", "_").isidentifier(), f"{file.stem!r} is no such name"
            assert file.stem != catalog.ALL, f"{file.stem!r} stands for every table"
            others = [(plugin, place) for plugin, place in found.get(file.stem, []) if not place.samefile(file)]
            told = " and ".join(plugin.origin for plugin, _ in others)
            assert not others, f"{file.stem!r} is a table of {told}"
