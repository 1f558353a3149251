"""Ctrl-C waits for the end of a step; impatience does not."""

import os
import signal

import pytest

from ctrbench.training.interrupt import deferred_interrupt


def press(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_same_again_interrupts(number):
    with deferred_interrupt() as stop:
        assert not stop
        press(number)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            press(number)


def test_another_signal_of_a_launcher_is_the_same_request():
    with deferred_interrupt() as stop:
        press(signal.SIGINT)
        press(signal.SIGTERM)
        assert stop


def test_afterwards_signals_do_what_they_did_before():
    with deferred_interrupt():
        pass
    with pytest.raises(KeyboardInterrupt):
        press(signal.SIGINT)
