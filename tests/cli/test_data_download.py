"""`ctrbench data download`, as a user meets it."""

import gzip
import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from ctrbench.cli import main
from ctrbench.cli.data.downloading import Bar, Lines, announcement
from ctrbench.data.download import Piece, Plan
from ctrbench_plugins.datasets import movielens_releases
from ctrbench_plugins.datasets.amazon2018 import Amazon2018
from ctrbench_plugins.datasets.amazon2023 import Amazon2023
from ctrbench_plugins.datasets.amazon_published import RELEASE_2018
from tests.data.remote import Answer, serving


def packed(*rows):
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    with serving() as running:
        for name in RELEASE_2018.usual:
            reviews = [dict(zip(keys, (f"U{n % 3}", f"{name}{n}", 5 - n % 5, n), strict=True)) for n in range(40)]
            products = [{"asin": f"{name}{n}", "title": f"A thing {n}", "price": "$1.00"} for n in range(40)]
            running.files[f"categoryFiles/{name}.json.gz"] = packed(*reviews)
            running.files[f"metaFiles2/meta_{name}.json.gz"] = packed(*products)
        yield running


def download(*words):
    return main(["data", "download", *map(str, words)])


def names(root):
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def test_chosen_domains_are_downloaded_and_then_prepared(server, tmp_path, capsys):
    root = tmp_path / "raw"
    words = ["--root", root, "--domains", "gift_cards,Digital_Music", "--mirror", server.url]
    assert download("amazon2018", *words) == 0
    assert names(root) == [
        *("Digital_Music.json.gz", "Gift_Cards.json.gz", "meta_Digital_Music.json.gz", "meta_Gift_Cards.json.gz")
    ]
    out = capsys.readouterr().out
    assert "to download: 4 files, " in out
    assert re.search(r"^    meta_Gift_Cards\.json\.gz +\d+ bytes$", out, flags=re.MULTILINE)
    assert main(["data", "prepare", "amazon2018", "--root", str(root), "--out", str(tmp_path / "out")]) == 0
    assert "gift_cards: " in capsys.readouterr().out


def test_terms_and_citation_stand_before_the_first_request(server, tmp_path, capsys):
    server.files.clear()
    assert download("amazon2018", "--root", tmp_path, "--mirror", server.url) == 2
    out, err = capsys.readouterr()
    assert out.startswith("terms: the publishers state no licence")
    assert "cite:  Ni, Li, McAuley" in out
    assert "from:  https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2\n" in out
    assert err.startswith(f"ctrbench: {server.url}/categoryFiles/AMAZON_FASHION.json.gz is not there (404)")
    assert err.count("\n") == 1


def test_without_domains_the_papers_five_come(server, tmp_path, capsys):
    assert download("amazon2018", "--root", tmp_path, "--mirror", server.url) == 0
    assert "to download: 10 files" in capsys.readouterr().out
    assert download("amazon2018", "--root", tmp_path, "--mirror", server.url) == 0
    assert "to download: 0 files, 0 bytes; 10 files there already" in capsys.readouterr().out
    assert len(server.fetched) == 10


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["amazon2018", "--domains", "gift_card"], "there is no category 'gift_card'. Did you mean 'Gift_Cards'?"),
        (["amazon2023", "-o", "reviews=5core"], "no 5-core reviews"),
        (["amazon2018", "-o", "review=5core"], "unknown key 'review'"),
        (["amazon2018", "--mirror", "ftp://host"], "--mirror ftp://host is no address"),
        (["movielens-100k", "--domains", "male"], "come together"),
        (["movielens"], "has no download: download a release by its name, movielens-100k or movielens-1m"),
        (["movielens-100k", "--scale", "2"], "--scale is for datasets made to order"),
        (["demo", "--mirror", "http://localhost"], "has no files to download"),
        (["movielens-200k"], "Did you mean 'movielens-100k'"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(tmp_path, capsys, words, told):
    assert download(*words, "--root", tmp_path / "new") == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_source_that_makes_its_files_makes_them(tmp_path):
    assert download("demo", "--root", tmp_path, "--scale", "0.1") == 0
    assert "Gift_Cards.json.gz" in names(tmp_path)


def movielens(release):
    """A made-up archive of the published layout."""
    ratings = [
        (user, movie, 1 + (user + movie) % 5, user * 100 + movie) for user in range(1, 13) for movie in range(1, 21)
    ]
    separator = "\t" if release == "100K" else "::"
    lines = "".join(separator.join(map(str, row)) + "\n" for row in ratings)
    if release == "100K":
        flags = "|".join(["0"] * 5 + ["1"] + ["0"] * 13)
        items = "".join(f"{n}|Movie {n} (1995)|01-Jan-1995||http://x|{flags}\n" for n in range(1, 21))
        users = "".join(f"{n}|{15 + n * 3}|M|writer|12345\n" for n in range(1, 13))
        files = {"u.data": lines, "u.item": items, "u.user": users}
    else:
        items = "".join(f"{n}::Movie {n} (1995)::Comedy\n" for n in range(1, 21))
        users = "".join(f"{n}::M::{(1, 25, 35)[n % 3]}::20::12345\n" for n in range(1, 13))
        files = {"ratings.dat": lines, "movies.dat": items, "users.dat": users}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in {**files, "README": "no redistribution", "mku.sh": "not wanted"}.items():
            archive.writestr(f"ml-{release.lower()}/{name}", text)
    return made.getvalue()


@pytest.mark.parametrize("release", ["100K", "1M"])
def test_movielens_is_downloaded_unpacked_and_prepared(server, tmp_path, monkeypatch, capsys, release):
    name, root = f"movielens-{release.lower()}", tmp_path / "ml"
    server.files[f"ml-{release.lower()}.zip"] = body = movielens(release)
    kind = getattr(movielens_releases, f"MovieLens{release}")
    assert download(name, "--root", root, "--mirror", server.url) == 2
    out, err = capsys.readouterr()
    assert "redistribution" in out
    assert "is not the published file (md5 " in err
    assert names(root) == []
    made = kind.archive.model_copy(update={"checksum": f"md5:{hashlib.md5(body).hexdigest()}"})
    monkeypatch.setattr(kind, "archive", made)
    assert download(name, "--root", root, "--mirror", server.url) == 0
    assert "README" in names(root)
    assert "mku.sh" not in names(root)
    assert main(["data", "prepare", name, "--root", str(root), "--out", str(tmp_path / "out")]) == 0
    other = "movielens-1m" if release == "100K" else "movielens-100k"
    capsys.readouterr()
    assert main(["data", "prepare", other, "--root", str(root), "--out", str(tmp_path / "no")]) == 2
    assert f"holds MovieLens-{release}: prepare it as {name}" in capsys.readouterr().err


def test_an_interrupt_keeps_what_came_and_the_same_command_goes_on(server, tmp_path):
    server.files["categoryFiles/Gift_Cards.json.gz"] = body = gzip.compress(bytes(range(256)) * 4000, 0)
    server.gets.append(Answer(pace=0.05))
    words = ["--root", str(tmp_path), "--domains", "gift_cards", "--mirror", server.url]
    running = subprocess.Popen(
        [sys.executable, "-m", "ctrbench", "data", "download", "amazon2018", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while server.sent < 300_000:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said == "\nctrbench: interrupted; the same command resumes where it stopped\n"
    assert names(tmp_path) == ["Gift_Cards.json.gz.part", "Gift_Cards.json.gz.part.about"]
    assert download("amazon2018", *words) == 0
    assert (tmp_path / "Gift_Cards.json.gz").read_bytes() == body
    assert server.fetched[1].range is not None


def test_unfinished_files_are_none_of_a_datasets(server, tmp_path, capsys):
    """A preparation does not take a `.part` for a category."""
    words = ["--root", tmp_path, "--domains", "gift_cards", "--mirror", server.url]
    assert download("amazon2018", *words) == 0
    (tmp_path / "All_Beauty.json.gz.part").write_bytes(b"")
    (tmp_path / "All_Beauty.json.gz.part.about").write_text("{}")
    assert [category.domain for category in Amazon2018().categories(tmp_path)] == ["gift_cards"]


# What is published.
def test_files_of_a_release_have_the_names_that_the_source_reads():
    wanted = Amazon2018(Amazon2018.Options(categories=("AMAZON_FASHION",), reviews="5core")).remote_files()
    assert [(file.name, file.path) for file in wanted] == [
        ("categoryFilesSmall/AMAZON_FASHION_5.json.gz", "AMAZON_FASHION_5.json.gz"),
        ("metaFiles2/meta_AMAZON_FASHION.json.gz", "meta_AMAZON_FASHION.json.gz"),
    ]
    later = Amazon2023(Amazon2023.Options(categories=("gift_cards",))).remote_files()
    assert [file.name for file in later] == [
        "raw/review_categories/Gift_Cards.jsonl.gz",
        "raw/meta_categories/meta_Gift_Cards.jsonl.gz",
    ]
    assert len(Amazon2018().remote_files()) == len(Amazon2023().remote_files()) == 10


# What is shown.
PLAN = Plan(pieces=(Piece("a.gz", "u", 3_000_000, 1_000_000), Piece("bb.gz", "u", None, 0)), present=("c.gz",))


def test_the_announcement_says_what_is_known():
    assert announcement(PLAN) == (
        "to download: 2 files, at least 3.0 MB; of which 1.0 MB are here from before; 1 file there already\n"
        "    a.gz   3.0 MB\n"
        "    bb.gz  size unknown"
    )


def test_lines_tell_rate_and_time_left_of_the_whole(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("ctrbench.cli.data.downloading.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    lines = Lines(stream)
    lines.announce(PLAN)
    clock[0] += 2.0
    lines.progress(PLAN.pieces[0], 1_500_000, 3_000_000)
    assert stream.getvalue() == "", "too early"
    clock[0] += 8.0
    lines.progress(PLAN.pieces[0], 2_000_000, 3_000_000)
    assert stream.getvalue() == "a.gz: 2.0 MB · 100.0 kB/s\n"
    clock[0] += 10.0
    lines.progress(PLAN.pieces[1], 1_000_000, 4_000_000)
    assert stream.getvalue().splitlines()[-1] == "bb.gz: 3.0 MB of 7.0 MB · 100.0 kB/s · ETA 0:40"


def test_a_terminal_has_a_bar(capsys):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    stream = Screen()
    with Bar(stream) as bar:
        bar.announce(PLAN)
        bar.progress(PLAN.pieces[0], 2_000_000, 3_000_000)
        bar.progress(PLAN.pieces[1], 500_000, 2_000_000)
        bar.tell("the server [is] busy")
        bar.bar.refresh()
        assert bar.bar.tasks[0].completed == 2_500_000
        assert bar.bar.tasks[0].total == 5_000_000
    assert "the server [is] busy" in stream.getvalue()
    assert "2.5/5.0 MB" in stream.getvalue()


def test_quiet_is_quiet(server, tmp_path, capsys):
    words = ["--root", str(tmp_path), "--domains", "gift_cards", "--mirror", server.url]
    assert main(["-q", "data", "download", "amazon2018", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "to download" not in out


def test_help_loads_no_network_library():
    program = (
        "import sys; from ctrbench.cli import main; main(['data', 'download', '--help']);"
        "sys.exit(str([name for name in ('requests', 'polars', 'torch', 'rich') if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "--mirror" in done.stdout
    assert done.stderr.strip() in ("", "0")
