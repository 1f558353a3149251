"""What tests of training share."""

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache for each test; yields the folder of states."""
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "states"
