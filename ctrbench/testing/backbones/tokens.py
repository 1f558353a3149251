"""What a backbone promises of its tokenizer."""

from __future__ import annotations

from ctrbench.testing.backbones.subject import TEXTS, BackboneSubject
from ctrbench.testing.promises import promise


class TokenPromises(BackboneSubject):
    """What a backbone promises of its tokenizer."""

    @promise(
        "bring the fast tokenizer (tokenizer.json) that the weights were trained with; `byte_tokenizer()` makes one."
    )
    def test_every_text_has_tokens(self) -> None:
        """The tokenizer is fast, has a padding token, and gives each text its own tokens, alone or among others."""
        for name in self._here():
            tokenizer = self._tokenizer(name)
            assert tokenizer.pad_token_id is not None, f"the tokenizer of {name} has no padding token"
            alone = [tokenizer(text)["input_ids"] for text in TEXTS]
            for text, ids in zip(TEXTS, alone, strict=True):
                assert ids, f"the tokenizer of {name} gives {text!r} no token"
            assert tokenizer(list(TEXTS))["input_ids"] == alone, f"{name} gives a text other tokens beside others"
            assert len({tuple(ids) for ids in alone}) == len(TEXTS), f"{name} gives all texts the same tokens"

    @promise("let the embedding have a row for each token: `resize_token_embeddings`, or another tokenizer.")
    def test_tokens_have_embeddings(self) -> None:
        """Every token that the tokenizer knows has a row in the encoder's embedding."""
        for name in self._here():
            tokenizer, rows = self._tokenizer(name), self._encoder(name).get_input_embeddings().num_embeddings
            largest = max(*tokenizer.get_vocab().values(), tokenizer.pad_token_id)
            assert largest < rows, f"{name} has a token {largest}, and an embedding of {rows} rows"
