"""Known architectures are those of the published models, and stand for them in estimates alone."""

import pytest
import torch

from ctrbench.backbones.files import resolve_backbone
from ctrbench.backbones.known import architecture_suffices, known
from ctrbench.backbones.load import empty_encoder, load_encoder, load_tokenizer
from ctrbench.backbones.structure import positions
from ctrbench.errors import HubError

# Published numbers of parameters, without pooler and language-model head: TinyBERT 14.5M with its pooler (Jiao et al.,
# arXiv 1909.10351); BERT 110M (Devlin et al.); DeBERTa-v3-large 304M and 131M of embeddings (its model card);
# Sheared-LLaMA 1.3B with a head of 32,000 x 2048 (Xia et al., arXiv 2310.06694).
SIZES = {
    "tinybert-14m": 14.35e6 - 312 * 313,
    "bert-base": 109.48e6 - 768 * 769,
    "deberta-v3-large": 304e6 + 131e6,
    "sheared-llama-1.3b": 1345.4e6 - 32_000 * 2048,
}


@pytest.mark.parametrize("name", SIZES)
def test_the_known_architecture_has_the_published_size(name):
    with architecture_suffices():
        encoder = empty_encoder(name)
    assert sum(weight.numel() for weight in encoder.parameters()) == pytest.approx(SIZES[name], rel=0.003)


def test_it_has_bytes_for_tokens_and_its_own_positions():
    with architecture_suffices():
        tokenizer = load_tokenizer("sheared-llama-1.3b")
        assert positions("bert-base") == 512
    assert len(tokenizer("Harmonicas (12 ct)")["input_ids"]) == 18


def test_elsewhere_the_files_are_needed():
    for load in (load_tokenizer, load_encoder, positions):
        with pytest.raises(HubError):
            load("bert-base")


def test_no_weights_are_made_up():
    """Off the device `meta`, an architecture is no backbone."""
    with architecture_suffices(), pytest.raises(HubError):
        load_encoder("tinybert-14m")


def test_files_that_are_here_are_read(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with architecture_suffices():
        assert known(resolve_backbone(str(tmp_path))) is None
        assert known(resolve_backbone("tiny-bert")) is None
    assert torch.get_default_device().type == "cpu"
