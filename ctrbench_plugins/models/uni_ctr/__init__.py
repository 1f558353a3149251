"""Uni-CTR (arXiv 2312.10743)."""

from ctrbench_plugins.models.uni_ctr.model import UniCTR

__all__ = ["UniCTR"]
