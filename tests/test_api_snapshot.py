"""What plugins may rely on changes only knowingly: it is recorded, and the CHANGELOG names what differs."""

import pytest

from ctrbench import api, testing
from ctrbench.deprecations import DEPRECATIONS, Deprecation
from tests import api_snapshot
from tests.api_snapshot import CHANGELOG, differences, read, record, unnamed
from tests.promised import promised

NOW = {
    "ctrbench.api.Kept": ["class Kept  # 1", "    def size(self) -> int  # 2"],
    "ctrbench.api.old": ["def old(x)  # 3"],
}
FIRST = record({}, NOW, "0.1.0")
TOLD = """
## [Unreleased]

- `old` takes `y`. `Kept.size` is a float. `Other.new` is there.

## [0.1.0]

- The first, with `new`.
"""


def test_what_plugins_rely_on_is_as_it_was_recorded():
    told = differences(read(), promised())
    if told:
        pytest.fail(told, pytrace=False)


def test_every_change_is_named_in_the_changelog():
    missing = unnamed(read(), CHANGELOG.read_text("utf-8"))
    if missing:
        pytest.fail(f"name in backticks in CHANGELOG.md what differs for plugins: {', '.join(missing)}", pytrace=False)


def test_every_public_name_is_recorded_and_documented():
    assert promised().keys() == {f"{module.__name__}.{name}" for module in (api, testing) for name in module.__all__}
    assert [name for name, lines in promised().items() if "  # " not in lines[0]] == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("api.Batch", "@dataclass(frozen=True) class Batch"),
        ("api.Batch", "    x: Mapping[str, Tensor]"),
        ("api.Batch", "    @cached_property def groups(self) -> list[tuple[str, Tensor]]"),
        ("api.CTRModel", "    features = …"),
        ("api.CTRModel", "    version: ClassVar[str] = '1'"),
        ("api.CTRModel", "        model_config = ConfigDict(frozen=True, extra='forbid')"),
        ("api.Inspection", "    wrong: tuple[str, ...] = ()"),
        ("api.Inspection", "    model_config = ConfigDict(frozen=True, extra='forbid')"),
        ("api.RemoteFile", "    size: int | None = Field(None, ge=0)"),
        ("api.Size", "Size = Annotated[int, Field(gt=0, strict=True)]"),
        ("api.mlp", "def mlp(sizes: Sequence[int], dropout: float=0.0, out: int | None=None) -> nn.Sequential"),
        ("testing.ModelTests", "    config: ClassVar[Mapping[str, Any]] = {}"),
        ("testing.ModelTests", "    @promise() def test_unseen_ids(self) -> None"),
    ],
)
def test_what_is_recorded_are_signatures_fields_and_defaults_also_inherited_ones(name, line):
    assert line in [recorded.partition("  # ")[0] for recorded in promised()[f"ctrbench.{name}"]]


def test_what_another_public_name_promises_is_recorded_once():
    assert len(promised()["ctrbench.api.ConfigError"]) == 1
    assert len(promised()["ctrbench.api.CtrbenchError"]) > 1


def test_nothing_private_is_recorded():
    assert not [line for lines in promised().values() for line in lines[1:] if "def _" in line.replace("def __", "")]


def changed(**names):
    return {**NOW, **{f"ctrbench.api.{name}": lines for name, lines in names.items()}}


def test_what_differs_is_told_by_name_with_what_to_do():
    now = changed(new=["new = 1"], Kept=["class Kept  # 9", NOW["ctrbench.api.Kept"][1]])
    del now["ctrbench.api.old"]
    told = differences(FIRST, now)
    assert "added: ctrbench.api.new" in told
    assert "removed: ctrbench.api.old" in told
    assert "changed: ctrbench.api.Kept\n    -class Kept  # 1\n    +class Kept  # 9\n" in told
    assert "size" not in told
    assert "run `python -m tests.api_snapshot`, and name in backticks in CHANGELOG.md what it lists" in told
    assert differences(FIRST, NOW) == ""


def test_what_is_recorded_anew_is_asked_of_the_section_of_its_version():
    entries = record(FIRST, changed(old=["def old(x, y)  # 3"], new=["new = 1"]), "0.2.0")
    assert entries["ctrbench.api.Kept"] == FIRST["ctrbench.api.Kept"]
    assert unnamed(entries, TOLD) == ["`new` (0.2.0)"]
    assert unnamed(entries, TOLD.replace("Unreleased", "0.2.0")) == ["`new` (0.2.0)"]
    later = record(entries, changed(old=["def old(x, y)  # 4"], new=["new = 1"]), "0.3.0")
    assert unnamed(later, TOLD.replace("Unreleased", "0.2.0")) == ["`new` (0.2.0)", "`old` (0.3.0)"]
    assert unnamed(FIRST, "") == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (["class Kept  # 1", "    def size(self) -> float  # 2"], "`Kept.size`"),
        (["class Kept  # 1", "    @property def size(self) -> int  # 2"], "`Kept.size`"),
        (["class Kept  # 1"], "`Kept.size`"),
        (["class Kept  # 1", "    def size(self) -> int  # 2", "    @cache def other(self)"], "`Kept.other`"),
        (["class Kept  # 1", "    rows: int", "    def size(self) -> int  # 2"], "`Kept.rows`"),
        (["class Kept  # 2", "    def size(self) -> int  # 2"], "`Kept`"),
        (["class Kept  # 1", "    def size(self) -> int  # 2", "    def test_it(self)  # 7"], "`Kept`"),
    ],
)
def test_what_changed_of_a_class_is_to_be_named(now, told):
    entries = record(FIRST, changed(Kept=now), "0.2.0")
    assert unnamed(entries, "## [Unreleased]\n`Kept.elsewhere`, `Unkept`, `x.size`") == [f"{told} (0.2.0)"]
    assert unnamed(entries, f"## [Unreleased]\n{told}") == []


def test_the_order_of_fields_is_the_classs():
    first = record({}, changed(Kept=["class Kept", "    a: int", "    b: int"]), "0.1.0")
    entries = record(first, changed(Kept=["class Kept", "    b: int", "    a: int"]), "0.2.0")
    assert entries["ctrbench.api.Kept"]["changed"] == {"0.2.0": ["Kept"]}


def test_changes_add_up_until_the_next_version():
    entries = record(FIRST, changed(Kept=["class Kept  # 2", NOW["ctrbench.api.Kept"][1]]), "0.2.0")
    entries = record(entries, changed(Kept=["class Kept  # 2"]), "0.2.0")
    assert entries["ctrbench.api.Kept"]["changed"] == {"0.2.0": ["Kept", "Kept.size"]}
    entries = record(entries, changed(Kept=["class Kept  # 3"]), "0.3.0")
    assert entries["ctrbench.api.Kept"]["changed"] == {"0.3.0": ["Kept"]}
    assert record(entries, changed(Kept=["class Kept  # 3"]), "0.4.0") == entries


def test_what_is_new_is_named_as_a_whole():
    entries = record(FIRST, changed(New=["class New", "    a: int"]), "0.2.0")
    entries = record(entries, changed(New=["class New", "    a: float"]), "0.2.0")
    assert unnamed(entries, "") == ["`New` (0.2.0)"]


def test_a_word_in_a_path_or_in_plain_text_names_nothing():
    for text in ("old", "`examples/old`", "`old-fashioned`", "`olden`", "`x = old`", "`old.size`"):
        assert not api_snapshot.names(f"## [Unreleased]\n{text}", "0.2.0", "old")
    for text in ("`old`", "`ctrbench.api.old`", "`old(x, y)`"):
        assert api_snapshot.names(f"## [Unreleased]\n{text}", "0.2.0", "old")


def test_a_name_does_not_go_without_a_word(monkeypatch):
    with pytest.raises(ValueError, match=r"^ctrbench.api.old is gone, and plugins may use it"):
        record(FIRST, {"ctrbench.api.Kept": NOW["ctrbench.api.Kept"]}, "0.2.0")
    monkeypatch.setitem(DEPRECATIONS, "old", Deprecation("0.2.0", "0.3.0", "use `new`"))
    assert record(FIRST, {"ctrbench.api.Kept": NOW["ctrbench.api.Kept"]}, "0.2.0").keys() == {"ctrbench.api.Kept"}


def test_a_name_that_no_version_had_may_go():
    entries = record(FIRST, changed(new=["new = 1"]), "0.2.0")
    assert record(entries, NOW, "0.2.0") == FIRST
    with pytest.raises(ValueError, match="new is gone"):
        record(entries, NOW, "0.3.0")


def test_one_command_records(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(api_snapshot, "FILE", tmp_path / "snapshot.json")
    monkeypatch.setattr(api_snapshot, "CHANGELOG", tmp_path / "CHANGELOG.md")
    monkeypatch.setattr(api_snapshot, "promised", lambda: NOW)
    monkeypatch.setattr(api_snapshot, "__version__", "0.2.0.dev1")
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n- `Kept`\n\n## [0.1.0]\n")
    assert api_snapshot.main() is None
    monkeypatch.setattr(
        api_snapshot, "promised", lambda: changed(old=["def old()"], Kept=["class Kept", NOW["ctrbench.api.Kept"][1]])
    )
    assert api_snapshot.main() is None
    assert "recorded 2 names; name in backticks in CHANGELOG.md: `old` (0.2.0)" in capsys.readouterr().out
    assert api_snapshot.read()["ctrbench.api.old"] == {"lines": ["def old()"], "changed": {"0.2.0": ["old"]}}
    monkeypatch.setattr(api_snapshot, "__version__", "0.1.0")
    assert "0.1.0 is released" in api_snapshot.main()
