from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ctrbench.cli import data as verb, main
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import ConfigError, DataError


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    return verb.run(parser.parse_args([str(word) for word in words], argparse.Namespace(quiet=False)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    root.mkdir()
    reviews = [
        {"reviewerID": f"U{n % 3}", "asin": f"P{n}", "overall": n % 5 + 1, "unixReviewTime": n * 86_400}
        for n in range(20)
    ]
    products = [{"asin": f"P{n}", "title": f"A | {n}", "price": "$1.00"} for n in range(20)]
    (root / "Gift_Cards.json").write_text("".join(json.dumps(row) + "\n" for row in reviews) + "{broken\n")
    (root / "meta_Gift_Cards.json").write_text("".join(json.dumps(row) + "\n" for row in products))
    return root


def test_prepare_prints_problems_and_sizes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "amazon2018", "--root", root, "--out", root.parent / "out") == 0
    printed = capsys.readouterr().out
    assert "left out [gift_cards] 1 x broken JSON line\n    Gift_Cards.json:21: {broken" in printed
    assert "gift_cards: 16 train, 2 valid, 2 test" in printed


def test_quiet_prints_the_result_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.parent / "out"
    assert main(["-q", "data", "prepare", "amazon2018", "--root", str(root), "--out", str(out)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "gift_cards: 16 train, 2 valid, 2 test"
    assert [line.split(" (")[0] for line in rest] == [f"prepared {out}", f"`ctrbench data describe {out}` says more"]


def test_domains_are_chosen_by_name(root: Path) -> None:
    for name in ("", "meta_"):
        text = (root / f"{name}Gift_Cards.json").read_text()
        (root / f"{name}All_Beauty.json").write_text(text.replace('"P', '"Q'))
    out = root.parent / "out"
    assert run("prepare", "amazon2018", "--root", root, "--out", out, "--domains", "gift_cards") == 0
    assert PreparedDataset.open(out).domains == ("gift_cards",)
    words = ("--domains", "gift_cards", "-o", "categories=All_Beauty")
    with pytest.raises(ConfigError, match=r"--domains and -o categories=… say the same"):
        run("prepare", "amazon2018", "--root", root, "--out", root.parent / "other", *words)


def test_a_folder_above_the_files_is_told_of(root: Path) -> None:
    (root.parent / "a_empty").mkdir()
    with pytest.raises(DataError, match=rf"holds no review file.* \({root} holds such files: give that as --root\)$"):
        run("prepare", "amazon2018", "--root", root.parent, "--out", root.parent / "out")
    (root / "meta_Gift_Cards.json").unlink()
    with pytest.raises(DataError, match=r"beside it: download it, .* without titles$"):
        run("prepare", "amazon2018", "--root", root, "--out", root.parent / "out")


def test_a_file_in_the_place_of_a_datasets_name(root: Path) -> None:
    file = root / "clicks.toml"
    file.touch()
    with pytest.raises(ConfigError, match=rf"not a dataset's name: .* and give --root {file}$"):
        run("prepare", file, "--out", root.parent / "out")


def test_options_go_to_source_and_preparation(root: Path) -> None:
    out = root.parent / "out"
    run(
        "prepare",
        "amazon2018",
        "--root",
        root,
        "--out",
        out,
        "-o",
        "window=2",
        "-o",
        "price=mean",
        "-o",
        "train=0.7",
    )
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["options"]["window"], manifest["source_options"]["price"]) == (2, "mean")
    assert manifest["steps"][-3]["rows"] == {"gift_cards": 14}


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("windw=2", "Did you mean 'window'"),
        ("window=-1", "window in the options of the preparation: input should be .* not -1"),
        ("valid=0.5", r"leave no test rows \(in the options of the preparation\)"),
        ("price=x", "price in the options of dataset 'amazon2018'"),
        ("dedupe=maybe", "dedupe in the options of the preparation: input should be true or false, not 'maybe'"),
    ],
)
def test_a_wrong_option_is_one_sentence(root: Path, option: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        run("prepare", "amazon2018", "--root", root, "--out", root.parent / "out", "-o", option)
    assert "\n" not in str(caught.value)


def test_strict_leaves_nothing(root: Path) -> None:
    with pytest.raises(DataError, match=r"Gift_Cards\.json:21"):
        run("prepare", "amazon2018", "--root", root, "--out", root.parent / "out", "--strict")
    assert not (root.parent / "out").exists()


def test_describe_in_three_formats(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.parent / "out"
    run("prepare", "amazon2018", "--root", root, "--out", out)
    printed = {}
    for form in ("table", "md", "json"):
        capsys.readouterr()
        assert run("describe", out, "--format", form) == 0
        printed[form] = capsys.readouterr().out
    assert json.loads(printed["json"])["sections"][0]["rows"][0][:4] == ["gift_cards", 3, 20, 20]
    assert "| gift_cards | 3 | 20 | 20 |" in printed["md"]
    assert "Table II" in printed["table"]


def test_preparing_loads_no_torch(root: Path) -> None:
    out = root.parent / "out"
    code = (
        "import argparse, sys; from ctrbench.cli import data as verb; parser = argparse.ArgumentParser();"
        f"verb.configure(parser); words = ['prepare', 'amazon2018', '--root', {str(root)!r}, '--out', {str(out)!r}];"
        "verb.run(parser.parse_args(words, argparse.Namespace(quiet=False))); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_dataset_that_makes_its_files_needs_no_root(tmp_path, capsys):
    words = ["data", "prepare", "demo", "--scale", "0.2", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert PreparedDataset.open(tmp_path / "out").counts("train")["fashion"] == 400
    assert main([*words, "--root", str(tmp_path / "raw")]) == 0
    assert (tmp_path / "raw" / "meta_Gift_Cards.json.gz").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--scale", "large"], "'large' is no number"),
        (["demo", "-o", "scale"], "KEY=VALUE"),
        (["demo", "-o", "sclae=2"], "scale"),
        (["movielens"], "--root is missing"),
        (["movielens", "--root", ".", "--scale", "2"], "--scale is for datasets made to order"),
        (["movielens", "--root", ".", "--domains", "male"], "the domains of 'movielens' come together"),
        (["table_file"], "the folder or file with the data of table_file"),
        (["movielens", "--root", ".", "--domain-by", "year"], "'new_user', 'user_group' and 'column:year'"),
    ],
)
def test_wrong_source_options_are_one_sentence(tmp_path, capsys, words, said):
    assert main(["data", "prepare", *words, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out
    assert not (tmp_path / "out").exists()


def test_an_interrupted_preparation_says_that_it_begins_anew(tmp_path, monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("ctrbench.cli.data.prepare.run", interrupted)
    assert main(["data", "prepare", "demo", "--out", str(tmp_path / "out")]) == 130
    told = "\nctrbench: interrupted; nothing was written; the same command begins anew\n"
    assert capsys.readouterr().err == told
