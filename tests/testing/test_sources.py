"""The kit passes a source that keeps its promises, and catches one that breaks them: a small broken source for each."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from ctrbench.api import DataError, DatasetSource, Field, Prompt, RemoteFile
from ctrbench.errors import PluginError
from ctrbench.testing import SourceTests
from tests.fakes import entry, register

COUNT = 200


class Shop(DatasetSource):
    """Clicks in two domains, which it writes itself."""

    automatic = True
    fields = (
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="depth", kind="number"),
        Field(name="history", kind="history", of="user"),
    )
    prompts: ClassVar[Any] = {"default": Prompt(template="user_{user_index} liked {history}, sees '{title}'.")}

    def download(self, root: Path) -> None:
        if (root / "clicks.csv").is_file() and (root / "items.csv").is_file():
            return
        root.mkdir(parents=True, exist_ok=True)
        drawn = np.random.default_rng(0)
        clicks = {
            "domain": [("books", "games")[k] for k in drawn.integers(0, 2, COUNT)],
            "user": [f"u{k}" for k in drawn.integers(0, 20, COUNT)],
            "item": [f"i{k}" for k in drawn.integers(0, 30, COUNT)],
            "time": 1_600_000_000 + 60 * np.arange(COUNT),
            "label": drawn.integers(0, 2, COUNT),
            "depth": drawn.integers(0, 9, COUNT),
        }
        pl.DataFrame(clicks).write_csv(root / "clicks.csv")
        pl.DataFrame({"item": [f"i{k}" for k in range(30)], "title": [f"thing {k % 7}" for k in range(30)]}).write_csv(
            root / "items.csv"
        )

    def inputs(self, root):
        for name in ("clicks.csv", "items.csv"):
            if not (root / name).is_file():
                raise DataError(f"{root} holds no {name}: download it first")
        return [root / "clicks.csv", root / "items.csv"]

    def interactions(self, root, problems):
        return pl.scan_csv(root / "clicks.csv")

    def items(self, root, problems):
        return pl.scan_csv(root / "items.csv")


class TestShop(SourceTests):
    source = Shop


class ByHand(Shop):
    """The same files, which somebody else writes."""

    automatic = False
    version = "7"

    def remote_files(self):
        return (RemoteFile(base="https://host.example/shop", name="clicks.csv", path="clicks.csv"),)


class TestByHand(SourceTests):
    source = ByHand

    def raw_files(self, folder):
        Shop().download(folder)


CASES: list[tuple[type[DatasetSource], str, str]] = []


def breaks(test: str, words: str) -> Any:
    """Registers a broken source, the test that must catch it, and words that must stand in the message."""

    def keep(kind: type[DatasetSource]) -> type[DatasetSource]:
        CASES.append((kind, f"test_{test}", words))
        return kind

    return keep


def rows(*columns: pl.Expr) -> Any:
    """`interactions` with other columns."""
    return lambda self, root, problems: pl.scan_csv(root / "clicks.csv").with_columns(columns)


def but(**columns: Any) -> Any:
    """`interactions` with other columns, by name."""
    return rows(*(value.alias(name) for name, value in columns.items()))


# what it says of itself


@breaks("it_is_built_for_this_api", "states api_version '1', which is no version")
class TextVersion(Shop):
    api_version = "1"


@breaks("options_are_typed_and_closed", "no_such_option")
class OpenOptions(Shop):
    class Options(BaseModel):
        """Any."""

        model_config: ClassVar[Any] = {"frozen": True}


@breaks("options_are_typed_and_closed", "not frozen")
class ThawedOptions(Shop):
    class Options(BaseModel):
        """Any."""

        model_config: ClassVar[Any] = {"extra": "forbid"}


@breaks("options_are_typed_and_closed", "no docstring")
class SilentOptions(Shop):
    class Options(BaseModel):
        model_config: ClassVar[Any] = {"extra": "forbid", "frozen": True}
        size: int = 1


@breaks("the_source_says_what_it_is", "NumberedVersion has version = 3")
class NumberedVersion(Shop):
    """A number."""

    version: Any = 3


@breaks("the_source_says_what_it_is", "no docstring")
class Silent(Shop):
    pass


@breaks("fields_are_columns", "'brand'")
class FieldWithoutColumn(Shop):
    fields = (*Shop.fields, Field(name="brand", kind="id", of="item"))


@breaks("fields_are_columns", "'title' is of kind 'number'")
class FieldOfAnotherKind(Shop):
    fields = (Field(name="title", kind="number", of="item"),)


@breaks("prompts_show_columns", "names {colour}, which is no column")
class PromptWithoutColumn(Shop):
    prompts: ClassVar[Any] = {"default": Prompt(template="{colour}")}


@breaks("prompts_show_columns", "the prompts are short")
class NoDefaultPrompt(Shop):
    prompts: ClassVar[Any] = {"short": Prompt(template="{title}")}


@breaks("domains_have_the_names_that_are_declared", "rows of games, and `domains\\(\\)` names books")
class UndeclaredDomain(Shop):
    def domains(self):
        return ("books",)


@breaks("domains_have_the_names_that_are_declared", "names of heads")
class ReservedDomain(Shop):
    interactions = but(domain=pl.lit("mean"))


# its tables


@breaks("tables_are_lazy", "`items` returns a DataFrame")
class Eager(Shop):
    def items(self, root, problems):
        return pl.read_csv(root / "items.csv")


@breaks("rows_have_the_columns_of_a_row", "no column 'time'")
class NoTime(Shop):
    def interactions(self, root, problems):
        return pl.scan_csv(root / "clicks.csv").drop("time")


@breaks("rows_have_the_columns_of_a_row", "'user' holds Int64")
class NumberedUsers(Shop):
    interactions = but(user=pl.col("user").str.slice(1).cast(pl.Int64))


@breaks("no_row_lacks_what_a_row_needs", "rows without user, such as item i")
class NoUser(Shop):
    interactions = but(user=pl.when(pl.col("depth") > 4).then("user"))


@breaks("times_are_seconds", "200 of 200 rows are of other times, such as 1600000000000")
class Milliseconds(Shop):
    interactions = but(time=pl.col("time") * 1000)


@breaks("labels_are_clicks_or_ratings", "the labels are 1, 2")
class OneAndTwo(Shop):
    interactions = but(label=pl.col("label") + 1)


@breaks("labels_are_clicks_or_ratings", "all 200 rows are none")
class NoClick(Shop):
    interactions = but(label=pl.col("label") * 0)


@breaks("no_row_comes_twice", "400 of 400 rows do")
class Twice(Shop):
    def interactions(self, root, problems):
        clicks = pl.scan_csv(root / "clicks.csv")
        return pl.concat([clicks, clicks.with_columns(depth=pl.lit(0, pl.Int64))])


@breaks("every_item_is_described", "items of the interactions are not described, such as i2")
class NoDescription(Shop):
    def items(self, root, problems):
        return super().items(root, problems).filter(pl.col("item") < "i2")


@breaks("every_item_is_described", "2 rows of items are copies, such as those of i7")
class DescribedTwice(Shop):
    def items(self, root, problems):
        items = super().items(root, problems)
        return pl.concat([items, items.filter(item="i7")])


# files


@breaks("reading_writes_nothing", "changed or removed: cache.csv")
class CacheBesideTheFiles(Shop):
    def items(self, root, problems):
        items = pl.read_csv(root / "items.csv")
        items.write_csv(root / "cache.csv")
        return items.lazy()


@breaks("reading_writes_nothing", r"written outside: .*ctrbench-shop\.log")
class Log(Shop):
    def interactions(self, root, problems):
        log = root.parent / "ctrbench-shop.log"
        log.write_text("read")
        log.unlink()
        return super().interactions(root, problems)


@breaks("reading_writes_nothing", "the environment's SHOP_ROOT changed")
class Environment(Shop):
    def interactions(self, root, problems):
        os.environ["SHOP_ROOT"] = f"{root} {len(os.environ)}"
        return super().interactions(root, problems)


@breaks("no_global_random_state_is_touched", "numpy's random numbers changed")
class SeedsNumpy(Shop):
    def interactions(self, root, problems):
        np.random.seed(0)
        return super().interactions(root, problems)


@breaks("no_global_random_state_is_touched", "Python's random numbers changed")
class DrawsNames(Shop):
    def download(self, root):
        random.random()
        super().download(root)


@breaks("inputs_are_files", "is no file")
class NamesAFolder(Shop):
    def inputs(self, root):
        return [*super().inputs(root), root]


@breaks("inputs_are_files", "returns a tuple")
class TupleOfInputs(Shop):
    def inputs(self, root):
        return tuple(super().inputs(root))


@breaks("missing_files_are_told_in_one_sentence", "FileNotFoundError")
class LooksAtNothing(Shop):
    def inputs(self, root):
        return [root / "clicks.csv"]


@breaks("missing_files_are_told_in_one_sentence", "the message has 2 lines")
class TwoLines(Shop):
    def inputs(self, root):
        if not (root / "clicks.csv").is_file():
            raise DataError(f"{root} is empty\nSorry.")
        return super().inputs(root)


@breaks("a_download_is_made_once", "changed or removed: clicks.csv")
class WritesAgain(Shop):
    def download(self, root):
        super().download(root)
        (root / "clicks.csv").write_text((root / "clicks.csv").read_text())


@breaks("a_download_is_made_once", "items.csv was lost, and did not come again")
class LooksAtOneFile(Shop):
    def download(self, root):
        if not (root / "clicks.csv").is_file():
            super().download(root)


@breaks("a_download_is_made_once", r"written outside: .*shop-download")
class DownloadsElsewhere(Shop):
    def download(self, root):
        super().download(root)
        (root.parent / "shop-download").touch()


@breaks("remote_files_have_places_of_their_own", "clicks.csv is the place of two files")
class OnePlace(ByHand):
    def remote_files(self):
        return super().remote_files() * 2


# reading again


@breaks("reading_again_gives_the_same", "other depth in the interactions")
class Draws(Shop):
    def interactions(self, root, problems):
        return super().interactions(root, problems).with_columns(depth=pl.lit(time.perf_counter_ns()))


@breaks("reading_again_gives_the_same", "other seen in the items")
class Remembers(Shop):
    def interactions(self, root, problems):
        vars(self)["seen"] = 1
        return super().interactions(root, problems)

    def items(self, root, problems):
        return super().items(root, problems).with_columns(seen=pl.lit(vars(self).get("seen", 0)))


@breaks("another_process_reads_the_same", "the tables differ")
class OrderOfASet(Shop):
    def items(self, root, problems):
        items = pl.read_csv(root / "items.csv")
        return pl.DataFrame({"item": list(set(items["item"]))}).join(items, on="item", maintain_order="left").lazy()


# what it must not show


@breaks("no_feature_is_the_label", "depth tells the label")
class FeatureIsTheLabel(Shop):
    interactions = but(depth=pl.col("label") * 3)


@breaks("nothing_shows_what_came_later", "depth changed with rows of time")
class MeanOverAllTime(Shop):
    interactions = but(depth=pl.col("label").mean().over("item"))


@breaks("nothing_shows_what_came_later", "the items' clicks changed with rows of time")
class PopularityOfItems(Shop):
    def items(self, root, problems):
        clicks = pl.scan_csv(root / "clicks.csv").group_by("item").agg(clicks=pl.len())
        return super().items(root, problems).join(clicks, on="item", how="left", maintain_order="left")


# being prepared


@breaks("good_files_have_no_bad_row", "unknown item")
class UnknownItem(Shop):
    interactions = but(item=pl.when(pl.col("depth") > 7).then(pl.lit("i99")).otherwise("item"))


@breaks("every_split_of_every_domain_has_rows", "no train row of rare")
class RareDomain(Shop):
    interactions = but(domain=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("rare")).otherwise("domain"))


@breaks("the_prepared_dataset_passes_the_audit", "no feature of a row is its label in other words")
class LabelInThePrompt(Shop):
    interactions = but(seconds=pl.col("label") * 60)
    prompts: ClassVar[Any] = {"default": Prompt(template="{title}, {seconds} s")}


@pytest.mark.parametrize(("kind", "test", "words"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_promise_is_caught(kind, test, words):
    """And the message names the source, says which promise it was, and how to mend it."""
    base = TestByHand if issubclass(kind, ByHand) else SourceTests
    tests = type("Broken", (base,), {"source": kind})()
    with pytest.raises(AssertionError, match=words) as caught:
        getattr(tests, test)()
    message = str(caught.value)
    promise = " ".join(getattr(SourceTests, test).__doc__.split())
    assert message.startswith(f"{kind.__name__} breaks a promise: {promise}\nTo mend it: ")


def test_every_promise_has_a_source_that_breaks_it():
    promises = {name for name in dir(SourceTests) if name.startswith("test_")}
    assert promises - {test for _, test, _ in CASES} == set()


def test_a_class_of_tests_names_its_source():
    with pytest.raises(PluginError, match="TestNone names no source: give it a line such as `source = MySource`"):
        type("TestNone", (SourceTests,), {})


def test_options_that_the_source_refuses_are_told_in_one_sentence():
    tests = type("TestMine", (SourceTests,), {"source": Shop, "options": {"size": 8}})()
    with pytest.raises(PluginError, match=r"unknown key 'size' in TestMine\.options, for Shop"):
        tests.test_tables_are_lazy()


def test_a_source_without_raw_files_is_told_how_to_have_some():
    tests = type("TestMine", (SourceTests,), {"source": ByHand})()
    with pytest.raises(pytest.fail.Exception, match=r"TestMine has no raw files for ByHand: let its method `raw_files"):
        tests.test_tables_are_lazy()


def test_a_plugin_that_cannot_be_imported_fails_its_own_tests_only(monkeypatch):
    register(monkeypatch, entry("ctrbench.datasets", "broken", "tests.no_such_module:Source"))
    tests = type("Tests", (SourceTests,), {"source": "broken"})()
    with pytest.raises(PluginError, match="cannot be imported"):
        tests.test_tables_are_lazy()


def test_what_came_later_is_found_in_files_that_the_author_cuts():
    class Packed(MeanOverAllTime):
        def inputs(self, root):
            return [root / "clicks.parquet"]

        def interactions(self, root, problems):
            rows = pl.scan_parquet(root / "clicks.parquet")
            return rows.with_columns(depth=pl.col("label").mean().over("item"))

    class Tests(SourceTests):
        source = Packed

        def raw_files(self, folder):
            Shop().download(folder)
            pl.read_csv(folder / "clicks.csv").write_parquet(folder / "clicks.parquet")

    with pytest.raises(pytest.skip.Exception, match="override `raw_files_until`"):
        Tests().test_nothing_shows_what_came_later()

    class Cut(Tests):
        def raw_files_until(self, folder, time):
            folder.mkdir()
            self.raw_files(folder)
            rows = pl.read_parquet(folder / "clicks.parquet").filter(pl.col("time") <= time)
            rows.write_parquet(folder / "clicks.parquet")

    with pytest.raises(AssertionError, match="depth changed with rows of time"):
        Cut().test_nothing_shows_what_came_later()


def test_the_kit_for_sources_loads_no_torch():
    code = "import sys\nfrom ctrbench.testing import SourceTests\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
