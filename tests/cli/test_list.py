import pytest

from ctrbench.cli import main
from ctrbench.registry import GROUPS
from tests.fakes import FAKES, entry, register


@pytest.fixture
def plugins(monkeypatch):
    register(
        monkeypatch,
        entry("ctrbench.models", "good", FAKES["single"], "gooddist"),
        entry("ctrbench.models", "same", FAKES["single"], "ours"),
        entry("ctrbench.models", "same", FAKES["multi"], "theirs"),
        entry("ctrbench.models", "broken", "no_such_module:Model", "baddist"),
        entry("ctrbench.tables", "bad", "no_such_package", "baddist"),
        entry("ctrbench.tables", "ctrbench", "ctrbench.benchmarks.tables", "ctrbench"),
    )


def lines(capsys, *arguments):
    assert main(["list", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_collision_is_one_line_and_the_rest_is_listed(plugins, capsys):
    found = lines(capsys, "models")
    assert len(found) == 3
    assert any(line.split() == ["good", "gooddist", "1.0"] for line in found)
    assert sum("claimed by ours 1.0" in line and "theirs 1.0" in line for line in found) == 1


def test_details_import_each_plugin_and_a_broken_one_is_one_line(plugins, capsys):
    found = lines(capsys, "models", "--details")
    assert len(found) == 3
    assert sum("'broken' of baddist 1.0 cannot be imported" in line for line in found) == 1
    assert any("single_domain  One model per domain." in line for line in found)


def test_tables_are_listed_with_their_titles_and_a_broken_package_is_one_line(plugins, capsys):
    found = lines(capsys, "tables")
    assert any(line.startswith("table3") and "Table III" in line for line in found)
    assert sum("'bad' of baddist" in line for line in found) == 1
    assert sum("'bad' of baddist" in line for line in lines(capsys, "tables", "--details", "-q")) == 1


def test_a_table_that_is_no_toml_is_one_line(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "faulty_tables"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "faulty.toml").write_text("title = ")
    monkeypatch.syspath_prepend(str(tmp_path))
    register(monkeypatch, entry("ctrbench.tables", "x", "faulty_tables"))
    assert "is not valid TOML" in lines(capsys, "tables")[0]
    (detailed,) = lines(capsys, "tables", "--details", "-q")
    assert detailed.startswith("the table 'faulty' of fakedist 1.0 cannot be used (")
    assert "is not valid TOML" in detailed


def test_all_kinds_stand_under_their_names(capsys):
    assert [line for line in lines(capsys) if not line.startswith(" ")] == [*GROUPS]


def test_metadata_that_cannot_be_read_are_one_line(plugins, monkeypatch, capsys):
    monkeypatch.setattr("ctrbench.installed.faults", lambda: ["the plugins of acme cannot be listed"])
    found = lines(capsys, "models")
    assert found[-1] == "the plugins of acme cannot be listed"
    assert len(found) == 4
