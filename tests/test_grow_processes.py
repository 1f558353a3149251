"""A domain is added to a trained model by several processes, as a user types it: as one process does."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.test_many_processes import ACCELERATE, ROOT, logits, run

pytestmark = pytest.mark.slow

TABLE = """
schema = 1
title = "A new domain"
kind = "new_domain"
domains = ["fashion", "gift_cards"]
targets = ["digital_music"]
models = ["mmoe", "uni_ctr"]
profiles.demo.dataset = "demo"
settings.mmoe.config = { embedding_dim = 8, dropout = 0 }
settings.mmoe.train = { epochs = 2 }
settings.uni_ctr.config = { backbone = "tiny-llama", max_length = 32, tower = [8], dropout = 0, lora_dropout = 0 }
settings.uni_ctr.train = { epochs = 1 }
"""
COMMAND = ["-m", "ctrbench", "run", "new.toml", "--limit", "60", "--format", "json", "--results", "results"]


def command(folder: Path, *launcher: str, options: tuple[str, ...] = ()) -> dict:
    (folder / "new.toml").write_text(TABLE)
    code, out, err = run(folder, *launcher, *COMMAND, *options)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    command(folder)
    return logits(folder / "results")


@pytest.mark.parametrize(
    ("launcher", "options"),
    [((), ("--processes", "2")), ((*ACCELERATE, "--config_file", str(ROOT / "docs" / "fsdp.yaml")), ())],
    ids=["ctrbench", "fsdp"],
)
def test_a_domain_is_added_as_by_one_process(alone, tmp_path, launcher, options):
    found = command(tmp_path, *launcher, options=options)
    kept = [row["domains"]["digital_music"]["old_domains_unchanged"] for row in found["rows"]]
    assert kept == [True, True]
    np.testing.assert_allclose(logits(tmp_path / "results"), alone, atol=1e-4)
