"""The site as people use it: in a real browser, from disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrbench.report.site.content import Shown, Site
from ctrbench.report.site.write import write
from tests.browser import Browser, Seen
from tests.fakes import findings, register_models
from tests.report.sites import done, evil_data, evil_plan, evil_site

MAIN, OVERVIEW = "tables/a_main.html", "index.html"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        register_models(patch)
        made = evil_site()
    out = tmp_path_factory.mktemp("report") / "site"
    write(made, out)
    return out


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def names(seen: Seen, table: int = 0) -> list[str]:
    """The rows that are to be seen, from top to bottom; the hostile title by its first letters."""
    rows = seen.page.locator("table.sortable").nth(table).locator("tbody tr:visible th")
    return [text[:8] for text in rows.all_inner_texts()]


def head(seen: Seen, index: int):  # type: ignore[no-untyped-def]
    """The button above a column of the first table, and its cell."""
    cell = seen.page.locator("table.sortable").first.locator("thead tr:last-child th").nth(index)
    return cell.locator("button"), cell


def test_a_click_sorts_the_best_first_then_the_worst_then_as_it_was(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN) as seen:
        before = names(seen)
        button, cell = head(seen, 1)
        assert cell.get_attribute("aria-sort") is None
        button.click()
        assert names(seen) == ["language", "single", "multi", "</script", "oracle"]
        assert cell.get_attribute("aria-sort") == "descending"
        button.click()
        assert names(seen) == ["</script", "multi", "single", "language", "oracle"]
        assert cell.get_attribute("aria-sort") == "ascending"
        button.click()
        assert names(seen) == before
        assert cell.get_attribute("aria-sort") is None


def test_another_column_takes_over(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN) as seen:
        head(seen, 1)[0].click()
        head(seen, 0)[0].click()
        assert names(seen) == ["</script", "language", "multi", "single", "oracle"]
        assert seen.page.locator("[aria-sort]").count() == 1


def test_cells_without_a_number_are_last_in_both_directions(site: Path, browser: Browser) -> None:
    """Numbers are compared as numbers: 1,000 parameters and 3,000 (of three runs) beside missing ones."""
    with browser.look(site / OVERVIEW) as seen:
        missing = seen.page.locator("table.sortable tbody tr", has_text="missing").count()
        failed = seen.page.locator("table.sortable tbody tr", has_text="failed").count()
        button, _ = head(seen, 4)
        for _ in range(2):
            button.click()
            cells = seen.page.locator("table.sortable tbody tr td:nth-child(5)").all_inner_texts()
            assert cells[-missing - failed :] == ["-"] * (missing + failed)
            assert "-" not in cells[: -missing - failed]


def test_the_keyboard_is_enough_to_sort_and_to_filter(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN) as seen:
        for _ in range(40):
            seen.page.keyboard.press("Tab")
            if seen.page.evaluate("document.activeElement.closest('th')?.cellIndex === 1"):
                break
        seen.page.keyboard.press("Enter")
        assert names(seen)[0] == "language"
        seen.page.keyboard.press("Space")
        assert names(seen)[0] == "</script"
        assert seen.page.evaluate("document.activeElement.tagName") == "BUTTON"
        seen.page.keyboard.press("Shift+Tab")
        seen.page.keyboard.press("Shift+Tab")
        seen.page.keyboard.press("Shift+Tab")
        assert seen.page.evaluate("document.activeElement.type") == "search"
        seen.page.keyboard.type("lang")
        assert names(seen) == ["language"]


def test_the_filter_takes_words_and_tells_how_many_rows_are_left(site: Path, browser: Browser) -> None:
    with browser.look(site / OVERVIEW) as seen:
        rows = len(names(seen))
        box, told = seen.page.get_by_label("Filter rows"), seen.page.locator("output")
        box.fill("SINGLE gift")
        assert names(seen) == ["single", "single"]
        assert told.inner_text() == f"2 of {rows} rows"
        box.fill("nothing like it")
        assert names(seen) == []
        box.fill("")
        assert len(names(seen)) == rows
        assert told.inner_text() == ""


def test_no_text_runs_nothing_is_asked_for_and_nothing_is_complained_about(site: Path, browser: Browser) -> None:
    """On every page, charts included, and with every chart pointed at."""
    with browser.look(site / OVERVIEW) as seen:
        for page in pages(site):
            seen.open(page)
            for mark in seen.page.locator(".chart .mark-symbol path").all()[:2]:
                mark.hover(force=True)
            assert seen.page.locator("img, b, script:not([src]):not([type='application/json'])").count() == 0, page
            assert not seen.page.title().startswith("ran"), page
        assert seen.console == [], "\n".join(seen.console)
        assert {address for address in seen.requests if not address.startswith(f"{site.as_uri()}/")} == set()
        assert f"{site.as_uri()}/assets/vega.js" in seen.requests


def test_the_browser_would_tell_of_a_request_or_a_script(site: Path, browser: Browser, tmp_path: Path) -> None:
    """The control of the test above: the pages' policy blocks both, and the console tells."""
    page = tmp_path / "page.html"
    added = "<script>document.title='ran'</script><img src='http://127.0.0.1:9/x.png'><script>eval('1')</script>"
    text = (site / OVERVIEW).read_text("utf-8").replace('"assets/', f'"{site.as_uri()}/assets/')
    page.write_text(text.replace("</main>", f"{added}</main>"), encoding="utf-8")
    with browser.look(page) as seen:
        assert len([line for line in seen.console if "Content Security Policy" in line]) >= 3
        assert seen.page.title() != "ran"


def test_pointing_at_a_chart_tells_its_numbers_as_text(site: Path, browser: Browser) -> None:
    run = next(page for page in pages(site) if page.parent.name == "runs" and "<figure" in page.read_text("utf-8"))
    with browser.look(run) as seen:
        seen.page.locator(".chart .mark-symbol path").first.hover(force=True)
        tip = seen.page.locator("#vg-tooltip-element")
        tip.wait_for(state="visible")
        assert "validation AUC" in tip.inner_text()
        assert "0.5000" in tip.inner_text()


def test_without_scripts_every_number_can_be_read(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN, java_script_enabled=False) as seen:
        assert seen.page.get_by_text("0.7050").first.is_visible()
        assert seen.page.locator(".chart svg").first.is_visible()
        assert seen.page.locator("button, input").count() == 0
        link = seen.page.locator("table a", has_text="language").nth(1)
        link.click()
        assert "seed 0" in seen.page.locator("h1").inner_text()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_the_window(site: Path, browser: Browser, width: int) -> None:
    with browser.look(site / OVERVIEW, viewport={"width": width, "height": 740}) as seen:
        for page in pages(site):
            seen.open(page)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, page
            assert seen.page.locator("h1").bounding_box()["width"] <= width


def test_a_wide_table_scrolls_by_itself_and_keeps_its_names_in_sight(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN, viewport=PHONE) as seen:
        place = seen.page.locator(".scroll").first
        assert place.evaluate("it => it.scrollWidth > it.clientWidth")
        place.evaluate("it => it.scrollLeft = 200")
        name = seen.page.locator("tbody th", has_text="language").first
        assert name.bounding_box()["x"] == place.bounding_box()["x"]


def test_the_right_edge_is_shaded_while_more_of_a_table_lies_beyond_it(site: Path, browser: Browser) -> None:
    """Above the titles of groups, where nothing else is drawn."""
    with browser.look(site / MAIN, viewport=PHONE) as seen:
        place = seen.page.locator(".scroll").first
        place.scroll_into_view_if_needed()
        box = place.bounding_box()

        def strip(x: float) -> bytes:
            return bytes(seen.page.screenshot(clip={"x": x, "y": box["y"] + 1, "width": 3, "height": 2}))

        edge = box["x"] + box["width"] - 4
        plain = strip(box["x"] + 20)
        assert strip(edge) != plain
        place.evaluate("it => it.scrollLeft = it.scrollWidth")
        assert strip(edge) == plain


def test_no_word_of_a_name_breaks_while_there_is_room_to_scroll(browser: Browser, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        register_models(patch)
        odd = {"model": "multi", "title": "shared_bottom", "config": {"dim": 9}}
        plan = evil_plan(variants={"odd": odd})
        write(Site([Shown.of(findings(plan, [done(run) for run in plan.runs], evil_data()))]), tmp_path / "site")
    count = """all => all.filter(it => it.children.length === 0 && !/[\\s-]/.test(it.textContent)).map(it => {
        const range = document.createRange();
        range.selectNodeContents(it);
        return [it.textContent, new Set([...range.getClientRects()].map(one => one.top)).size];
    })"""
    for page in (OVERVIEW, MAIN):
        with browser.look(tmp_path / "site" / page, viewport=PHONE) as seen:
            lines = dict(seen.page.locator(".scroll :is(th a, td strong, .card td)").evaluate_all(count))
            assert {"shared_bottom", "language"} <= {*lines}, page
            assert {name: lines for name, lines in lines.items() if lines > 1} == {}, page


def luminance(colour: str) -> float:
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_dark_and_light_follow_the_reader_charts_too(site: Path, browser: Browser) -> None:
    found = {}
    for scheme in ("light", "dark"):
        with browser.look(site / MAIN, color_scheme=scheme) as seen:
            style = "it => [getComputedStyle(document.body).backgroundColor, getComputedStyle(it).fill]"
            found[scheme] = seen.page.locator(".chart .role-axis-label text").first.evaluate(style)
    for scheme, (paper, ink) in found.items():
        assert (luminance(paper) > luminance(ink)) == (scheme == "light")
        assert abs(luminance(paper) - luminance(ink)) > 120


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_arrows_that_sort_can_be_seen(site: Path, browser: Browser, scheme: str) -> None:
    with browser.look(site / MAIN, color_scheme=scheme) as seen:
        style = "it => { const of = getComputedStyle(it, '::after'); return [of.color, of.opacity]; }"
        colour, opacity = head(seen, 1)[0].evaluate(style)
        paper = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert abs(luminance(paper) - luminance(colour)) * float(opacity) > 120


def test_on_paper_there_is_nothing_to_press(site: Path, browser: Browser) -> None:
    with browser.look(site / MAIN) as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("nav").is_visible()
        assert not seen.page.get_by_label("Filter rows").first.is_visible()
        assert seen.page.locator(".scroll").first.evaluate("it => getComputedStyle(it).overflow") == "visible"
        assert seen.page.locator("table.sortable").first.is_visible()
