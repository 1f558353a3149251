"""What `ctrbench check` says of the numbers that it prints."""

from types import SimpleNamespace

import pytest

from ctrbench.bench.estimate import Estimate
from ctrbench.bench.gpus import place
from ctrbench.cli.costs import Costed, footnotes
from ctrbench.data.stand_in import open_or_stand_in


def test_of_data_that_are_not_here_it_is_said_whose_numbers_these_are_and_that_the_download_is_without_them():
    job = SimpleNamespace(data=open_or_stand_in("amazon2018"))
    (told,) = footnotes([job, job], [], None)
    assert told.startswith("amazon2018 is not here (no --dataset): users, items and rows are those of Table II")
    assert "Its files are not in `download`, which is of backbones: `ctrbench data download amazon2018` says" in told


@pytest.mark.parametrize(
    ("gpu", "precision", "told"),
    [("V100x8", "bf16", True), ("T4", "bf16", True), ("V100", "fp32", False), ("A100", "bf16", False)],
)
def test_of_a_gpu_without_bf16_it_is_said_that_runs_in_it_take_longer(gpu, precision, told):
    run = SimpleNamespace(spec=SimpleNamespace(model="theirs", train={"precision": precision}))
    said = list(footnotes([], [Costed(run, 10, Estimate(), False, ())], place(gpu)))
    assert ["the runs of theirs are in BF16" in line for line in said] == [False] + [True] * told
