"""`acme_backbone`: what ctrbench asks of every backbone."""

from ctrbench.testing import BackboneTests


class TestAcmeBackbone(BackboneTests):
    backbone = "acme_backbone"
    names = ("acme_backbone",)
