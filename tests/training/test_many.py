"""Several processes (two, on CPUs) train what one trains, fail together, and stop together."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.many import run
from tests.training.many_cases import CASES, COUPLED

pytestmark = pytest.mark.slow
EACH = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The folders that one process alone, and two together, left; all cases in one go, for starting takes seconds."""
    folder = tmp_path_factory.mktemp("many")
    for name, count in (("one", 1), ("two", 2)):
        for code, _, errors in run(count, "-W", "ignore", "-m", "tests.training.many_cases", str(folder / name)):
            assert code == 0, errors
    return folder / "one" / "0", folder / "two" / "0", folder / "two" / "1"


def told(place, name):
    return json.loads((place / f"{name}.json").read_text())


@EACH
def test_the_losses_of_all_steps_are_those_of_one_process(places, case):
    one, *two = (told(place, case) for place in places)
    for facts in two:
        assert facts["losses"] == pytest.approx(one["losses"], abs=1e-4)
        assert facts["rows"] == one["rows"] == 110
        assert [epoch[0] for epoch in facts["course"]] == pytest.approx([epoch[0] for epoch in one["course"]], abs=1e-4)


@EACH
def test_the_weights_and_scores_are_those_of_one_process(places, case):
    one, *two = (load_file(place / f"{case}.safetensors") for place in places)
    for tensors in two:
        for name, tensor in one.items():
            torch.testing.assert_close(tensors[name], tensor, atol=1e-4, rtol=1e-4, msg=name)
    assert all(torch.equal(two[0][name], two[1][name]) for name in one)


@EACH
def test_every_row_is_scored_once_and_comes_back_in_its_place(places, case):
    ids = [told(place, case)["ids"] for place in places]
    assert ids[0] == ids[1] == ids[2] == list(range(1000, 1031))


@pytest.mark.parametrize("case", ["deepfm", "deepfm_dense", "mmoe"])
def test_the_auc_is_that_of_one_process(places, case):
    one, *two = (told(place, case)["auc"] for place in places)
    assert two == [one, one]


@pytest.mark.parametrize(("case", "part"), [("uni_ctr", "domain_games"), ("mmoe", "domain_games")])
def test_a_domain_without_rows_is_untouched_though_another_has_few(places, case, part):
    """AdamW would decay weights that had a gradient of zero instead of none."""
    for place in places:
        unmoved = told(place, case)["unmoved"]
        assert [name for name in unmoved if part in name]
        assert not [name for name in unmoved if "domain_tools" in name or "domain_books" in name]


@pytest.mark.parametrize("name", COUPLED)
def test_processes_that_see_other_statistics_keep_the_same_weights(places, name):
    _, *two = (load_file(place / f"{name}.safetensors") for place in places)
    assert all(torch.equal(two[0][key], two[1][key]) for key in two[0])
    assert not [key for key in told(places[1], name) if "domain_books.mean" in key or "domain_books.batches" in key]


def test_stopped_on_one_process_all_stop_at_the_same_step_and_resume_bitwise(places):
    _, *two = places
    assert [told(place, "stopped") for place in two] == [told(two[0], "stopped")] * 2
    for place in two:
        whole, resumed = load_file(place / "whole.safetensors"), load_file(place / "resumed.safetensors")
        assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_a_checkpoint_holds_the_random_state_of_every_process(places):
    with safe_open(places[1].parent / "kept.safetensors", framework="pt") as file:
        streams = [file.get_tensor(name) for name in ("random/cpu", "random1/cpu")]
    assert not torch.equal(*streams)


@pytest.mark.parametrize(
    ("way", "kind", "words"),
    [
        ("error", "CtrbenchError", "process 1 failed: ZeroDivisionError: division by zero"),
        ("memory", "ConfigError", "process 1 failed: out of memory on 4 rows x 24 tokens; lower train.batch_size or"),
        ("nan", "NotFinite", "process 1 failed: the loss became nan in epoch 1, step 3 of 7"),
        ("inf", "NotFinite", "process 1 failed: the loss became inf in epoch 1, step 3 of 7"),
    ],
)
def test_what_fails_on_one_process_fails_on_all_at_the_same_step(places, way, kind, words):
    _, first, second = places
    name, text, elsewhere = told(first, f"fail_{way}")
    assert (name, elsewhere) == (kind, True)
    assert text.startswith(words)
    own = told(second, f"fail_{way}")
    assert own[2] is False
    assert own[1] in f"ZeroDivisionError: {text}" or own[1] in text
    assert [told(place, f"steps_{way}") for place in (first, second)] == [3, 3]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("move", "out of memory on 4 rows; lower train.batch_size"),
        ("batch", "out of memory while a batch was made; lower train.batch_size"),
        ("score_batch", "out of memory while a batch was made; lower train.score_batch_size"),
        ("score", "out of memory on 15 rows; lower train.score_batch_size"),
    ],
)
def test_too_little_memory_outside_of_the_passes_fails_on_all_as_well(places, place, words):
    alone, first, second = places
    assert told(alone, f"fail_{place}")[0] == "ConfigError"
    assert told(first, f"fail_{place}") == ["ConfigError", f"process 1 failed: {words}", True]
    assert told(second, f"fail_{place}") == ["ConfigError", words, False]


def test_buffers_make_the_mean_of_the_moves_and_masks_stay(places):
    alone, *two = places
    steps = told(alone, "buffers")
    for place, mean in ((alone, 1 + steps), *((place, 1 + 1.5 * steps) for place in two)):
        held = load_file(place / "buffers.safetensors")
        assert held["mask"].tolist() == [True, False]
        assert held["bias"].tolist() == [float("-inf"), 0.0]
        assert held["mean"].tolist() == [mean, float("-inf")]
        assert int(held["steps"]) == 5 + steps


def test_the_main_process_is_first_and_its_failure_keeps_nobody_waiting(places):
    _, first, second = places
    (_, done), text = told(first, "turns")
    (begun, _), heard = told(second, "turns")
    assert done <= begun
    assert (text, heard) == ("no rows", "process 0 failed: no rows")


def test_only_the_main_process_works_and_its_errors_reach_all(places):
    _, first, second = places
    assert told(first, "on_main") == [{"rank": 0}, "OutputError", "the disk is full", False, [1, 1]]
    heard = [{"rank": 0}, "OutputError", "process 0 failed: the disk is full", True, [1, 1]]
    assert told(second, "on_main") == heard


def test_a_process_that_is_gone_is_noticed_by_the_others():
    program = (
        "import os, sys\n"
        "from ctrbench.errors import LostProcess\n"
        "from ctrbench.training.processes import team\n"
        "processes = team()\n"
        "if processes.rank: os._exit(0)\n"
        "try:\n"
        "    processes.agree([1])\n"
        "except LostProcess as error: sys.exit(str(error))\n"
    )
    (code, _, errors), _ = run(2, "-c", program)
    assert code == 1
    assert "lost contact with another process" in errors


def test_another_number_of_processes_goes_on_and_says_so(places, tmp_path, caplog, monkeypatch):
    """The last epoch is left to do, in one process."""
    from ctrbench.training.fit import fit
    from tests.training.many_cases import DROPOUT, setup

    path = tmp_path / "kept.safetensors"
    path.write_bytes((places[1].parent / "kept.safetensors").read_bytes())
    name, changes, config = DROPOUT
    result = fit(*setup(name, changes), config, seed=3, checkpoint=path)
    assert len(result.epochs) == config.epochs
    assert "was left by 2 processes, and is continued by 1" in caplog.text
