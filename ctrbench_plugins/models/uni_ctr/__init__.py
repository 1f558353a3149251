"""Uni-CTR (arXiv 2312.10743), and the same without its language model."""

from ctrbench_plugins.models.uni_ctr.ids import UniCTRIds
from ctrbench_plugins.models.uni_ctr.model import UniCTR

__all__ = ["UniCTR", "UniCTRIds"]
