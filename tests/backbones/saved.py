"""The tiny backbones written to disk in the formats that models come in."""

import json

import numpy as np
import torch

from ctrbench.backbones.files import resolve_backbone


def save(name, folder):
    """A folder with configuration, tokenizer and safetensors; returns it as the name of a backbone."""
    encoder, tokenizer = resolve_backbone(name).build()
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save_bin(folder, *shards):
    """Put `.bin` files, one for each state in `shards`, in the place of the folder's safetensors."""
    (folder / "model.safetensors").unlink()
    if len(shards) == 1:
        torch.save(shards[0], folder / "pytorch_model.bin")
        return
    files = {f"pytorch_model-{n}-of-{len(shards)}.bin": shard for n, shard in enumerate(shards)}
    for file, shard in files.items():
        torch.save(shard, folder / file)
    where = {key: file for file, shard in files.items() for key in shard}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def save_gguf(path):
    """`tiny-llama` as one GGUF file, with the names and the order of rotary channels that llama.cpp has; returns it."""
    import gguf

    encoder, tokenizer = resolve_backbone("tiny-llama").build()
    config = encoder.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get))
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (config.vocab_size - 1))
    writer.add_token_scores([0.0] * config.vocab_size)  # without merges, these must be there
    writer.add_pad_token_id(0)
    for name, weight in encoder.state_dict().items():
        writer.add_tensor(_gguf_name(name), _interleaved(name, weight.numpy(), config.num_attention_heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_GGUF_NAMES = {
    "embed_tokens": "token_embd",
    "layers": "blk",
    "self_attn.": "attn_",
    "mlp.": "ffn_",
    "_proj": "",
    "attn_o.": "attn_output.",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def _gguf_name(name):
    for ours, theirs in _GGUF_NAMES.items():
        name = name.replace(ours, theirs)
    return "output_norm.weight" if name == "norm.weight" else name


def _interleaved(name, weight, heads):
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    halves = weight.reshape(heads, 2, -1, weight.shape[1])  # transformers: first half of a head's channels, second half
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))
