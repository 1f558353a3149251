"""Multi-domain CTR prediction: a language model (Uni-CTR) beside ID-based models, on the same rows."""

from typing import TYPE_CHECKING, Any

from ctrbench._version import __version__

if TYPE_CHECKING:
    from ctrbench.bench.session import fit as fit, load_dataset as load_dataset

__all__ = ["__version__", "fit", "load_dataset"]


def __getattr__(name: str) -> Any:
    """`fit` and `load_dataset`, imported when first used: importing ctrbench imports nothing heavy."""
    if name in ("fit", "load_dataset"):
        from ctrbench.bench import session

        return getattr(session, name)
    raise AttributeError(f"module 'ctrbench' has no attribute {name!r}")
