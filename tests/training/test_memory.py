"""The C library's setting, made by the command and left to users who made it themselves."""

import subprocess
import sys

import pytest

from ctrbench.training.memory import keep_freed_blocks

CODE = "from ctrbench.training.memory import keep_freed_blocks; print(keep_freed_blocks())"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's setting")
def test_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    assert keep_freed_blocks() is False


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_blocks() is False


def test_it_can_be_called_in_a_new_process():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("True", "False")
    assert done.stderr == ""
