"""The site as files: what there is, where links lead, what is replaced. In a browser: `test_site_browser`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath

import pytest

from ctrbench.errors import ConfigError, OutputError
from ctrbench.report import tables
from ctrbench.report.entries import as_json
from ctrbench.report.figures import FIGURES, Figure
from ctrbench.report.grid import Cell, Column, Row, Table, rank
from ctrbench.report.site.asked import Asked
from ctrbench.report.site.content import Shown, Site
from ctrbench.report.site.drawn import learning_curve
from ctrbench.report.site.overview import Leader, about, facts, leaders, leading, marks
from ctrbench.report.site.runs import cost
from ctrbench.report.site.write import MANIFEST, check_place, write
from tests.fakes import findings, make_plan, register_models, table as table_spec
from tests.report.sites import EVIL, done, evil_data, evil_plan, evil_site


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    register_models(monkeypatch)


@pytest.fixture(scope="module")
def site() -> Site:
    with pytest.MonkeyPatch.context() as patch:
        register_models(patch)
        return evil_site()


@pytest.fixture(scope="module")
def written(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "site"
    write(site, out)
    return out


class Links(HTMLParser):
    """Where a page leads, what it names, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.to += [value for key in ("href", "src") if (value := found.get(key))]
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(out: Path) -> dict[str, Links]:
    return {page.relative_to(out).as_posix(): Links(page.read_text("utf-8")) for page in out.rglob("*.html")}


def test_every_link_leads_somewhere_on_the_site(written: Path) -> None:
    pages = read(written)
    for name, page in pages.items():
        for link in page.to:
            file, _, anchor = link.partition("#")
            target = normpath(join(dirname(name), file)) if file else name
            assert (written / target).is_file(), (name, link)
            assert not anchor or anchor in pages[target].ids, (name, link)


def test_tables_stand_as_in_a_paper_whatever_order_they_are_given_in(tmp_path: Path) -> None:
    """And a run is named by the first that is given: the order of a list changes no page of a run."""
    given = ["latency", "fig10", "table11", "figure7", "fig3", "my-own", "table-5", "table2"]
    shown = []
    for name in given:
        plan = evil_plan("main")
        plan.table._file = plan.table._file.with_name(f"{name}.toml")
        shown.append(Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data())))
    site = Site(shown)
    write(site, tmp_path / "site")
    wanted = ["table2", "table-5", "table11", "fig3", "figure7", "fig10", "latency", "my-own"]
    page = read(tmp_path / "site")["index.html"]
    links = [link.removeprefix("tables/").removesuffix(".html") for link in page.to if link.startswith("tables/")]
    assert links[: len(wanted)] == wanted  # above every page
    cards = re.findall(r'<h3><a href="tables/(.*?)\.html">', (tmp_path / "site/index.html").read_text("utf-8"))
    assert cards == wanted
    assert [table.name for table in site.runs[0].tables] == wanted
    assert site.runs[0].uses[0].shown.name == given[0]


def test_no_name_is_given_twice_on_a_page(written: Path) -> None:
    for name, page in read(written).items():
        assert len(set(page.ids)) == len(page.ids), name


def test_rows_lead_to_their_runs_where_runs_of_a_row_lie_apart_and_where_rows_share_one(tmp_path: Path) -> None:
    """Abilities list a row's joint runs before the single ones; `twin` is `multi` by another name."""
    variants = {"twin": {"model": "multi", "title": "The twin"}}
    plans = evil_plan("main", models=["twin", "single", "multi"], variants=variants), evil_plan("abilities")
    shown = [Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data())) for plan in plans]
    write(Site(shown), tmp_path / "site")
    pages = read(tmp_path / "site")
    main, abilities = pages["tables/a_main.html"], pages["tables/a_abilities.html"]
    assert {"#runs-of-twin", "#runs-of-multi"} <= set(main.to)
    for page in (main, abilities):
        assert {link[1:] for link in page.to if link.startswith("#runs-of-")} <= set(page.ids)
        assert len(set(page.ids)) == len(page.ids)
    assert "The twin, multi" in main.text
    assert "The twin" not in abilities.text


def test_there_is_a_page_for_each_table_and_for_each_run_with_a_record(site: Site, written: Path) -> None:
    assert {path.stem for path in written.glob("tables/*.html")} == {"a_main", "a_zero_shot"}
    recorded = {run.id for run in site.runs if run.record is not None}
    assert {path.stem for path in written.glob("runs/*.html")} == recorded
    assert len(recorded) == len(site.runs) - 1


def test_texts_stay_texts(written: Path) -> None:
    """Every page has the tags that its templates and drawings have, and no other."""
    for name, page in read(written).items():
        assert "img" not in page.tags, name
        assert "b" not in page.tags, name
        assert EVIL not in (written / name).read_text("utf-8"), name
    overview = (written / "index.html").read_text("utf-8")
    assert "&lt;/script&gt;&lt;script&gt;" in overview
    assert "{{7*7}}" in overview


def test_a_charts_data_cannot_end_its_block(written: Path) -> None:
    text = (written / "tables/a_main.html").read_text("utf-8")
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert blocks
    assert any(EVIL in json.dumps(json.loads(block), ensure_ascii=False).replace('\\"', '"') for block in blocks)


def test_every_page_forbids_what_is_not_its_own(written: Path) -> None:
    for path in written.rglob("*.html"):
        policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', path.read_text("utf-8"))
        assert policy == [
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
            "form-action 'none'"
        ]


def test_the_downloads_hold_the_table(site: Site, written: Path) -> None:
    table = site.tables[0].table
    assert table is not None
    assert (written / "tables/a_main.json").read_text("utf-8") == as_json(table)
    assert (written / "tables/a_main.csv").read_text("utf-8").startswith("model,domain,")


def test_the_overview_says_what_the_data_is_who_leads_and_what_is_lacking(site: Site, written: Path) -> None:
    text = Links((written / "index.html").read_text("utf-8")).text
    assert "Synthetic data: these numbers say nothing about real accuracy." in text
    assert "10 done, 1 failed, 1 missing" in text
    assert "cpu, 2 CPU cores" in text
    assert "2026-01-02 03:04 to 2026-01-02 04:00 (UTC)" in text
    assert f"table9: {EVIL}" in text
    assert "ctrbench run a_zero_shot --models multi --seeds 1, --limit 5 --target all_beauty\n" in text
    first = leaders(site.tables[0].table)[0]  # type: ignore[arg-type]
    assert (first.best, first.value, first.second, first.second_value) == ("language", "0.7050", "single", "0.6150")


def test_a_leaders_mark_is_explained_where_it_stands() -> None:
    said = ["≈: the row cannot be told from it.", "*: it is above the best other row.", "Data: some."]
    table = Table("t", "T", {}, [], [], [], said, [])
    assert marks(table, [Leader("AUC", "a", "0.7", "b", "0.6≈")]) == said[:1]
    assert marks(table, [Leader("AUC", "a", "0.7*"), Leader("AUC", "a", "0.7", "b", "0.6≈")]) == said[:2]
    assert marks(table, [Leader("AUC", "a", "0.7")]) == []


def test_claims_say_whose_they_are_and_that_significance_is_not_asked_for(tmp_path: Path) -> None:
    claim = {"text": "So it is.", "stated": "table", "kind": "above", "rows": ["language"], "than": ["others"]}
    plan = make_plan(spec=table_spec(claims=[claim]))
    shown = Shown.of(findings(plan, [done(run) for run in plan.runs]))
    write(Site([shown]), tmp_path / "site")
    text = " ".join(Links((tmp_path / f"site/tables/{shown.name}.html").read_text("utf-8")).text.split())
    assert "be their differences significant or not" in text
    assert "So it is. (read off the paper's table)" in text
    assert "on this data: holds 1." in Links((tmp_path / "site/index.html").read_text("utf-8")).text


def test_real_data_has_no_warning(tmp_path: Path) -> None:
    plan = evil_plan()
    real = plan.dataset.model_copy(update={"synthetic": False})
    vars(plan)["dataset"] = real
    write(Site([Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data()))]), tmp_path / "site")
    text = (tmp_path / "site/index.html").read_text("utf-8")
    assert "Synthetic" not in text
    assert "Nothing: every run of these tables is done." in text


def test_a_runs_page_tells_its_settings_provenance_numbers_and_curve(site: Site, written: Path) -> None:
    run = next(run for run in site.runs if run.spec.model == "language")
    text = Links((written / f"runs/{run.id}.html").read_text("utf-8")).text
    for piece in ("dropout", "a:B", "0.7000", "hash of fashion", "Learning curve", EVIL, run.id):
        assert piece in text, piece
    assert "ctrbench run a_zero_shot --models language --seeds 0, --limit 5 --target all_beauty" in text


def test_epochs_are_counted_from_one_as_in_the_tables_learning_curves(site: Site) -> None:
    record = next(run.record for run in site.runs if run.spec.model == "language")
    assert record is not None
    record = record.model_copy(update={"cost": record.cost.model_copy(update={"best_epoch": 1})})
    curve = learning_curve(record)
    assert curve is not None
    assert [row[0] for row in curve.numbers.rows] == [1, 2, 3]
    assert "the weights of epoch 2 were kept" in curve.text
    shown = [line["epoch"] for lines in curve.spec["datasets"].values() for line in lines]
    assert (min(shown), max(shown)) == (1, 3)
    assert ("best epoch (from 1)", "2") in cost(record).rows


def test_the_axis_of_a_learning_curve_names_each_epoch_once(site: Site) -> None:
    """The mark at the kept epoch takes the curve's axis: one of its own would begin at 0, with ticks in between."""
    record = next(run.record for run in site.runs if run.spec.model == "language")
    assert record is not None
    for best in (0, 1, None):
        curve = learning_curve(record.model_copy(update={"cost": record.cost.model_copy(update={"best_epoch": best})}))
        assert curve is not None
        labels = re.findall(r"<text[^>]*>(\d+)</text>", curve.svg)
        assert labels == ["1", "2", "3"] * 2


def test_a_row_that_is_a_part_of_a_model_leads_to_its_runs(tmp_path: Path) -> None:
    plan = evil_plan("map")
    shown = Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data()))
    assert shown.table is not None
    parts = [replace(row, name=f"{row.name}, a part") for row in shown.table.rows]
    write(Site([replace(shown, table=replace(shown.table, rows=parts))]), tmp_path / "site")
    page = read(tmp_path / "site")["tables/a_map.html"]
    assert {"#runs-of-multi", "#runs-of-language"} <= set(page.to)


def test_leaders_say_where_the_lowest_is_the_best() -> None:
    columns = [Column("AUC", "fashion", ranked=True), Column("p50 ms", ranked=True, lower_is_better=True)]
    rows = [Row("a", [Cell("0.7", 0.7), Cell("9", 9.0)]), Row("b", [Cell("0.6", 0.6), Cell("5", 5.0)])]
    rank(columns, rows)
    found = leaders(Table("t", "T", {}, columns, rows, [], [], []))
    assert [(one.column, one.best) for one in found] == [("fashion AUC", "a"), ("p50 ms (lowest)", "b")]


def test_a_card_ranks_only_what_is_whole_and_alike(site: Site) -> None:
    main, zero_shot = site.tables
    assert leading(main) == []  # a run is missing
    plan = evil_plan()
    whole = Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data()))
    assert [one.best for one in leading(whole)] == ["language"] * 3
    plan = evil_plan("zero_shot")
    assert leading(Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data()))) == []
    assert about(main).endswith("12 runs: 10 done, 1 failed, 1 missing.")
    assert about(zero_shot).startswith("What models reach on a domain that none of them was trained on")


def test_a_failed_run_has_a_page_with_its_error_and_no_curve(site: Site, written: Path) -> None:
    run = next(run for run in site.runs if run.status == "failed")
    page = Links((written / f"runs/{run.id}.html").read_text("utf-8"))
    assert f"This run failed: {EVIL}" in page.text
    assert "figure" not in page.tags


def test_a_table_that_cannot_be_made_hides_neither_its_runs_nor_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(found: object) -> None:
        raise ConfigError(f"no such thing: {EVIL}")

    monkeypatch.setitem(tables.LAYOUTS, "main", fail)
    site = evil_site()
    write(site, tmp_path / "site")
    page = Links((tmp_path / "site/tables/a_main.html").read_text("utf-8"))
    assert f"This table cannot be shown: no such thing: {EVIL}" in page.text
    assert "language" in page.text
    assert not (tmp_path / "site/tables/a_main.csv").exists()
    assert (tmp_path / "site/tables/a_zero_shot.csv").exists()


def test_a_figure_that_cannot_be_drawn_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(found: object) -> None:
        raise ZeroDivisionError(EVIL)

    monkeypatch.setitem(FIGURES, "cost", Figure(("main",), "Cost", fail))  # type: ignore[arg-type]
    write(evil_site(), tmp_path / "site")
    page = Links((tmp_path / "site/tables/a_main.html").read_text("utf-8"))
    assert f"Cost cannot be drawn: ZeroDivisionError: {EVIL}" in page.text
    assert "figure-learning-curves" in page.ids


def test_machines_that_differ_are_all_named(site: Site) -> None:
    plan = evil_plan()
    records = [done(run) for run in plan.runs]
    records[0].provenance = {**records[0].provenance, "device": "Some GPU"}
    told = dict(facts(Site([Shown.of(findings(plan, records, evil_data()))])))
    assert told["Machine"] == "Some GPU, 2 CPU cores, unknown system; cpu, 2 CPU cores, unknown system"


def test_two_tables_of_one_name_are_refused() -> None:
    shown = evil_site().tables[0]
    with pytest.raises(ConfigError, match="two of the tables are named 'a_main'"):
        Site([shown, shown])


def test_a_command_has_the_settings_of_its_own_row_only() -> None:
    asked = Asked(("--limit", "5"), ("a b",), ("odd.train.epochs=3", "multi.config.dim=4", "single.train.lr=1"))
    found = asked.command(["t"], ["odd"], {"multi"}, 1, beyond=True)
    assert found == (
        "ctrbench run t --models odd --seeds 1, --limit 5 --target 'a b'"
        " --set odd.train.epochs=3 --set multi.config.dim=4"
    )


# Where a site is written.


@pytest.fixture
def small() -> Site:
    return Site([])


def test_a_site_replaces_one_of_ours_and_leaves_nothing_of_it(small: Site, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write(evil_site(), out)
    write(small, out)
    assert not (out / "runs").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_an_empty_folder_is_filled(small: Site, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    write(small, tmp_path / "site")
    assert (tmp_path / "site/index.html").is_file()


@pytest.mark.parametrize("foreign", ["notes.txt", "runs/mine.html", "assets/deep/er.css"])
def test_a_site_with_something_of_the_readers_own_in_it_is_refused(small: Site, tmp_path: Path, foreign: str) -> None:
    out = tmp_path / "site"
    write(small, out)
    (out / foreign).parent.mkdir(parents=True, exist_ok=True)
    (out / foreign).write_text("precious")
    with pytest.raises(OutputError, match=f"{foreign} is no part of a site that ctrbench wrote"):
        write(small, out)
    assert (out / foreign).read_text() == "precious"


def test_a_folder_or_a_file_of_somebody_else_is_refused(small: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/index.html").write_text("precious")
    (tmp_path / "folder" / MANIFEST).write_text('{"files": ["index.html"]}')
    for name in ("file", "folder"):
        with pytest.raises(OutputError, match="choose another folder with --out"):
            check_place(tmp_path / name)


def test_a_site_that_cannot_be_written_whole_leaves_the_old_one(
    small: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    write(evil_site(), out)
    before = sorted(path.name for path in out.rglob("*"))

    def full(self: Path, *args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(small, out)
    assert sorted(path.name for path in out.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_the_scripts_are_there_once_and_the_site_is_small(written: Path) -> None:
    scripts = list(written.rglob("*.js"))
    assert sorted(path.name for path in scripts) == ["site.js", "vega.js"]
    assert sum(path.stat().st_size for path in written.rglob("*")) < 3_000_000
