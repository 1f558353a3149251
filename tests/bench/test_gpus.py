import pytest

from ctrbench.bench.gpus import GPUS, STEP_SECONDS, UTILISATION, place
from ctrbench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [("V100", "V100", 1), ("v100x8", "V100", 8), ("rtx 4090", "RTX-4090", 1), ("RTX-4090 x 2", "RTX-4090", 2)],
)
def test_a_gpu_is_found_by_name_and_number(text, name, count):
    found = place(text)
    assert (found.gpu.name, found.count) == (name, count)


@pytest.mark.parametrize(
    ("text", "said"), [("V10", "Did you mean 'V100'"), ("TPU", "Known: A100"), ("V100x0", "no GPU")]
)
def test_another_name_is_a_sentence(text, said):
    with pytest.raises(ConfigError, match=said):
        place(text)


def test_time_is_work_over_speed_and_what_every_step_takes():
    v100 = place("V100x8")
    assert v100.gpu_seconds(125e12 * UTILISATION * 60, 1000, half=True) == pytest.approx(60 + 1000 * STEP_SECONDS)
    assert v100.gpu_seconds(1e15, 0, half=False) > v100.gpu_seconds(1e15, 0, half=True)


def test_half_precision_is_never_slower():
    assert all(gpu.half >= gpu.single for gpu in GPUS.values())
