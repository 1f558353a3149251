"""GGUF: one file is configuration, tokenizer and weights."""

import pytest
import torch

from ctrbench.backbones import pretrained
from ctrbench.backbones.files import resolve_backbone
from ctrbench.backbones.load import load_encoder, load_tokenizer
from ctrbench.backbones.lora import with_lora
from ctrbench.backbones.structure import positions
from ctrbench.errors import BackboneError
from tests.backbones.saved import save_gguf

TEXT = "The price is 9.99$."


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    pytest.importorskip("gguf", reason="needs the extra [gguf]")
    return save_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_gguf_file_gives_the_backbone_that_was_written_to_it(gguf):
    wanted, tokenizer = resolve_backbone("tiny-llama").build()
    encoder = load_encoder(str(gguf))
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    assert load_tokenizer(str(gguf))(TEXT)["input_ids"] == ids[0].tolist()
    assert {type(module) for module in encoder.modules()} == {type(module) for module in wanted.modules()}
    torch.testing.assert_close(encoder(ids).last_hidden_state, wanted.eval()(ids).last_hidden_state)
    assert positions(str(gguf)) == 512


def test_weights_of_a_gguf_file_take_adapters_and_half_precision(gguf):
    encoder = load_encoder(str(gguf), "bf16")
    assert {weight.dtype for weight in encoder.parameters()} == {torch.bfloat16}
    assert any(weight.requires_grad for weight in with_lora(encoder, 2, 4, 0.0, None).parameters())


def test_a_folder_with_one_gguf_file_is_that_file(gguf):
    for files in (resolve_backbone(str(gguf)), resolve_backbone(str(gguf.parent))):
        assert (files.path, files.gguf) == (str(gguf.parent), "tiny.gguf")


def test_a_folder_with_several_asks_which(tmp_path):
    (tmp_path / "a.gguf").touch()
    (tmp_path / "b.gguf").touch()
    with pytest.raises(BackboneError, match=r"2 GGUF files \(a\.gguf, b\.gguf\); name one of them$"):
        resolve_backbone(str(tmp_path))


def test_a_gguf_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BackboneError, match="there is no GGUF file"):
        resolve_backbone(str(tmp_path / "none.gguf"))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\3\0\0\0" + b"\1" * 40, b"no GGUF at all"])
@pytest.mark.parametrize("load", [load_encoder, load_tokenizer, positions])
def test_a_damaged_gguf_file_is_one_sentence(content, load, tmp_path):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(BackboneError, match=r"cannot be read \(.+\); see that .*x\.gguf is whole"):
        load(str(tmp_path / "x.gguf"))


def test_a_gguf_file_cut_off_in_its_weights_is_one_sentence(gguf, tmp_path):
    (tmp_path / "x.gguf").write_bytes(gguf.read_bytes()[:-10_000])
    with pytest.raises(BackboneError, match="cannot be read"):
        load_encoder(str(tmp_path / "x.gguf"))


@pytest.mark.parametrize("load", [load_encoder, load_tokenizer, positions])
def test_without_the_package_that_reads_it_the_sentence_names_the_package(load, tmp_path, monkeypatch):
    (tmp_path / "x.gguf").touch()
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=r"the package gguf .*pip install 'ctrbench\[gguf\]'"):
        load(str(tmp_path / "x.gguf"))


def test_to_know_its_shape_no_weight_of_a_gguf_file_is_read(gguf, monkeypatch):
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", None)
    with torch.device("meta"):
        encoder = load_encoder(str(gguf))
    assert all(weight.is_meta for weight in encoder.parameters())


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france():
    pytest.importorskip("gguf", reason="needs the extra [gguf]")
    try:
        resolve_backbone("smollm2")
    except BackboneError as absent:
        pytest.skip(str(absent))
    tokenizer, encoder = load_tokenizer("smollm2"), load_encoder("smollm2")
    tokens = tokenizer("The capital of France is", return_tensors="pt")
    last = encoder(tokens["input_ids"]).last_hidden_state[0, -1]
    assert tokenizer.decode((encoder.embed_tokens.weight @ last).argmax()) == " Paris"
    assert positions("smollm2") == 8192
