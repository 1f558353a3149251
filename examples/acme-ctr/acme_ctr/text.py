"""The model `acme_text`: a frozen language model reads a row as text, and each domain has a small head of its own."""

from __future__ import annotations

from torch import Tensor

from ctrbench.api import (
    Batch,
    CTRModel,
    FeatureInfo,
    PerDomain,
    Size,
    Sizes,
    TextFeaturizer,
    load_encoder,
    load_tokenizer,
    mlp,
    positions,
    resolve_backbone,
)


class AcmeText(CTRModel):
    """logit = MLP_d(mean over tokens of h_L), for a row of domain d; h_L are the backbone's last hidden states."""

    api_version = 1
    category = "language_model"
    train_defaults = {"optimizer": "adamw", "batch_size": 64, "score_batch_size": 256}

    class Config(CTRModel.Config):
        """Backbone, prompt and heads."""

        backbone: str = "acme_backbone"  # or another name, a folder, a .gguf file, a hub id
        prompt: str = "default"  # one of the dataset's
        max_length: Size = 128  # tokens
        hidden: Sizes = (32,)

    @classmethod
    def featurizer(cls, config: Config) -> TextFeaturizer:
        """Prompts in the backbone's own tokens, no more than it has positions for."""
        length = min(config.max_length, positions(config.backbone) or config.max_length)
        return TextFeaturizer(load_tokenizer(config.backbone), config.prompt, length)

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.backbone = load_encoder(config.backbone)  # every weight frozen
        sizes = (self.backbone.config.hidden_size, *config.hidden)
        self.heads = PerDomain(lambda: mlp(sizes, out=1), domains)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from the row's own domain's head."""
        mask = batch.x["attention_mask"][:, :, None]  # (B, T, 1), False at padding
        states = batch.x["states"] if "states" in batch.x else self.fixed_states(batch)["states"]
        mean = (states.float() * mask).sum(1) / mask.sum(1).clamp(min=1)  # (B, d)
        return self.heads(batch, mean)[:, 0]

    def fixed_states(self, batch: Batch) -> dict[str, Tensor]:
        """`states` (B, T, d): as nothing of the backbone is trained, they are computed once and kept on disk."""
        out = self.backbone(input_ids=batch.x["input_ids"], attention_mask=batch.x["attention_mask"].long())
        return {"states": out.last_hidden_state}

    def notes(self) -> tuple[str, ...]:
        """What every table with this model says."""
        name = self.config.backbone
        return (f"backbone {name} has random weights",) if resolve_backbone(name).random else ()
