import sys
from importlib.util import spec_from_file_location

import pytest

from ctrbench.bench import catalog
from ctrbench.bench.spec import TableSpec
from ctrbench.errors import ConfigError
from tests.fakes import entry, register


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """Two packages with a table `same` each; importing either is an error."""
    for name in ("first", "second"):
        folder = tmp_path / f"{name}_tables" / "specs"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        (folder / "same.toml").write_text(f'title = "Of {name}"')
        (folder / f"{name}.toml").write_text(f'title = "Of {name}"')
    monkeypatch.syspath_prepend(str(tmp_path))
    return [entry("ctrbench.tables", name, f"{name}_tables.specs", f"{name}-dist") for name in ("first", "second")]


def test_tables_are_found_without_importing_their_packages(monkeypatch, packages):
    register(monkeypatch, *packages)
    assert list(catalog.survey().found) == ["first", "same", "second"]
    assert catalog.title(catalog.locate("first")) == "Of first"


def test_the_doctor_reads_packages_of_tables_and_imports_none(packages):
    from dataclasses import asdict

    from ctrbench.doctor.loading import examine
    from ctrbench.registry import Plugin

    found = examine(**asdict(Plugin("tables", "first", "first_tables.specs", "first-dist", "1.0")))
    assert sorted(found["tables"]) == ["first", "same"]
    assert "first_tables" not in sys.modules
    assert not any("imported" in fault for fault in found["faults"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=", "first.toml is not valid TOML"),
        ('extends = "first"', "first.toml extends 'first', which is itself or extends it"),
        ('extends = "same"\nprofiles = 3', "is missing in first.toml"),
        ('titel = "One"', "unknown key 'titel' in first.toml. Did you mean 'title'?"),
    ],
)
def test_a_faulty_table_names_its_package_whatever_is_wrong(monkeypatch, packages, tmp_path, text, told):
    register(monkeypatch, *packages)
    (tmp_path / "first_tables" / "specs" / "first.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        TableSpec.find("first")
    assert str(caught.value).startswith("first-dist 1.0: ")
    assert told in str(caught.value)


def test_a_table_that_two_distributions_bring_is_an_error_that_names_both(monkeypatch, packages):
    register(monkeypatch, *packages)
    with pytest.raises(ConfigError, match=r"'same' is claimed by first-dist .* and second-dist"):
        catalog.locate("same")


def test_a_broken_table_package_hides_no_other(monkeypatch, packages):
    register(monkeypatch, *packages, entry("ctrbench.tables", "bad", "no_such_package.tables", "bad-dist"))
    found = catalog.survey()
    assert list(found.found) == ["first", "same", "second"]
    assert len(found.faults) == 1
    assert "'bad' of bad-dist 1.0" in found.faults[0]
    assert catalog.locate("first").name == "first.toml"


def test_a_module_in_place_of_a_package_is_told_without_importing_anything(monkeypatch, tmp_path):
    (tmp_path / "left_tables").mkdir()
    (tmp_path / "left_tables" / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "left_tables" / "specs.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    register(monkeypatch, entry("ctrbench.tables", "bad", "left_tables.specs", "bad-dist"))
    (fault,) = catalog.survey().faults
    assert "'bad' of bad-dist 1.0 cannot be found (there is no package left_tables.specs)" in fault


def test_a_package_that_an_editable_install_maps_is_found(monkeypatch, tmp_path):
    spec = spec_from_file_location("mapped.tables", "__init__.py", submodule_search_locations=[str(tmp_path)])

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return spec if name == "mapped.tables" else None

    (tmp_path / "theirs.toml").touch()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    register(monkeypatch, entry("ctrbench.tables", "acme", "mapped.tables"))
    assert list(catalog.survey().found) == ["theirs"]


def test_a_typo_gets_the_nearest_table():
    with pytest.raises(ConfigError, match=r"unknown table 'tabel3'\. Did you mean 'table3'\?"):
        catalog.locate("tabel3")


def test_tables_are_found_by_their_kind(monkeypatch, packages, tmp_path):
    register(monkeypatch, *packages)
    folder = tmp_path / "first_tables" / "specs"
    (folder / "first.toml").write_text('kind = "main"')
    (folder / "unseen.toml").write_text('kind = "zero_shot"')
    (folder / "broken.toml").write_text("kind =")
    assert catalog.of_kind("zero_shot") == ["unseen"]
    assert catalog.of_kind("other") == []


@pytest.mark.parametrize(
    "text",
    [
        'title = "One"\nseeds = [0]\n[settings.a]\nx = 1',
        'notes = """\n[1] a text"""\ntitle = "One"',
        'x = [\n[1],\n]\ntitle = "One"',
    ],
)
def test_a_title_is_read_wherever_parts_begin(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    assert catalog.title(tmp_path / "a.toml") == "One"


def test_a_title_that_cannot_be_read_is_an_error_that_says_where(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        catalog.title(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text('title = "One\n[settings]')
    with pytest.raises(ConfigError, match=r"a\.toml is not valid TOML: .*line 1"):
        catalog.title(tmp_path / "a.toml")
