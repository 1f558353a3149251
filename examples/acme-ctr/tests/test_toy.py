"""`acme_toy`: what ctrbench asks of every dataset."""

from ctrbench.testing import SourceTests


class TestAcmeToy(SourceTests):
    source = "acme_toy"
    options = {"rows": 600}
