"""Every test has a cache of its own, and torch one thread: many small products are faster so."""

import os
import signal
from pathlib import Path

import pytest

from tests.browser import browser  # noqa: F401  # a fixture

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what runs in its background: tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_numbers_each_time():
    """Tests that draw random tensors draw the same ones on every run."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory):
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory):
    """A small prepared dataset of three domains, see `tests.toys`."""
    from tests.toys import write_toy

    return write_toy(Path(tmp_path_factory.mktemp("toy")) / "prepared")
