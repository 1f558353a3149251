"""A tokenizer that comes as a SentencePiece model alone, as DeBERTa-v3's does."""

import json

import pytest

from ctrbench.backbones import pretrained
from ctrbench.backbones.load import load_tokenizer
from ctrbench.errors import BackboneError
from tests.backbones.saved import save

TEXTS = ["Gift Cards: the title is 'Harmonicas (12 ct)', the price is 9.99$.", "a user who clicked a product recently"]


@pytest.fixture
def folder(tmp_path):
    save("tiny-deberta", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
    return tmp_path


def test_its_tokens_are_those_of_sentencepiece(folder):
    spm = pytest.importorskip("sentencepiece", reason="needs the extra [sentencepiece]")
    pytest.importorskip("google.protobuf", reason="needs the extra [sentencepiece]")
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_prefix=str(folder / "spm"),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"pad_id": 0, "pad_piece": "[PAD]", "bos_id": 1, "bos_piece": "[CLS]"},
        **{"eos_id": 2, "eos_piece": "[SEP]", "unk_id": 3, "unk_piece": "[UNK]"},
    )
    tokenizer = load_tokenizer(str(folder))
    model = spm.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    for text in [*TEXTS, "unseen: ζ"]:
        assert tokenizer(text)["input_ids"] == [1, *model.encode(text), 2]
    assert tokenizer.pad_token_id == 0


def test_without_the_packages_that_read_it_the_sentence_names_them(folder, monkeypatch):
    (folder / "spm.model").write_bytes(b"anything")
    monkeypatch.setattr(pretrained, "_reads_sentencepiece", lambda: False)
    with pytest.raises(BackboneError, match=r"pip install 'ctrbench\[sentencepiece\]'$"):
        load_tokenizer(str(folder))


def test_a_damaged_one_is_not_taken_for_a_missing_package(folder):
    pytest.importorskip("sentencepiece", reason="needs the extra [sentencepiece]")
    pytest.importorskip("google.protobuf", reason="needs the extra [sentencepiece]")
    (folder / "spm.model").write_bytes(b"anything")
    with pytest.raises(BackboneError, match="its tokenizer cannot be read"):
        load_tokenizer(str(folder))
