"""Acme's tables: what ctrbench asks of every table."""

from ctrbench.testing import TableTests


class TestAcmeTables(TableTests):
    tables = "acme_ctr.tables"
