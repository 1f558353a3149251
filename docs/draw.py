"""The figure of docs/uni_ctr.md, drawn from Uni-CTR's modules: `python docs/draw.py` writes it into the document.

The model has the paper's sizes and no weights: it is built on torch's device `meta`, from a configuration alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import LlamaConfig

from ctrbench.api import FeatureInfo, encoder_layers
from ctrbench.files import atomic
from ctrbench_plugins.models.uni_ctr import UniCTR

DOCUMENT = Path(__file__).with_name("uni_ctr.md")
BEGIN, END = "<!-- figure:begin, written by docs/draw.py -->", "<!-- figure:end -->"
DOMAINS = ("fashion", "gift_cards")
SHEARED_LLAMA = {  # as in princeton-nlp/Sheared-LLaMA-1.3B
    "hidden_size": 2048,
    "intermediate_size": 5504,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "vocab_size": 32_000,
}
_READ = {"token": "2J × d", "feature": "J × 2d", "add": "J × d"}  # what the gate of a network with ladders pools


def paper_model() -> UniCTR:
    """Uni-CTR with its default settings, the paper's, on a backbone of Sheared-LLaMA-1.3B's shape."""
    with TemporaryDirectory() as folder, torch.device("meta"):
        LlamaConfig(**SHEARED_LLAMA).save_pretrained(folder)
        save_file({}, Path(folder, "model.safetensors"))  # on `meta`, no weight is read from it
        return UniCTR(UniCTR.Config(backbone=folder), FeatureInfo(), DOMAINS)


def figure(model: UniCTR) -> str:
    """A Mermaid flowchart of the model's modules, their sizes, and what each passes on."""
    lines = ["flowchart TB", '  prompt(["tokens of prompts, B × J"])', *_backbone(model)]
    lines += [f'  subgraph networks["{_kind(model.networks)}: a row visits the DSN of its own domain, and no other"]']
    for number, name in enumerate(model.domains):
        lines += _network(model, model.networks[name], f"dsn{number}", f"DSN of {name}")
    lines += ["  end", *_network(model, model.general, "general", "general network")]
    lines += ['  own(["own logits, B<br/>(known domains)"])', '  unseen(["general logits, B<br/>(unseen domains)"])']
    lines += [f"  dsn{number}_tower --> own" for number in range(len(model.domains))]
    lines += ["  general_tower --> unseen", '  loss(["loss: own + general"])', "  own --> loss", "  unseen --> loss"]
    return "\n".join(lines)


def document(text: str, drawing: str) -> str:
    """The document with another figure between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n```mermaid\n{drawing}\n```\n{END}{after}"


def _backbone(model: UniCTR) -> Iterator[str]:
    """Layers between one state that is read and the next are one node."""
    backbone = model.backbone.get_base_model()
    layers, norm, trained = encoder_layers(backbone), _norm(model), _trained(model)
    frozen = _count(model.backbone) - trained
    lora = f"{_millions(trained)} in LoRA on {', '.join(_adapted(model))}"
    yield f'  subgraph backbone["{_kind(backbone)}: {_millions(frozen)} frozen, {lora}"]'
    embedding = backbone.get_input_embeddings()
    yield f'    state0["{_kind(embedding)}<br/>{embedding.num_embeddings} × {embedding.embedding_dim}"]'
    ends = [0, *(layer for layer in model.layers if layer)]
    for start, end in pairwise(ends):
        yield f'    state{end}["layers {start + 1} to {end}<br/>{end - start} × {_kind(layers[start])}"]'
    chain = [f"state{end}" for end in ends]
    if norm:
        yield f'    norm["{norm}"]'
        chain.append("norm")
    yield "  end"
    yield f"  prompt --> {' --> '.join(chain)}"


def _network(model: UniCTR, network: Any, name: str, title: str) -> Iterator[str]:
    """A DSN or the general network, and the edges into it."""
    yield f'  subgraph {name}["{title}: {_kind(network)}, {_millions(_count(network))}"]'
    for number, ladder in enumerate(network.ladders, 1):
        wide, narrow = ladder.down[0].in_features, ladder.down[0].out_features
        about = f"{_millions(_count(ladder))}, {ladder.attention.heads} heads"
        yield f'    {name}_ladder{number}["{_kind(ladder)} {number}: {about}<br/>{wide} → {narrow} → {wide}"]'
    read = _READ[network.axis] if network.ladders else "J × d"
    yield f'    {name}_gate["{_kind(network.gate)}: {_millions(_count(network.gate))}<br/>over {read}"]'
    linear = [layer for layer in network.tower if isinstance(layer, nn.Linear)]
    widths = "-".join(str(width) for width in [linear[0].in_features, *(layer.out_features for layer in linear)])
    yield f'    {name}_tower["tower: {_millions(_count(network.tower))}<br/>{widths}"]'
    yield "  end"
    parts = [*(f"{name}_ladder{number}" for number in range(1, len(network.ladders) + 1)), f"{name}_gate"]
    yield f"  {' --> '.join([*parts, f'{name}_tower'])}"
    for layer, ladder in zip(model.taps, parts[:-1], strict=False):
        yield _tap(model, layer, ladder)
    yield _tap(model, model.layers[-1], parts[-1])


def _tap(model: UniCTR, layer: int, to: str) -> str:
    """The edge of a hidden state; the backbone itself has passed the last one through its norm."""
    norm = _norm(model)
    last = layer == model.layers[-1]
    source = "norm" if norm and last else f"state{layer}"
    label = f"norm(h_{layer})" if norm and not last else f"h_{layer}"
    return f'  {source} -- "{label}" --> {to}'


def _norm(model: UniCTR) -> str:
    """The class of the norm that every tap passes; empty where there is none."""
    owner = getattr(model.norm, "__self__", None)
    return _kind(owner) if owner is not None else ""


def _adapted(model: UniCTR) -> list[str]:
    found = {name.split(".lora_A")[0].rpartition(".")[2] for name, _ in model.named_parameters() if ".lora_A" in name}
    return sorted(found)


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _trained(model: UniCTR) -> int:
    return sum(parameter.numel() for parameter in model.backbone.parameters() if parameter.requires_grad)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


def main() -> None:
    """Write the figure into the document, whole or not at all."""
    text = document(DOCUMENT.read_text("utf-8"), figure(paper_model()))
    with atomic(DOCUMENT, "check the folder's permissions") as temporary:
        temporary.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
