"""`acme_text`: what ctrbench asks of every model."""

from ctrbench.testing import ModelTests


class TestAcmeText(ModelTests):
    model = "acme_text"
    config = {"hidden": (8,), "max_length": 96}
