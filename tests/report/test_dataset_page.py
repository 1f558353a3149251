"""The page is read as a browser reads it: by an HTML parser, and, where there is one, by a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.profile import profile
from ctrbench.data.source import Field
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import OutputError
from ctrbench.report.dataset_page import SYNTHETIC, dataset_page
from ctrbench.report.page import Cell, Table, render, write
from tests.browser import Browser
from tests.data.conftest import FrameSource, Row

EVIL = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">&amp;"
VOID = {"meta", "img", "br", "link", "input"}


class Hostile(FrameSource):
    """Titles and a field that would run, were they not escaped."""

    synthetic = True
    fields: ClassVar = (
        *FrameSource.fields,
        Field(name="price", kind="number", of="item"),
        Field(name=EVIL, kind="text", of="item"),
    )
    domain_titles: ClassVar = {"a": EVIL, "b": "'\"><b>"}

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        items = super().items(root, problems).sort("item")
        price = pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.int_range(pl.len()) * 1.25)
        return items.with_columns(price.alias("price"), pl.col("title").alias(EVIL))


ROWS: list[Row] = [
    (domain, f"u{n % 7}", f"{EVIL if n % 5 else domain}{n % 5}", 1_500_000_000 + n * 40_000, float(n % 5 + 1))
    for domain, count in (("a", 200), ("b", 40), ("lonely", 1))
    for n in range(count)
]


class Document(HTMLParser):
    """Tags with their attributes, all visible text, ids and tables, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text.append(data)
        if self.open[-1:] in (["td"], ["th"]):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.tags if attribute in attributes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("hostile")
    return prepare(Hostile(ROWS), folder, folder / "out", source_name=EVIL)


@pytest.fixture(scope="module")
def html(data: PreparedDataset) -> str:
    return render(dataset_page(data))


@pytest.fixture(scope="module")
def document(html: str) -> Document:
    return Document(html)


def test_nothing_on_the_page_runs(document: Document) -> None:
    assert not document.all("script")
    assert not document.all("img")
    assert not [name for _, attributes in document.tags for name in attributes if name.startswith("on")]


def test_what_would_run_is_shown_as_it_was_written(document: Document) -> None:
    text = "".join(document.text)
    assert f"a ({EVIL})" in text
    assert "b ('\"><b>)" in text
    assert f"Length of {EVIL}" in text
    assert not document.all("b")


def test_no_request_leaves_the_page(html: str, document: Document) -> None:
    assert all(
        value.startswith("#") for name in ("src", "href", "xlink:href", "action") for value in document.values(name)
    )
    assert not document.all("link")
    styles = " ".join([*re.findall(r"<style>(.*?)</style>", html, re.DOTALL), *document.values("style")])
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(
        meta["content"] for meta in document.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")


def test_links_lead_to_places_on_the_page(document: Document) -> None:
    ids = document.values("id")
    assert len(ids) == len(set(ids))
    assert {value.removeprefix("#") for value in document.values("href")} <= set(ids)


def test_every_chart_has_a_sentence_and_its_numbers(document: Document) -> None:
    """Length histories, frequencies, rates over time, cold start and price of two domains and the lonely one."""
    charts = document.all("svg")
    assert len(charts) >= 15
    spoken = [attributes["aria-label"] for attributes in document.all("div") if attributes.get("role") == "img"]
    assert len(charts) == len(spoken) == len(document.all("details"))
    assert all(label and len(label) > 20 for label in spoken)


def test_tables_that_may_be_wider_than_the_screen_can_be_scrolled_by_keyboard(document: Document) -> None:
    wide = [attributes for attributes in document.all("div") if attributes.get("class") == "scroll"]
    assert len(wide) == len(document.tables)
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in wide)


def test_synthetic_data_says_so(document: Document) -> None:
    assert SYNTHETIC in document.text


def table(document: Document, *head: str) -> list[list[str]]:
    return next(lines[1:] for lines in document.tables if lines[0][: len(head)] == list(head))


def test_sizes_are_those_of_the_rows(document: Document) -> None:
    sizes = {line[0]: line[1:] for line in table(document, "domain", "users")}
    for domain in ("a", "b", "lonely"):
        rows = [row for row in ROWS if row[0] == domain]
        rate = sum(row[4] > 3 for row in rows) / len(rows)
        users, items = ({row[place] for row in rows} for place in (1, 2))
        assert sizes[domain] == [str(len(users)), str(len(items)), str(len(rows)), f"{rate:.4f}"]


def test_a_charts_numbers_are_its_domains(document: Document, data: PreparedDataset) -> None:
    spread = profile(data)
    tables = [lines[1:] for lines in document.tables if lines[0][0] == f"{spread.period.name} from"]
    assert len(tables) == 3
    for domain, lines in zip(data.domains, tables, strict=True):
        periods = spread.over_time.filter(pl.col("domain") == domain)
        assert [line[0] for line in lines] == periods["start"].dt.strftime("%Y-%m-%d").to_list()
        assert [int(line[1]) for line in lines] == periods["rows"].to_list()
        rates = [rate for rate in periods["label_rate"] if rate is not None]
        assert [float(line[2]) for line in lines if line[2]] == pytest.approx(rates, abs=1e-4)


def test_overlap_of_users_is_a_shaded_table(document: Document) -> None:
    lines = table(document, "domain", "a", "b", "lonely")
    assert lines == [
        ["a", "1.0000", "1.0000", "0.1429"],
        ["b", "1.0000", "1.0000", "0.1429"],
        ["lonely", "1.0000", "1.0000", "1.0000"],
    ]
    assert "--share:0.143" in document.values("style")


def test_of_many_domains_the_largest_are_drawn_and_all_are_in_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctrbench.report.dataset_page.MOST_DRAWN", 2)
    sizes = {"small": 10, "large": 30, "tiny": 2, "middle": 20}
    rows: list[Row] = [
        (domain, f"u{n}", f"i{n}", n * 1000, float(n % 2 * 4 + 1))
        for domain, size in sizes.items()
        for n in range(size)
    ]
    page = dataset_page(prepare(FrameSource(rows), tmp_path, tmp_path / "out", source_name="many"))
    over_time = next(section for section in page.sections if section.title == "Label rate over time")
    assert [figure.title for figure in over_time.figures] == ["large", "middle"]
    assert page.sections[0].text == "Charts show the 2 domains with the most rows; the tables between them hold all."
    assert {row[0] for row in page.sections[0].tables[0].rows} == {*sizes, "all"}


def test_one_domain_one_moment_and_one_item_are_drawn(tmp_path: Path) -> None:
    rows: list[Row] = [("a", f"u{n}", "i", 1_500_000_000, 5.0 * (n > 0)) for n in range(3)]
    found = render(dataset_page(prepare(Hostile(rows), tmp_path, tmp_path / "out", source_name="small")))
    assert "NaN" not in found
    assert "No domain shares users with another" in found
    assert len(Document(found).all("svg")) == 5  # the price is missing


def test_a_page_replaces_a_page_and_nothing_else(data: PreparedDataset, tmp_path: Path) -> None:
    page, file = dataset_page(data), tmp_path / "new" / "page.html"
    write(page, file)
    first = file.read_bytes()
    write(page, file)
    assert file.read_bytes() == first
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]
    other = tmp_path / "thesis.html"
    other.write_text("<html>mine</html>")
    for place in (other, tmp_path):
        with pytest.raises(OutputError, match=r"is no page that ctrbench wrote: choose another file$"):
            write(page, place)
    assert other.read_text() == "<html>mine</html>"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2345, None], ["1", "2,345", ""]),
        ([0.5, 1.0], ["0.5000", "1.0000"]),
        ([1998.0, 1922.0], ["1998", "1922"]),
        ([25.0, 12.345], ["25.00", "12.35"]),
        ([1e-7, 3e-5], ["1e-07", "3e-05"]),
        ([3_000_000.0, 5.5], ["3,000,000", "6"]),
    ],
)
def test_a_columns_numbers_line_up(values: list[Cell], texts: list[str]) -> None:
    lines = Table("", ["x"], [[value] for value in values]).lines
    assert [text for ((text, _),) in lines] == texts


def luminance(colour: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_both_themes_are_readable(html: str, theme: int) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", html, re.DOTALL)[theme]))
    for paper in ("paper", "raised"):
        for text in ("ink", "muted", "link"):
            assert contrast(colours[text], colours[paper]) >= 4.5
        for series in ("series-1", "series-2", "series-3"):
            assert contrast(colours[series], colours[paper]) >= 3
    assert contrast(colours["ink"], colours["warning"]) >= 4.5


def test_charts_take_their_colours_from_the_page(html: str) -> None:
    """Whatever is not painted by a variable or the text's colour would vanish in one of the themes."""
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    painted = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn))
    assert painted <= {"none", "transparent", "currentColor", "var(--raised)", "var(--series-1)", "var(--series-2)"}


def test_in_a_browser_it_complains_about_nothing_and_runs_nothing(html: str, tmp_path: Path, browser: Browser) -> None:
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    with browser.look(page) as seen:
        assert seen.console == []
        assert seen.page.title() != "ran"
        assert seen.document.count("<svg") == html.count("<svg")


def test_the_browser_would_complain_of_a_request_or_a_script(html: str, tmp_path: Path, browser: Browser) -> None:
    """The control of the test above: the page's policy blocks both, and the console tells."""
    page = tmp_path / "page.html"
    added = "<script>document.title='ran'</script><img src='http://127.0.0.1:9/x.png'>"
    page.write_text(html.replace("</main>", f"{added}</main>"), encoding="utf-8")
    with browser.look(page) as seen:
        assert len(seen.console) >= 2
        assert seen.page.title() != "ran"
