"""A plan of five runs over three fake models, and an executor that trains nothing."""

import pytest

from ctrbench.bench import records
from tests.fakes import failed_record, make_plan, make_record, register_models


@pytest.fixture
def plan(monkeypatch):
    register_models(monkeypatch)
    return make_plan()


@pytest.fixture
def failing():
    """The models whose runs fail; for modules to say."""
    return ()


@pytest.fixture
def executed(monkeypatch, failing):
    """The ids of runs that were executed here."""
    ids = []

    def execute(planned, data, results, watch):
        ids.append(planned.spec.id)
        record = failed_record(planned) if planned.spec.model in failing else make_record(planned, {})
        records.save(results, record)
        return record

    monkeypatch.setattr("ctrbench.bench.execute.execute", execute)
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: None)
    return ids
