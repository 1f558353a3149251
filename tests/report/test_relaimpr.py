import pytest

from ctrbench.bench.spec import TableSpec
from ctrbench.report.layouts.cells import relaimpr
from tests.fakes import D3

PAPER = {  # Table III: RelaImpr on Fashion, Musical Instruments, Gift Cards
    "pnn": (27.49, 38.19, 134.20),
    "dcn": (27.10, 35.71, 99.47),
    "deepfm": (27.30, 36.65, 139.70),
    "xdeepfm": (24.22, 35.78, 100.36),
    "dien": (26.47, 36.58, 103.26),
    "autoint": (25.96, 36.07, 130.12),
    "fibinet": (42.54, 36.79, 100.54),
    "inttower": (26.91, 36.07, 104.18),
    "shared_bottom": (29.65, 37.01, 147.63),
    "mmoe": (32.30, 38.34, 103.44),
    "ple": (36.97, 41.70, 63.35),
    "star": (34.63, 40.31, 80.84),
    "sar_net": (38.32, 45.72, 112.89),
    "dffm": (27.88, 38.42, 69.64),
}


@pytest.mark.parametrize("model", PAPER)
def test_relaimpr_of_the_published_auc_is_the_published_relaimpr(model):
    published = TableSpec.find("table3").published
    for domain, printed in zip(D3, PAPER[model], strict=True):
        computed = relaimpr(published["uni_ctr"][domain], published[model][domain])
        assert computed == pytest.approx(printed, abs=0.0051)


@pytest.mark.parametrize("row", [0.5, 0.4, None])
def test_relaimpr_over_chance_or_nothing_is_not_a_number(row):
    assert relaimpr(0.7, row) is None


@pytest.mark.parametrize("reference", [0.5, 0.4, None])
def test_relaimpr_of_a_reference_that_is_no_better_than_chance_is_none(reference):
    assert relaimpr(reference, 0.6) is None
