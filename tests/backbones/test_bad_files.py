"""Files that lie or are broken: nothing in them runs, and each fault is one sentence."""

import json
import pickle
import re
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file, save_file

from ctrbench.backbones.files import resolve_backbone
from ctrbench.backbones.load import load_encoder, load_tokenizer
from ctrbench.backbones.structure import positions
from ctrbench.errors import BackboneError
from tests.backbones.saved import save, save_bin


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def folder(tmp_path):
    save("tiny-bert", tmp_path / "x")
    return tmp_path / "x"


def sentence(load, folder):
    with pytest.raises(BackboneError) as raised:
        load(str(folder))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("protocol", [None, 2, 5])
@pytest.mark.parametrize("shards", [1, 2])
def test_code_in_a_bin_is_refused_and_does_not_run(protocol, shards, folder, tmp_path):
    state = load_file(folder / "model.safetensors")
    evil = state | {"evil": Touch(tmp_path / "evil")}
    save_bin(folder, *[evil, state][:shards])
    file = next(folder.glob("pytorch_model*0*.bin"), folder / "pytorch_model.bin")
    if protocol is not None:
        file.write_bytes(pickle.dumps(evil, protocol))
    with suppress(RuntimeError):  # plain unpickling runs it
        torch.load(file, weights_only=False)
    (tmp_path / "evil").unlink()
    said = sentence(load_encoder, folder)
    assert re.search(r"weights-only loader refused .*pytorch_model.*\.bin.*; convert the weights to safetensors", said)
    assert not (tmp_path / "evil").exists()


def test_code_that_a_configuration_names_does_not_run(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'evil')!r}, 'w')\n")
    load_tokenizer(str(folder))
    for load in (load_encoder, positions):
        assert "its configuration cannot be read" in sentence(load, folder)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_compiled_code_that_a_configuration_names_is_not_fetched(key, folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: "somebody/attention"}))
    assert load_encoder(str(folder)).config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("kept", [0, 10, 5000])
def test_weights_that_are_cut_off_are_one_sentence(name, kept, folder):
    if name.endswith(".bin"):
        save_bin(folder, load_file(folder / "model.safetensors"))
    (folder / name).write_bytes((folder / name).read_bytes()[:kept])
    said = sentence(load_encoder, folder)
    assert "cannot be read" in said or "refused" in said


def test_a_folder_without_weights_is_one_sentence(folder):
    (folder / "model.safetensors").unlink()
    assert "its weights cannot be read" in sentence(load_encoder, folder)


def test_weights_that_are_not_there_or_cut_off_are_found_without_reading_any(folder):
    with torch.device("meta"):
        load_encoder(str(folder))
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
        assert "its weights cannot be read" in sentence(load_encoder, folder)
        (folder / "model.safetensors").unlink()
        assert "holds no weights" in sentence(load_encoder, folder)


def test_a_weight_that_is_missing_or_of_another_shape_is_never_random(folder):
    state = load_file(folder / "model.safetensors")
    key = "encoder.layer.2.attention.self.query.weight"
    for changed in ({name: state[name] for name in state if name != key}, state | {key: torch.zeros(3, 3)}):
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        said = sentence(load_encoder, folder)
        assert re.search(rf"lack 1 of its weights.*{key}", said)


def test_weights_of_a_head_that_is_dropped_may_be_there_or_not(folder):
    state = load_file(folder / "model.safetensors")
    assert not any("pooler" in key for key in state)
    save_file(state | {"cls.bias": torch.zeros(3)}, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(str(folder)).pooler is None


@pytest.mark.parametrize("content", ["{nope", "[]", "{}", '{"model_type": "nope"}', '{"model_type": 3}', ""])
@pytest.mark.parametrize("load", [load_encoder, positions])
def test_a_configuration_that_is_none_is_one_sentence(content, load, folder):
    (folder / "config.json").write_text(content)
    assert "its configuration cannot be read" in sentence(load, folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model_type": "t5"}, "an encoder with a decoder"),
        ({"model_type": "bert", "quantization_config": {"quant_method": "bitsandbytes"}}, "quantised"),
    ],
)
def test_what_cannot_be_a_backbone_is_one_sentence(content, said, folder):
    (folder / "config.json").write_text(json.dumps(content))
    assert said in sentence(load_encoder, folder)


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-deberta", "tiny-llama"])
def test_a_folder_without_a_tokenizer_is_one_sentence(name, tmp_path):
    save(name, tmp_path)
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    assert "tokenizer" in sentence(load_tokenizer, tmp_path)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"model": {"type": "BPE"}}'])
def test_a_damaged_tokenizer_is_one_sentence(content, folder):
    (folder / "tokenizer.json").write_text(content)
    assert "its tokenizer cannot be read" in sentence(load_tokenizer, folder)


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_too_little_memory_is_one_sentence(fault, folder, monkeypatch):
    def full(*_, **__):
        raise fault

    monkeypatch.setattr("transformers.AutoModel.from_pretrained", full)
    assert "does not fit into the memory of this machine; name a smaller one" in sentence(load_encoder, folder)


def test_a_slow_tokenizer_is_one_sentence(folder, monkeypatch):
    tokenizer = resolve_backbone("tiny-bert").build()[1]
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *_, **__: tokenizer)
    assert "no fast tokenizer" in sentence(load_tokenizer, folder)
