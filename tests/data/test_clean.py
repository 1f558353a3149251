from __future__ import annotations

import polars as pl
import pytest

from ctrbench.data.clean import clean_text, price_text, read_price, states_price, was_page_code


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Plain title", "Plain title"),
        ("  two\n\t lines ", "two lines"),
        ("Harvey&#39;s Grill &amp; Bar", "Harvey's Grill & Bar"),
        ("Tom &amp;amp; Jerry &amp;quot;12&amp;quot;", 'Tom & Jerry "12"'),
        ("R&D &copy 3 &xyzzy;", "R&D &copy 3 &xyzzy;"),
        ('<span class="a-size">Gift</span> card<br/>', "Gift card"),
        ('Gift card <span class="a-size-large', "Gift card"),
        ("5 < 6 and 7 > 3, I <3 it", "5 < 6 and 7 > 3, I <3 it"),
        ("var aPageStart = (new Date()).getTime();", None),
        ("<script>alert(1)</script>", None),
        (".a-box-inner{background-color:#fff}", None),
        ("&lt;script&gt;var x = 1&lt;/script&gt;", None),
        ("", None),
        ("   ", None),
        (None, None),
        ('["First of a list", "second"]', "First of a list"),
        ("[]", None),
        ("[Import] CD", "[Import] CD"),
        ("Été &eacute;", "Été é"),
    ],
)
def test_text_is_what_a_reader_sees(raw: str | None, text: str | None) -> None:
    assert clean_text(pl.Series("title", [raw, "other"], dtype=pl.String)).to_list() == [text, "other"]


@pytest.mark.parametrize(
    ("raw", "price", "plain"),
    [
        ("$9.99", 9.99, 9.99),
        ("9.99", 9.99, None),
        ("$5", 5.0, 5.0),
        ("$.49", 0.49, None),
        ("$1,299.00", 1299.0, None),
        ("$10.00 - $20.00", 15.0, None),
        ("$1,000.00 - $2,000.50", 1500.25, None),
        ("", None, None),
        (None, None, None),
        (".a-box-inner{width:10px}", None, None),
        ('<div class="a-section">$9.99</div>', None, None),
        ("from $10", 10.0, None),
        ("From 3.00", 3.0, None),
        ("$5.99 – $20.01", 13.0, None),
        ("—", None, None),
        ("None", None, None),
        ("fromage $3", None, None),
        ("$3 from", None, None),
    ],
)
def test_prices(raw: str | None, price: float | None, plain: float | None) -> None:
    frame = pl.DataFrame({"price": [raw]}, schema={"price": pl.String})
    assert frame.select(read_price(pl.col("price"))).item() == price
    assert frame.select(read_price(pl.col("price"), "plain")).item() == plain


def test_prompts_show_prices_like_the_papers_figure() -> None:
    frame = pl.DataFrame({"price": [9.99, 5.0, 1250.5, 0.07, None]})
    assert frame.select(price_text(pl.col("price"))).to_series().to_list() == [
        "9.99$",
        "5.00$",
        "1250.50$",
        "0.07$",
        None,
    ]


def test_what_says_no_price_states_none() -> None:
    prices = [None, "", " ", "—", "-", "None", "null", "NaN", "n/a", "$3", "3", "free", ".a{b:c}", "-3"]
    stated = pl.DataFrame({"price": prices}).filter(states_price(pl.col("price")))["price"]
    assert stated.to_list() == ["$3", "3", "free", ".a{b:c}", "-3"]


def test_page_code_is_what_cleaning_takes_all_of() -> None:
    raw = pl.Series("title", [None, "", " ", "[]", '[""]', "Title", "<br>", "&lt;script&gt;x", ".a{b:c}", "[Import]"])
    found = raw.filter(was_page_code(raw, clean_text(raw)))
    assert found.to_list() == ["<br>", "&lt;script&gt;x", ".a{b:c}"]
