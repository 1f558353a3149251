"""What processes share is what the main one says, in one folder."""

import pytest

from ctrbench.bench import shared
from ctrbench.errors import OutputError


def test_a_results_folder_that_is_not_the_main_ones_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "_PATIENCE", 0.0)
    with pytest.raises(OutputError, match="is not that of the main process; name a folder that all machines share"):
        shared._wait_for(tmp_path / "mark")
    (tmp_path / "mark").touch()
    shared._wait_for(tmp_path / "mark")
